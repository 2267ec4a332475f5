"""Opens a warehouse and its marts, which lie in two files, as if they were one."""

from pathlib import Path

import duckdb

from serving.places import serve_file
from serving.versions import literal


def open_together(warehouse: Path) -> duckdb.DuckDBPyConnection:
    """A connection in UTC to raw, staging and all other schemas of `warehouse` and to its marts, for reading.

    Every table is a view of the same name, so `staging.x` and `marts.y` work without the name of a file. No other process
    may be writing to either file. Raises duckdb.Error when one of them cannot be opened.
    """
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    connection.execute(f"attach {literal(warehouse)} as warehouse (read_only)")
    if (marts := serve_file(warehouse)).is_file():
        connection.execute(f"attach {literal(marts)} as serve (read_only)")
    tables = connection.execute(
        """
        select table_catalog, table_schema, table_name
        from information_schema.tables
        where table_catalog in ('warehouse', 'serve') and table_schema <> 'main'
        """
    ).fetchall()
    for schema in {schema for _, schema, _ in tables}:
        connection.execute(f'create schema "{schema}"')
    for catalog, schema, table in tables:
        connection.execute(f'create view "{schema}"."{table}" as from {catalog}."{schema}"."{table}"')
    return connection
