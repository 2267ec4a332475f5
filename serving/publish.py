"""Publishes the marts: copies their file, verifies the copy, and switches readers over to it."""

import contextlib
import datetime as dt
import errno
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import duckdb

from serving.errors import NothingPublishedError, PublicationError, no_room
from serving.versions import list_versions, literal, prune, publishing, serve_file, switch, sync, versions_folder

# what a version gets beside the copy: its own row, the list of its tables, seeds and the history of checks
_SPARE_BYTES = 32 << 20
_CHECKS_KEPT = "interval 90 days"


@dataclass(frozen=True)
class Version:
    """A published version. `bytes` of its file, `seconds` it took to publish, rows of each table of the marts."""

    version_id: str
    path: Path
    bytes: int
    published_at: dt.datetime
    seconds: float
    tables: dict[str, int]


def publish(warehouse: Path, published: Path, *, keep: int = 5, facts: Mapping[str, Any] | None = None) -> Version:
    """Publish the marts of `warehouse` into the folder `published` and return the version.

    `facts` are columns of the version's row in marts.published_version (run, checks, newest event …; values: text, numbers,
    instants). No process may be writing the marts meanwhile. The last `keep` versions stay. Publishing costs a copy of
    the marts' file and so what the disk takes for it; readers wait for nothing. Raises NothingPublishedError when there
    are no marts, PublicationError when the folder has no room or rights: the version before stays then.
    """
    started = time.monotonic()
    marts = serve_file(warehouse)
    if not marts.is_file():
        raise NothingPublishedError(f"There are no marts to publish beside {warehouse}: run the transformations first.")
    try:
        versions_folder(published).mkdir(parents=True, exist_ok=True)
        with publishing(published):
            prune(published, keep)
            _checkpoint(marts)
            needed, free = marts.stat().st_size + _SPARE_BYTES, shutil.disk_usage(published).free
            if free < needed:
                raise no_room(published, needed, free)
            now = dt.datetime.now(dt.UTC)
            version_id = _next_id(published, now)
            path = versions_folder(published) / f"{version_id}.duckdb"
            tables = _write(warehouse, marts, path, {"version_id": version_id, "published_at": now, **_code(), **(facts or {})})
            switch(published, path)
            prune(published, keep)
    except OSError as error:
        raise _as_fault(published, error) from error
    except duckdb.IOException as error:
        if "No space left" in str(error) or "could not allocate" in str(error).lower():
            raise no_room(published, marts.stat().st_size + _SPARE_BYTES, shutil.disk_usage(published).free) from error
        raise
    return Version(version_id, path, path.stat().st_size, now, time.monotonic() - started, tables)


def _as_fault(published: Path, error: OSError) -> PublicationError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return no_room(published, _SPARE_BYTES, shutil.disk_usage(published).free)
    return PublicationError(
        f"The marts could not be published into {published} ({error.strerror or error}): "
        "check that the folder exists and may be written; the version before stays."
    )


def _next_id(published: Path, now: dt.datetime) -> str:
    """Ids sort in the order of publication, even when the clock was set back."""
    wanted = f"{now:%Y%m%dT%H%M%S}.{now.microsecond:06d}Z"
    last = max((path.stem for path in list_versions(published)), default="")
    return wanted if wanted > last else f"{last}+"


def _code() -> dict[str, str]:
    try:
        return {"code_version": version("bandit-warehouse")}
    except PackageNotFoundError:
        return {"code_version": "not installed"}


def _checkpoint(marts: Path) -> None:
    """Bring everything committed into the file itself: a copy takes no write-ahead log along."""
    with duckdb.connect(str(marts)) as connection:
        connection.execute("checkpoint")


def _write(warehouse: Path, marts: Path, path: Path, facts: Mapping[str, Any]) -> dict[str, int]:
    part = path.with_name(path.name + ".part")
    shutil.copyfile(marts, part)
    try:
        with _attached(part) as connection:
            tables = _count(connection)
            if not tables:
                raise NothingPublishedError(f"{marts} holds no mart: run the transformations first.")
            _add_reference(connection, warehouse)
            _add_version(connection, facts, tables)
            connection.execute("checkpoint serve")
        with _attached(part, "(read_only)") as connection:
            held = _count(connection)
        if any(held.get(table) != count for table, count in tables.items()):
            raise PublicationError(f"The copy of {marts} differs from it: something else wrote to it; publish again.")
        sync(part)
        part.replace(path)
        sync(path.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        part.with_name(part.name + ".wal").unlink(missing_ok=True)
        raise
    return tables


@contextlib.contextmanager
def _attached(part: Path, options: str = "") -> Iterator[duckdb.DuckDBPyConnection]:
    """The file under the name that its views know it by, which is the name of the file that readers open."""
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(f"attach {literal(part)} as serve {options}")
        connection.execute("use serve")
        yield connection


def _count(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Rows of every table and view of the schema marts, without the rows about the version itself."""
    names = connection.execute(
        """
        select table_name from information_schema.tables
        where table_catalog = 'serve' and table_schema = 'marts'
            and table_name not in ('published_version', 'published_tables')
        order by all
        """
    ).fetchall()
    return {name: connection.execute(f'select count(*) from marts."{name}"').fetchone()[0] for (name,) in names}


def _add_reference(connection: duckdb.DuckDBPyConnection, warehouse: Path) -> None:
    """Take along what analysts look up: the seeds (guards, limits, metrics …) and what the last checks said."""
    connection.execute(f"attach {literal(warehouse)} as warehouse_file (read_only)")
    tables = connection.execute(
        """
        select schema_name, table_name from duckdb_tables()
        where database_name = 'warehouse_file' and (
            schema_name = 'staging' and not starts_with(table_name, 'stg_')
            or schema_name = 'ops' and table_name = 'check_results'
        )
        order by all
        """
    ).fetchall()
    connection.execute("create schema if not exists reference")
    for schema, table in tables:
        recent = f"where checked_at > now() - {_CHECKS_KEPT}" if table == "check_results" else ""
        connection.execute(
            f'create or replace table reference."{table}" as select * from warehouse_file.{schema}."{table}" {recent}'
        )
    connection.execute("detach warehouse_file")


def _add_version(connection: duckdb.DuckDBPyConnection, facts: Mapping[str, Any], tables: Mapping[str, int]) -> None:
    columns = ", ".join(f'${name} as "{name}"' for name in facts)
    connection.execute(f"create or replace table marts.published_version as select {columns}", dict(facts))
    connection.execute("create or replace table marts.published_tables (table_name varchar not null, row_count bigint not null)")
    connection.executemany("insert into marts.published_tables values (?, ?)", [list(item) for item in tables.items()])
