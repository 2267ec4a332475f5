"""What assets and checks work with: the warehouse file and the dbt command."""

import contextlib
import importlib.metadata
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import duckdb
from dagster_dbt import DbtCliResource

from dagster_project.settings import Settings
from raw_loaders.errors import is_lock_conflict, locked

WRITER_POOL = "duckdb_writer"
DBT_LAUNCHER = Path(__file__).parent / "bin" / "dbt"


class Warehouse(dg.ConfigurableResource):
    """The DuckDB file. Waits up to `wait_s` seconds for another process that has it open."""

    path: str
    wait_s: float

    @contextlib.contextmanager
    def connect(self, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection whose session is in UTC; closed in any case, since dbt runs in a process of its own.

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
                return duckdb.connect(self.path, read_only=read_only)
            except duckdb.IOException as error:
                if not is_lock_conflict(error):
                    raise
                if time.monotonic() >= deadline:
                    raise locked(Path(self.path), error, self.wait_s) from error
                time.sleep(0.25)


def warehouse_resource(settings: Settings) -> Warehouse:
    """The warehouse file of these settings."""
    return Warehouse(path=str(settings.warehouse), wait_s=settings.lock_wait_s)


def dbt_resource(settings: Settings) -> DbtCliResource:
    """The dbt command line, started through a launcher that answers `--version` at once (dbt itself takes seconds)."""
    return DbtCliResource(
        project_dir=str(settings.dbt_project), profiles_dir=str(settings.dbt_project), dbt_executable=str(DBT_LAUNCHER)
    )


def dbt_environment(settings: Settings) -> dict[str, str]:
    """Environment of every dbt call: which warehouse, which dbt, and no log file beside the console output."""
    return {
        "WAREHOUSE_PATH": str(settings.warehouse),
        "DBT_LOG_LEVEL_FILE": "none",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "BANDIT_DBT_PROGRAM": str(Path(sys.executable).parent / "dbt"),
        "BANDIT_DBT_VERSION": importlib.metadata.version("dbt-core"),
    }


@contextlib.contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    """Set environment variables for the duration of a block; dagster-dbt hands its own environment on to dbt."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
