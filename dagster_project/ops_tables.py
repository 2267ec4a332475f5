"""Bookkeeping of the orchestration in schema `ops`: which loads and hours Dagster was told of, which loads were checked, which
days were reconciled, what the checks found.

It lies in the warehouse and not in Dagster's own storage, so that a load made by hand, or one whose process died before
it could report, is announced and reconciled by the next run.
"""

from collections.abc import Iterable, Mapping, Sequence

import duckdb

from dagster_project.queries import Hour, rows, table_exists

_TABLES = (
    "create schema if not exists ops",
    "create table if not exists ops.announced_loads (load_id varchar not null, announced_at timestamptz not null)",
    "create table if not exists ops.reconciled_loads (load_id varchar not null, reconciled_at timestamptz not null)",
    # days of a load that were reconciled while others of its days were not
    "create table if not exists ops.reconciled_load_days (load_id varchar not null, date_ist date not null)",
    # hours whose state Dagster has to be told; `has_new_rows`: as they received rows, so also when they are shown already
    """
    create table if not exists ops.unreported_hours (
        stream varchar not null, hour_at timestamptz not null, has_new_rows boolean not null
    )
    """,
    """
    create table if not exists ops.day_reconciliation (
        date_ist date not null, stream varchar not null, files bigint not null, rows_raw bigint not null,
        rows_staged bigint not null, rows_attributed bigint not null, lines_rejected bigint not null,
        bytes_damaged bigint not null, min_lost_records bigint not null, is_complete boolean not null,
        incomplete_reason varchar, reconciled_at timestamptz not null
    )
    """,
    # state: passed, failed (publication stops), warned, skipped (nothing to examine); scope: touched or whole
    """
    create table if not exists ops.check_results (
        run_id varchar not null, checked_at timestamptz not null, check_name varchar not null, asset varchar not null,
        scope varchar not null, state varchar not null, severity varchar not null, rows_examined bigint,
        rows_failed bigint not null, examples json, remedy varchar, description varchar
    )
    """,
    # of a warehouse that knew no partitions of checks
    "alter table ops.check_results add column if not exists partition varchar",
    # one row per check that failed, of severity error, and has not passed since on as much as it failed on
    """
    create table if not exists ops.open_failures (
        asset varchar not null, check_name varchar not null, scope varchar not null, run_id varchar not null,
        failed_at timestamptz not null, description varchar
    )
    """,
    """
    create table if not exists ops.verified_loads (
        load_id varchar not null, layer varchar not null, verified_at timestamptz not null
    )
    """,
    # what a load brought from a file whose event ids were computed again, and how many of them were wrong
    """
    create table if not exists ops.hashed_files (
        load_id varchar not null, source_file varchar not null, stream varchar not null, records bigint not null,
        wrong_records bigint not null, first_wrong_line_no bigint, hashed_at timestamptz not null
    )
    """,
)


def create_ops_tables(con: duckdb.DuckDBPyConnection) -> None:
    """Create the tables of schema `ops` that are missing."""
    for statement in _TABLES:
        con.execute(statement)


def loads_missing_from(con: duckdb.DuckDBPyConnection, table: str, layer: str | None = None) -> list[str]:
    """Ids of loads that brought something and are not in `ops.<table>` yet (for `layer`, where it has one), oldest first.

    All of them when there is no such table yet, which who only reads cannot make.
    """
    is_new = f"load_id not in (select load_id from ops.{table} {'where layer = $layer' if layer else ''})"
    found = rows(
        con,
        f"""
        select load_id, min(started_at) as started_at
        from raw.loads
        where {is_new if table_exists(con, "ops", table) else "true"}
        group by load_id
        order by started_at, load_id
        """,
        {"layer": layer} if layer else (),
    )
    return [row["load_id"] for row in found]


def mark_loads(con: duckdb.DuckDBPyConnection, table: str, load_ids: Sequence[str], layer: str | None = None) -> None:
    """Enter the loads into `ops.<table>`; marking one twice leaves one row."""
    if load_ids:
        condition = " and layer = $2" if layer else ""
        values = [list(load_ids), layer] if layer else [list(load_ids)]
        con.execute(f"delete from ops.{table} where list_contains($1, load_id){condition}", values)
        con.execute(f"insert into ops.{table} select unnest($1), {'$2, ' if layer else ''}now()", values)


def put_into_queue(con: duckdb.DuckDBPyConnection, hours: Mapping[Hour, bool]) -> None:
    """Queue hours whose state Dagster has to be told (`unreported_hours`), each with whether it received rows."""
    con.execute(
        "insert into ops.unreported_hours select unnest($streams), unnest($hours), unnest($new)",
        _columns(hours) | {"new": list(hours.values())},
    )


def take_from_queue(con: duckdb.DuckDBPyConnection, hours: Iterable[Hour]) -> None:
    """Remove hours from that queue."""
    con.execute(
        "delete from ops.unreported_hours where (stream, hour_at) in (select (unnest($streams), unnest($hours)))", _columns(hours)
    )


def _columns(hours: Iterable[Hour]) -> dict[str, list]:
    hours = list(hours)
    return {"streams": [stream for stream, _ in hours], "hours": [hour_at for _, hour_at in hours]}
