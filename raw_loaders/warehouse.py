"""Opens the warehouse file for writing, and brings its raw schema up to date."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import duckdb

from raw_loaders.dictionary import Dictionary
from raw_loaders.errors import WarehouseNameError, WarehouseVersionError, disk_full, is_disk_full
from raw_loaders.patience import patiently

SCHEMA_VERSION = 2
MEMORY_LIMIT = "256MB"
# a database file gives its name to its catalog, and `raw.x` is ambiguous when both a catalog and a schema are called raw
_TAKEN_NAMES = {"raw", "staging", "intermediate", "marts", "build", "ops", "serve", "main", "temp", "system"}

STREAM_TABLE = """
create table if not exists raw."{stream}" (
    source_file varchar not null,
    line_no bigint not null,
    byte_offset bigint not null,
    member_no bigint not null,
    member_offset bigint not null,
    record json not null,
    key_hash ubigint not null,
    emitted_at timestamptz,    -- the dictionary's clock of the stream: when the record was written ...
    bar_open_at timestamptz,   -- ... or the opening of its bar, where the source logs no other clock
    load_id varchar not null
)
"""


@contextlib.contextmanager
def open_warehouse(warehouse: Path, dictionary: Dictionary, *, lock_wait_s: float = 30.0) -> Iterator[duckdb.DuckDBPyConnection]:
    """A writing connection to `warehouse` with the raw schema in place; created when it is not there yet.

    Raises WarehouseLockedError when another process keeps the file for longer than `lock_wait_s` seconds,
    WarehouseVersionError when a newer release wrote it, WarehouseNameError when the file is named like a schema,
    DiskFullError when no room is left.
    """
    if warehouse.stem in _TAKEN_NAMES:
        raise WarehouseNameError(
            f"A warehouse file cannot be called {warehouse.name}: a schema in it has that name; choose another one."
        )
    warehouse.parent.mkdir(parents=True, exist_ok=True)
    try:
        connection = _connect(warehouse, lock_wait_s)
        try:
            _prepare(connection, warehouse, dictionary)
            yield connection
        finally:
            connection.close()
    except (duckdb.Error, OSError) as error:
        if is_disk_full(error):
            raise disk_full(warehouse) from error
        raise


def _connect(warehouse: Path, lock_wait_s: float) -> duckdb.DuckDBPyConnection:
    # zstd for JSON text needs the 1.5 storage format; the older default format would store it uncompressed
    config = {"storage_compatibility_version": "latest"}
    try:
        return patiently(warehouse, lock_wait_s, lambda: duckdb.connect(str(warehouse), config=config))
    except duckdb.Error as error:
        if "not a valid DuckDB database file" in str(error) or "version number" in str(error):
            raise WarehouseVersionError(
                f"{warehouse} is no warehouse this release can open ({str(error).splitlines()[0]}): "
                "update bandit-warehouse, or name another file."
            ) from error
        raise


def _prepare(connection: duckdb.DuckDBPyConnection, warehouse: Path, dictionary: Dictionary) -> None:
    connection.execute("set timezone = 'UTC'")
    connection.execute(f"set memory_limit = '{MEMORY_LIMIT}'")
    connection.execute("set force_compression = 'zstd'")  # JSON text: half the size of the default choice, and faster to write
    connection.execute("set preserve_insertion_order = false")  # rows carry their line number; order is free speed
    _check_version(connection, warehouse)
    connection.execute("begin")
    connection.execute(Path(__file__).with_name("schema.sql").read_text())
    for stream in dictionary.streams:
        connection.execute(STREAM_TABLE.format(stream=stream))
    if get_meta(connection, "schema_version") == "1":
        _add_bar_clock(connection, dictionary)
    set_meta(connection, "schema_version", str(SCHEMA_VERSION))
    connection.execute("commit")


def _check_version(connection: duckdb.DuckDBPyConnection, warehouse: Path) -> None:
    is_ours = connection.execute(
        "select count(*) from duckdb_tables() where schema_name = 'raw' and table_name = 'meta'"
    ).fetchone()[0]
    if not is_ours:
        return
    found = get_meta(connection, "schema_version")
    if found is not None and int(found) > SCHEMA_VERSION:
        raise WarehouseVersionError(
            f"The warehouse {warehouse} has schema version {found}, this release knows up to {SCHEMA_VERSION}: "
            "update bandit-warehouse, or name another warehouse; nothing was changed."
        )


def _add_bar_clock(connection: duckdb.DuckDBPyConnection, dictionary: Dictionary) -> None:
    """From schema 1 to 2: the bar clock of the streams that have no other was in the record only."""
    for stream in dictionary.streams.values():
        table = f'raw."{stream.name}"'
        names = "source_file, line_no, byte_offset, member_no, member_offset, record, key_hash, emitted_at"
        in_record = f"(record ->> '$.\"{stream.clock_field}\"')::timestamptz"
        clock = in_record if stream.clock == "bar_open_at" else "null::timestamptz"
        connection.execute(f"create temp table moved as select {names}, {clock} as bar_open_at, load_id from {table}")
        connection.execute(f"drop table {table}")
        connection.execute(STREAM_TABLE.format(stream=stream.name))
        connection.execute(f"insert into {table} from moved")
        connection.execute("drop table moved")


def get_meta(connection: duckdb.DuckDBPyConnection, key: str) -> str | None:
    """The value of `key` in raw.meta, None when it is not set."""
    row = connection.execute("select value from raw.meta where key = ?", [key]).fetchone()
    return row[0] if row else None


def set_meta(connection: duckdb.DuckDBPyConnection, key: str, value: str) -> None:
    """Set `key` in raw.meta."""
    connection.execute("insert or replace into raw.meta values (?, ?)", [key, value])
