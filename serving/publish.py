"""Publishes the marts: copies their file, verifies the copy, and switches readers over to it."""

import contextlib
import datetime as dt
import errno
import shutil
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from raw_loaders.errors import is_disk_full
from raw_loaders.patience import patiently
from serving.blocks import copy_changed_blocks, copy_file
from serving.contents import add_reference, add_version, attach_warehouse, count_rows, free_views, mart_names, views
from serving.errors import NothingPublishedError, PublicationError, marts_missing, no_room
from serving.places import serve_file
from serving.versions import (
    CURRENT,
    list_versions,
    literal,
    log_of,
    next_id,
    part_file,
    protect,
    prune,
    publishing,
    remove_leftovers,
    spare_file,
    switch,
    sync,
    take_back,
    versions_folder,
)

# what a version gets beside the copy: its own row, the list of its tables, seeds and the history of checks
_ADDED_BYTES = 32 << 20


@dataclass(frozen=True)
class Version:
    """A published version. `bytes` of its file, `seconds` it took to publish, rows of each table of the marts (not of views).

    `bytes_copied` tells what of the file had to be written; the rest was there from the version before.
    """

    version_id: str
    path: Path
    bytes: int
    bytes_copied: int
    published_at: dt.datetime
    seconds: float
    tables: dict[str, int]


def publish(
    warehouse: Path,
    published: Path,
    *,
    keep: int = 5,
    facts: Mapping[str, Any] | None = None,
    expected: Collection[str] | None = None,
    wait_s: float = 60.0,
) -> Version:
    """Publish the marts of `warehouse` into the folder `published` and return the version.

    `facts` are columns of the version's row in marts.published_version (contents.VERSION_COLUMNS: run, checks, newest event …).
    `expected` are the marts the project has: one that is neither there nor expected may be gone since the version before.
    Without it, none may. The last `keep` versions stay. A publication costs what was changed since the version it is written
    over; readers wait for nothing.

    Raises NothingPublishedError when there are no marts (MartsMissingError: fewer than in the version before), PublicationError
    when the folder has no room or rights or when another publication does not end within `wait_s` seconds, WarehouseLockedError
    when another process keeps a working file for longer than that; the version before stays then.
    """
    started = time.monotonic()
    marts = serve_file(warehouse)
    if not marts.is_file() or not warehouse.is_file():
        raise NothingPublishedError(f"There are no marts to publish beside {warehouse}: run the transformations first.")
    try:
        versions_folder(published).mkdir(parents=True, exist_ok=True)
        with publishing(published, wait_s):
            remove_leftovers(published)
            now = dt.datetime.now(dt.UTC)
            version_id = next_id(published, now)
            path = versions_folder(published) / f"{version_id}.duckdb"
            told = {"version_id": version_id, "published_at": now, **(facts or {})}
            with _part_of(path) as part:
                copied = _copy(marts, part, published, expected, wait_s)
                tables = _fill(part, marts, warehouse, told, wait_s)
                protect(part)
                sync(part)
                part.replace(path)
                sync(path.parent)
            try:
                switch(published, path)
            except BaseException:
                take_back(published, path)
                raise
            prune(published, keep)
            return Version(version_id, path, path.stat().st_size, copied, now, time.monotonic() - started, tables)
    except (OSError, duckdb.Error) as error:
        raise _as_fault(published, marts, error) from error


def _as_fault(published: Path, marts: Path, error: OSError | duckdb.Error) -> PublicationError:
    """One sentence for a folder without room or rights, and for files that DuckDB cannot open or read."""
    if is_disk_full(error) or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return no_room(published, marts.stat().st_size + _ADDED_BYTES, shutil.disk_usage(published).free)
    if isinstance(error, OSError):
        return PublicationError(
            f"The marts could not be published into {published} ({error.strerror or error}): "
            "check that the folder exists and may be written; the version before stays."
        )
    said = " ".join(str(error).split("\n\n")[0].split())
    return PublicationError(
        f"{marts} or the warehouse beside it could not be read ({said}): close what this program has open, "
        "or build the marts again; the version before stays."
    )


@contextlib.contextmanager
def _part_of(path: Path) -> Iterator[Path]:
    """Name of the unfinished version; whatever lies there is removed when it is not finished."""
    part = part_file(path)
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)
        log_of(part).unlink(missing_ok=True)


def _copy(marts: Path, part: Path, published: Path, expected: Collection[str] | None, wait_s: float) -> int:
    """Copy the file of the marts, over the spare version where there is one. Returns the bytes written."""
    spare = spare_file(published)
    with _opened(marts, wait_s) as connection:
        _refuse_fewer_marts(connection, marts, published, expected)
        # brings everything committed into the file itself: a copy takes no write-ahead log along
        connection.execute("checkpoint")
        block_size = connection.execute("select block_size from pragma_database_size()").fetchone()[0]
        needed = marts.stat().st_size + _ADDED_BYTES - (spare.stat().st_size if spare.exists() else 0)
        free = shutil.disk_usage(published).free
        if free < needed:
            raise no_room(published, needed, free)
        # with the file open nobody else can write to it until it is copied
        if spare.exists():
            # under its new name nobody can open it any more; who has done so before is found out
            spare.replace(part)
            written = copy_changed_blocks(marts, part, block_size)
            if written is not None:
                return written
            part.unlink()  # who reads it goes on reading it
        return copy_file(marts, part)


def _refuse_fewer_marts(
    connection: duckdb.DuckDBPyConnection, marts: Path, published: Path, expected: Collection[str] | None
) -> None:
    """Raise MartsMissingError when a mart of the version before is gone and not meant to be."""
    there = mart_names(connection)
    if not there:
        raise NothingPublishedError(f"{marts} holds no mart: run the transformations first.")
    missing = _marts_before(published) - there
    if expected is not None:
        missing.intersection_update(expected)
    if missing:
        raise marts_missing(marts, missing, is_expected=expected is not None)


def _marts_before(published: Path) -> set[str]:
    """Marts of the newest version that can be read; none when there is no such version.

    It is not opened by the name that readers use: DuckDB opens a name only once in a process, and this one may read it.
    """
    for file in (*reversed(list_versions(published)), published / CURRENT):
        try:
            if file.is_file():
                with _attached(file, "(read_only)") as connection:
                    return mart_names(connection)
        except duckdb.Error:
            continue  # damaged, or open for writing: the new version puts an end to that
    return set()


@contextlib.contextmanager
def _opened(marts: Path, wait_s: float) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = patiently(marts, wait_s, lambda: duckdb.connect(str(marts)))
    try:
        yield connection
    finally:
        connection.close()


def _fill(part: Path, marts: Path, warehouse: Path, facts: Mapping[str, Any], wait_s: float) -> dict[str, int]:
    """Add to the copy what a version says of itself, and verify that it can be read. Returns the rows of its tables."""
    with _attached(part) as connection:
        tables = count_rows(connection)
        patiently(warehouse, wait_s, lambda: attach_warehouse(connection, warehouse))
        connection.execute("begin")
        free_views(connection)
        add_reference(connection)
        add_version(connection, facts, tables)
        connection.execute("commit")
        connection.execute("detach warehouse_file")
        connection.execute("checkpoint serve")
    with _attached(part, "(read_only)") as connection:
        if count_rows(connection) != tables:
            raise PublicationError(f"The copy of {marts} differs from it: something else wrote to it; publish again.")
        for name, _ in views(connection):
            connection.execute(f'select * from serve.marts."{name}" limit 0')
    return tables


@contextlib.contextmanager
def _attached(part: Path, options: str = "") -> Iterator[duckdb.DuckDBPyConnection]:
    """The copy under the name that dbt gave its file, which is the one its views know it by."""
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(f"attach {literal(part)} as serve {options}")
        connection.execute("use serve")
        yield connection
