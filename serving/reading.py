"""Opens a published version for reading, and for nothing else."""

import datetime as dt
from pathlib import Path

import duckdb

from serving.errors import NothingPublishedError, QueryError
from serving.versions import CURRENT

# a query may read the version and nothing besides: no other file, no network, no extension, no change of these settings
_LOCKED = {"enable_external_access": "false", "autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
_WRITES = (
    "read-only mode",
    "Cannot execute statement of type",
    "disabled through configuration",
    "disabled by configuration",
    "Permission Error",
    "configuration has been locked",
)


def open_version(published: Path) -> duckdb.DuckDBPyConnection:
    """A read-only connection in UTC to the version readers see now. Raises NothingPublishedError when there is none."""
    current = published / CURRENT
    if not current.is_file():
        raise NothingPublishedError(f"Nothing is published in {published} yet: run `make run`, or publish from Dagster.")
    connection = duckdb.connect(str(current.resolve()), read_only=True, config=_LOCKED)
    connection.execute("set timezone = 'UTC'")
    connection.execute("set search_path = 'marts,reference'")
    connection.execute("set lock_configuration = true")
    return connection


def run(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.DuckDBPyRelation | None:
    """The result of one query; None for a statement without one. Raises QueryError with one sentence."""
    try:
        return connection.sql(sql)
    except duckdb.Error as error:
        raise as_query_error(error) from error


def as_query_error(error: duckdb.Error) -> QueryError:
    """What DuckDB said, in one sentence for the person who asked."""
    said = str(error).strip()
    if any(sign in said for sign in _WRITES):
        return QueryError(
            "The published version is for reading only: no tables, no files, no settings and no extensions "
            f"({said.splitlines()[0]})."
        )
    return QueryError(said)


def describe(connection: duckdb.DuckDBPyConnection) -> str:
    """Which version this is and how old, in one line."""
    version_id, published_at = connection.execute("select version_id, published_at from marts.published_version").fetchone()
    age = dt.datetime.now(dt.UTC) - published_at
    return f"version {version_id}, published {published_at:%Y-%m-%d %H:%M:%S} UTC, {_spoken(age)} ago"


def _spoken(age: dt.timedelta) -> str:
    minutes = max(int(age.total_seconds() // 60), 0)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"
