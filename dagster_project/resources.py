"""What assets and checks work with: the warehouse file."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import duckdb

from dagster_project.quick_storage import kept_open
from dagster_project.settings import Settings
from dagster_project.turns import turn
from raw_loaders.errors import is_lock_conflict, locked
from serving.places import serve_file
from serving.versions import literal

WRITER_POOL = "duckdb_writer"


class Warehouse(dg.ConfigurableResource):
    """The DuckDB file. Waits up to `wait_s` seconds for another process that has it open.

    Within a run of an instance on disk it holds the one turn that runs have (`turns`), for as long as the run lasts.
    """

    path: str
    wait_s: float
    turns: str

    @contextlib.contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["Warehouse"]:
        """Wait for the run's turn; the turn ends with the run, or with its process."""
        if context.run is None or context.instance is None or context.instance.is_ephemeral:
            yield self
            return
        with turn(Path(self.turns), context.run.run_id), kept_open(Path(self.turns).parent):
            yield self

    @contextlib.contextmanager
    def connect(self, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection whose session is in UTC, with the file of the marts attached for reading (as `serve`).

        It is closed in any case, since dbt runs in a process of its own.

        Raises WarehouseLockedError when the file stays locked, duckdb.Error for any other fault.
        """
        connection = self._open(read_only)
        try:
            connection.execute("set TimeZone = 'UTC'")
            yield connection
        finally:
            connection.close()

    def _open(self, read_only: bool) -> duckdb.DuckDBPyConnection:
        deadline = time.monotonic() + self.wait_s
        while True:
            try:
                return self._open_once(read_only)
            except duckdb.IOException as error:
                if not is_lock_conflict(error):
                    raise
                if time.monotonic() >= deadline:
                    raise locked(Path(self.path), error, self.wait_s) from error
                time.sleep(0.25)

    def _open_once(self, read_only: bool) -> duckdb.DuckDBPyConnection:
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
    return Warehouse(path=str(settings.warehouse), wait_s=settings.lock_wait_s, turns=str(settings.turns))
