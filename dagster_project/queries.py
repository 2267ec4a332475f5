"""Questions to the raw tables: how much was read, how much lies in a window, which hours a load touched."""

from collections.abc import Iterable, Sequence
from typing import Any

import duckdb

from dagster_project.partitions import TIMEZONE, Window
from raw_loaders.dictionary import Dictionary

Row = dict[str, Any]


def rows(con: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> list[Row]:
    """Run one query and return its rows as dicts."""
    cursor = con.execute(sql, parameters or None)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def by_stream(found: Iterable[Row]) -> dict[str, Row]:
    """Index rows by their `stream`."""
    return {row["stream"]: row for row in found}


def table_exists(con: duckdb.DuckDBPyConnection, schema: str, name: str) -> bool:
    """Whether a table or view of that name exists in this warehouse."""
    return bool(
        con.execute(
            "select 1 from information_schema.tables "
            "where table_catalog = current_database() and table_schema = ? and table_name = ?",
            [schema, name],
        ).fetchone()
    )


def clocked(dictionary: Dictionary, streams: Iterable[str]) -> list[str]:
    """Those streams whose records carry the emission time; of the others only staging knows it."""
    return [name for name in streams if dictionary.streams[name].clock == "emitted_at"]


def file_totals(con: duckdb.DuckDBPyConnection) -> dict[str, Row]:
    """Per stream, over all files taken in so far: files, lines and bytes by fate, least number of lost records."""
    return by_stream(
        rows(
            con,
            """
            select stream, count(*) as files, sum(lines)::bigint as lines, sum(accepted)::bigint as accepted,
                   sum(rejected)::bigint as rejected, sum(bytes_read)::bigint as bytes_read,
                   sum(bytes_damaged)::bigint as bytes_damaged, sum(min_lost_records)::bigint as min_lost_records
            from raw.files
            where stream is not null
            group by stream
            """,
        )
    )


def rows_in_window(con: duckdb.DuckDBPyConnection, streams: Sequence[str], window: Window) -> dict[str, Row]:
    """Per stream with an emission clock: rows emitted in the half-open window, and the files they lie in."""
    if not streams:
        return {}
    parts = " union all ".join(
        f"""
        select '{stream}' as stream, count(*) as row_count, count(distinct source_file) as files
        from raw.{stream}
        where emitted_at >= $start and emitted_at < $end
        """
        for stream in streams
    )
    return by_stream(rows(con, parts, {"start": window.start, "end": window.end}))


def hours_of_loads(con: duckdb.DuckDBPyConnection, streams: Sequence[str], load_ids: Sequence[str]) -> list[Row]:
    """Per stream and IST hour (`hour_at`, its first instant): rows that the given loads brought."""
    if not streams or not load_ids:
        return []
    parts = " union all ".join(
        f"""
        select '{stream}' as stream,
               -- India is half an hour off UTC: the hour is cut on the local clock
               date_trunc('hour', emitted_at at time zone '{TIMEZONE}') at time zone '{TIMEZONE}' as hour_at,
               count(*) as row_count
        from raw.{stream}
        where list_contains($loads, load_id)
        group by all
        """
        for stream in streams
    )
    return rows(con, f"select * from ({parts}) order by stream, hour_at", {"loads": list(load_ids)})


def table_sizes(con: duckdb.DuckDBPyConnection, tables: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Exact row count of each (schema, table) that exists."""
    present = [name for name in tables if table_exists(con, *name)]
    if not present:
        return {}
    parts = " union all ".join(
        f"""select '{schema}' as schema_name, '{name}' as table_name, count(*) as row_count from "{schema}"."{name}" """
        for schema, name in present
    )
    return {(row["schema_name"], row["table_name"]): row["row_count"] for row in rows(con, parts)}
