"""What a version holds beside the marts: its own row, the rows of each table, the seeds, and what the checks said."""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import duckdb

from serving.versions import literal

# what a version says of itself; column -> type
VERSION_COLUMNS = {
    "version_id": "varchar not null",
    "published_at": "timestamptz not null",
    "built_at": "timestamptz",
    "newest_event_at": "timestamptz",
    "newest_load_at": "timestamptz",
    "is_synthetic": "boolean",
    "code_version": "varchar",
    "warehouse_schema": "varchar",
    "run_id": "varchar",
    "checks_passed": "bigint",
    "checks_warned": "bigint",
    "checks_skipped": "bigint",
    "checks_failed": "bigint",
}
_OWN_TABLES = ("published_version", "published_tables")
# two weeks of results are for looking up; all of them stay in ops.check_results of the warehouse
_CHECKS_KEPT = "interval 14 days"


def count_rows(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Rows of every table of the schema marts, the ones about the version aside. DuckDB knows them without reading."""
    names = connection.execute(
        "select table_name from duckdb_tables() where database_name = 'serve' and schema_name = 'marts' order by all"
    ).fetchall()
    return {
        name: connection.execute(f'select count(*) from serve.marts."{name}"').fetchone()[0]
        for (name,) in names
        if name not in _OWN_TABLES
    }


def mart_names(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Tables and views of the schema marts in the database at hand, the ones about the version aside."""
    names = connection.execute(
        "select table_name from information_schema.tables where table_catalog = current_database() and table_schema = 'marts'"
    ).fetchall()
    return {name for (name,) in names}.difference(_OWN_TABLES)


def views(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Name and definition of the views of the schema marts."""
    return connection.execute(
        "select view_name, sql from duckdb_views() where database_name = 'serve' and schema_name = 'marts' order by all"
    ).fetchall()


def free_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Take the name of the database out of the views: a reader may attach the file under any name."""
    for _, sql in views(connection):
        connection.execute(sql.replace("serve.marts.", "marts.").replace("CREATE VIEW", "create or replace view", 1))


def add_reference(connection: duckdb.DuckDBPyConnection) -> None:
    """Take along what analysts look up: the seeds (guards, limits …), which days are whole, what the last checks said."""
    tables = connection.execute(
        """
        select schema_name, table_name from duckdb_tables()
        where database_name = 'warehouse_file' and (
            schema_name = 'staging' and not starts_with(table_name, 'stg_')
            or schema_name = 'ops' and table_name in ('check_results', 'day_reconciliation')
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


def add_version(connection: duckdb.DuckDBPyConnection, facts: Mapping[str, Any], tables: Mapping[str, int]) -> None:
    """Write marts.published_version (one row) and marts.published_tables. Raises ValueError for an unknown fact."""
    known = _known(connection) | dict(facts)
    if unknown := known.keys() - VERSION_COLUMNS.keys():
        raise ValueError(f"The version has no column for {', '.join(sorted(unknown))}")
    columns = ", ".join(f"{name} {kind}" for name, kind in VERSION_COLUMNS.items())
    connection.execute(f"create or replace table marts.published_version ({columns})")
    connection.execute(
        f"insert into marts.published_version values ({', '.join('?' * len(VERSION_COLUMNS))})",
        [known.get(name) for name in VERSION_COLUMNS],
    )
    connection.execute("create or replace table marts.published_tables (table_name varchar not null, row_count bigint not null)")
    if tables:
        rows = ", ".join("(?, ?)" for _ in tables)
        connection.execute(
            f"insert into marts.published_tables values {rows}", [part for item in tables.items() for part in item]
        )


def _known(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """What the warehouse itself tells; a table that is not there tells nothing."""
    questions = {
        ("raw", "meta"): """
            select max(value) filter (key = 'schema_version') as warehouse_schema,
                   bool_or(value = 'true') filter (key = 'is_synthetic') as is_synthetic from warehouse_file.raw.meta
        """,
        ("raw", "loads"): "select max(finished_at) as newest_load_at from warehouse_file.raw.loads",
        ("build", "models"): "select max(built_at) as built_at from warehouse_file.build.models",
    }
    there = set(
        connection.execute(
            "select schema_name, table_name from duckdb_tables() where database_name = 'warehouse_file'"
        ).fetchall()
    )
    known: dict[str, Any] = {"code_version": _code_version()}
    for table, question in questions.items():
        if table in there:
            cursor = connection.execute(question)
            known |= dict(zip((column[0] for column in cursor.description), cursor.fetchone(), strict=True))
    return known


def _code_version() -> str | None:
    try:
        return version("bandit-warehouse")
    except PackageNotFoundError:
        return None


def attach_warehouse(connection: duckdb.DuckDBPyConnection, warehouse: Path) -> None:
    """Attach the working file for reading, as `warehouse_file`."""
    connection.execute(f"attach {literal(warehouse)} as warehouse_file (read_only)")
