"""Questions to the raw tables: how much was read, how much lies in a window, which hours a load touched."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import duckdb

from dagster_project.partitions import HOUR_FORMAT, TIMEZONE, Window
from raw_loaders.dictionary import Dictionary

Row = dict[str, Any]
Hour = tuple[str, datetime]  # a stream, and the first instant of an IST hour
# India is half an hour off UTC: the hour is cut on the local clock
_IST_HOUR = f"date_trunc('hour', emitted_at at time zone '{TIMEZONE}') at time zone '{TIMEZONE}'"
_NEAR = timedelta(hours=12)  # to read what lies between costs less than another span
_NAMED_SPANS = 20


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


def newest_event(con: duckdb.DuckDBPyConnection, dictionary: Dictionary) -> datetime | None:
    """Latest emission time of all streams; None when no record bears one.

    Looks at the rows near the newest date= folder first: those of years before it need not be read.
    """
    streams = clocked(dictionary, dictionary.streams)
    (newest,) = con.execute("select max(try_cast(partition_date as date)) - 1 from raw.files").fetchone()
    for since in (newest, date(1970, 1, 1)):
        parts = " union all ".join(
            f"""select max(emitted_at) as newest_at from raw."{stream}" where emitted_at >= timestamptz '{since} 00:00:00+00'"""
            for stream in streams
        )
        if since and (found := con.execute(f"select max(newest_at) from ({parts})").fetchone()[0]):
            return found
    return None


def of_loads(load_ids: Sequence[str], column: str = "load_id") -> str:
    """SQL that is true for the rows these loads brought; false without any load."""
    if not load_ids:
        return "false"
    ids = ", ".join(f"'{load}'" for load in load_ids)
    # load ids begin with a time: DuckDB leaves out the parts of a table that hold older ones only
    return f"({column} >= '{min(load_ids)}' and {column} in ({ids}))"


def hours_of_loads_sql(streams: Sequence[str], load_ids: Sequence[str]) -> str:
    """A query per stream and IST hour (`hour_at`, its first instant): rows that the given loads brought."""
    return " union all ".join(
        f"""
        select '{stream}' as stream, {_IST_HOUR} as hour_at, count(*) as row_count
        from raw."{stream}"
        where {of_loads(load_ids)} and emitted_at is not null
        group by all
        """
        for stream in streams
    )


def hours_of_loads(con: duckdb.DuckDBPyConnection, streams: Sequence[str], load_ids: Sequence[str]) -> list[Row]:
    """The rows of that query."""
    if not streams or not load_ids:
        return []
    return rows(con, f"select * from ({hours_of_loads_sql(streams, load_ids)}) order by stream, hour_at")


def rows_of_hours(
    con: duckdb.DuckDBPyConnection, tables: Mapping[str, str], hours: Iterable[Hour] | None = None
) -> dict[Hour, int]:
    """Rows of each IST hour that holds any, by stream and table; of the given hours only, when there are any given.

    Reads of each stream's table what lies in its hours, and no table of which no hour is asked for.
    """
    asked = None if hours is None else set(hours)
    parts = []
    for stream, table in tables.items():
        within = "emitted_at is not null"
        if asked is not None:
            moments = sorted(hour_at for name, hour_at in asked if name == stream)
            if not moments:
                continue
            within = " or ".join(
                f"emitted_at >= timestamptz '{start.isoformat()}' and emitted_at < timestamptz '{end.isoformat()}'"
                for start, end in _spans(moments)
            )
        parts.append(f"select '{stream}', {_IST_HOUR} as hour_at, count(*) from {table} where {within} group by all")
    found = con.execute(" union all ".join(parts)).fetchall() if parts else []
    held = {(stream, hour_at): count for stream, hour_at, count in found}
    return held if asked is None else {hour: held[hour] for hour in asked if hour in held}


def _spans(hours: Sequence[datetime]) -> list[tuple[datetime, datetime]]:
    """The hours, given in order, as half-open spans: with literal bounds DuckDB skips what lies between them. One span over all
    of them where they are too many to be named."""
    spans: list[tuple[datetime, datetime]] = []
    for hour_at in hours:
        end = hour_at + timedelta(hours=1)
        if spans and hour_at - spans[-1][1] <= _NEAR:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((hour_at, end))
    return spans if len(spans) <= _NAMED_SPANS else [(spans[0][0], spans[-1][1])]


def keys_of_hours(con: duckdb.DuckDBPyConnection, tables: Mapping[str, str]) -> set[tuple[str, str]]:
    """(stream, key of the hourly partition) of each IST hour that holds rows, by stream and table."""
    hour = f"date_trunc('hour', emitted_at at time zone '{TIMEZONE}')"
    parts = [
        f"select '{stream}', strftime(hour_ist, '{HOUR_FORMAT}') "
        f"from (select distinct {hour} as hour_ist from {table} where emitted_at is not null)"
        for stream, table in tables.items()
    ]
    return set(con.execute(" union all ".join(parts)).fetchall()) if parts else set()


def table_sizes(con: duckdb.DuckDBPyConnection, tables: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Exact row count of each (schema, table) that exists, in the warehouse or in the file of the marts attached to it."""
    present = rows(
        con,
        "select distinct on (table_schema, table_name) table_catalog as file, table_schema as schema, table_name as name "
        "from information_schema.tables where (table_schema, table_name) in (select unnest($names, recursive := true)) "
        # a table of the marts' file wins over one of the same name that an earlier release left in the warehouse
        "order by table_schema, table_name, table_catalog = current_database()",
        {"names": [{"schema": schema, "name": name} for schema, name in tables]},
    )
    if not present:
        return {}
    parts = " union all ".join(
        f"""select '{row["schema"]}' as schema, '{row["name"]}' as name, count(*) as row_count
        from "{row["file"]}"."{row["schema"]}"."{row["name"]}" """
        for row in present
    )
    return {(row["schema"], row["name"]): row["row_count"] for row in rows(con, parts)}
