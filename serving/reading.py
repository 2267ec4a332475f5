"""Opens a published version for reading, and for nothing else."""

import datetime as dt
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb

from serving.errors import NothingPublishedError, QueryError
from serving.statements import READ_ONLY, read_statements
from serving.versions import CURRENT, log_of

# a query may read the version and nothing besides: no other file, no network, no extension, no variable of this program
_LOCKED = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
}
_REFUSALS = (
    "read-only mode",
    "Cannot execute statement of type",
    "disabled through configuration",
    "disabled by configuration",
    "Permission Error",
    "configuration has been locked",
)
_PLACE = re.compile(r"\n+LINE (\d+): ")


def open_version(published: Path) -> duckdb.DuckDBPyConnection:
    """A read-only connection in UTC to the version readers see now; `fct_fills` is `marts.fct_fills` in it.

    What does not fit into memory goes into the folder for temporary files. SQL of other people is for `run` and `results`, which
    refuse what DuckDB would let pass. Raises NothingPublishedError when there is no version, QueryError when it cannot be opened.
    """
    current = published / CURRENT
    if not current.is_file():
        raise NothingPublishedError(f"Nothing is published in {published} yet: run `make run`, or publish from Dagster.")
    if log_of(current).exists():
        raise QueryError(
            f"Somebody opened {current} for writing and left {log_of(current).name} beside it, which would change what you read: "
            "remove that file, or wait for the next publication, which does."
        )
    spill = Path(tempfile.gettempdir()) / f"bandit-warehouse-{os.getpid()}"
    try:
        connection = duckdb.connect(str(current), read_only=True, config=_LOCKED | {"temp_directory": str(spill)})
    except duckdb.Error as error:
        raise QueryError(f"{current} cannot be opened ({_sentence(error)}): publish the marts again.") from error
    connection.execute("set timezone = 'UTC'")
    connection.execute("set search_path = 'marts,reference'")
    connection.execute("set lock_configuration = true")
    return connection


def results(connection: duckdb.DuckDBPyConnection, sql: str) -> Iterator[duckdb.DuckDBPyRelation]:
    """The results of the statements in `sql`, one after the other.

    Raises QueryError with one sentence; before anything is run, when one of them does more than read.
    """
    try:
        for statement in read_statements(connection, sql):
            if (relation := _run(connection, statement)) is not None:
                yield relation
    except duckdb.Error as error:
        raise as_query_error(error) from error


def run(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.DuckDBPyRelation:
    """The result of one query. Raises QueryError with one sentence, also for none or several; nothing is run then."""
    try:
        found = read_statements(connection, sql)
        if len(found) != 1:
            raise QueryError(f"One query at a time, please: this text holds {len(found) or 'none'}.")
        relation = _run(connection, found[0])
    except duckdb.Error as error:
        raise as_query_error(error) from error
    if relation is None:
        raise QueryError("This text asks for no rows: write a query, such as `from mart_decision_funnel`.")
    return relation


def _run(connection: duckdb.DuckDBPyConnection, parts: Sequence[duckdb.Statement]) -> duckdb.DuckDBPyRelation | None:
    relation = None
    for part in parts:
        relation = connection.sql(part)
    return relation


def as_query_error(error: duckdb.Error) -> QueryError:
    """What DuckDB said, in one sentence for the person who asked."""
    said = str(error)
    if any(sign in said for sign in _REFUSALS):
        return QueryError(f"{READ_ONLY} ({_sentence(error)}).")
    return QueryError(_sentence(error))


def _sentence(error: duckdb.Error) -> str:
    said = str(error).strip()
    place = _PLACE.search(said)
    where = f" (line {place[1]})" if place and place[1] != "1" else ""
    return " ".join(said.split("\n\n")[0].split()) + where


def describe(connection: duckdb.DuckDBPyConnection) -> str:
    """Which version this is, how old it is and how old the newest event in it, in one line."""
    version_id, published_at, newest = connection.execute(
        "select version_id, published_at, newest_event_at from marts.published_version"
    ).fetchone()
    now = dt.datetime.now(dt.UTC)
    event = f"; newest event {newest:%Y-%m-%d %H:%M:%S} UTC, {_spoken(now - newest)} ago" if newest else ""
    return f"version {version_id}, published {published_at:%Y-%m-%d %H:%M:%S} UTC, {_spoken(now - published_at)} ago{event}"


def _spoken(age: dt.timedelta) -> str:
    minutes = max(int(age.total_seconds() // 60), 0)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"
