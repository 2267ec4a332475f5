"""What assets and checks work with: the warehouse file."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import duckdb
import pydantic

from dagster_project.quick_storage import kept_open
from dagster_project.settings import Settings
from dagster_project.turns import turn
from raw_loaders.errors import LoaderError, check_is_there
from raw_loaders.patience import patiently
from raw_loaders.turns import turns_folder
from serving.places import serve_file
from serving.versions import literal

WRITER_POOL = "duckdb_writer"


class Warehouse(dg.ConfigurableResource):
    """The DuckDB file. Waits up to `wait_s` seconds for another process that has it open.

    Within a run of an instance on disk it holds the one turn that runs have, for as long as the run lasts. `home` is the
    folder of Dagster's own storage.
    """

    path: str
    wait_s: float
    home: str
    _is_in_run: bool = pydantic.PrivateAttr(default=False)

    @contextlib.contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["Warehouse"]:
        """Wait for the run's turn; the turn ends with the run, or with its process."""
        self._is_in_run = True
        if context.run is None or context.instance is None or context.instance.is_ephemeral:
            yield self
            return
        with turn(turns_folder(Path(self.path)), context.run.run_id), kept_open(Path(self.home)):
            yield self

    @contextlib.contextmanager
    def connect(self, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection whose session is in UTC, with the file of the marts attached for reading (as `serve`).

        It is closed in any case, since dbt runs in a process of its own. The file is never made: that is the loader's part.

        Raises WarehouseGoneError when there is no file, WarehouseLockedError when it stays locked (both, within a run, as
        dg.Failure with their sentence and exit code), duckdb.Error for any other fault.
        """
        with failing_in_a_run() if self._is_in_run else contextlib.nullcontext():
            check_is_there(Path(self.path))
            connection = patiently(Path(self.path), self.wait_s, lambda: self._open(read_only))
        try:
            connection.execute("set TimeZone = 'UTC'")
            yield connection
        finally:
            connection.close()

    def _open(self, read_only: bool) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(self.path, read_only=read_only)
        try:
            if (marts := serve_file(Path(self.path))).is_file():
                connection.execute(f"attach {literal(marts)} as serve (read_only)")
        except BaseException:
            connection.close()
            raise
        return connection


def warehouse_resource(settings: Settings) -> Warehouse:
    """The warehouse file of these settings."""
    return Warehouse(path=str(settings.warehouse), wait_s=settings.lock_wait_s, home=str(settings.dagster_home))


def wait_until_free(warehouse: Path, wait_s: float) -> None:
    """Wait until nobody else has the warehouse or the file of its marts open: for who opens them in a process of its own.

    Raises WarehouseGoneError when there is no warehouse, WarehouseLockedError when one of the two stays locked for longer
    than `wait_s` seconds.
    """
    check_is_there(warehouse)
    for file in filter(Path.is_file, (warehouse, serve_file(warehouse))):
        patiently(file, wait_s, lambda file=file: duckdb.connect(str(file)).close())


@contextlib.contextmanager
def failing_in_a_run() -> Iterator[None]:
    """An expected fault fails the step with its one sentence and exit code, and the step is not tried again."""
    try:
        yield
    except LoaderError as error:
        raise dg.Failure(str(error), metadata={"exit_code": error.exit_code}, allow_retries=False) from error
