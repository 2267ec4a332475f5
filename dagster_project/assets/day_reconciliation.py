"""`ops.day_reconciliation`, partitioned by day: whether everything of an IST day has reached staging, per stream."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import duckdb

from dagster_project import ops_tables
from dagster_project.assets.keys import DAY_RECONCILIATION, staging_model
from dagster_project.partitions import Window, daily, window_of
from dagster_project.queries import Row, of_loads, rows, table_exists
from dagster_project.resources import WRITER_POOL, Warehouse
from dagster_project.settings import Settings
from raw_loaders.dictionary import Dictionary, load_dictionary

_SQL = (Path(__file__).parent.parent / "sql" / "day_reconciliation.sql").read_text()
_ROWS_OF_STREAM = """
    select
        '{stream}' as stream,
        coalesce(raw.source_file, staged.source_file) as source_file,
        coalesce(raw.line_no, staged.line_no) as line_no,
        coalesce(
            staged.emitted_date_ist,
            cast(raw.emitted_at at time zone 'Asia/Kolkata' as date),
            try_cast(files.partition_date as date)
        ) as date_ist,
        raw.source_file is not null as is_raw,
        staged.source_file is not null as is_staged,
        {attributed} as is_attributed
    from raw."{stream}" as raw
    full join staging."{model}" as staged on staged.source_file = raw.source_file and staged.line_no = raw.line_no
    left join raw.files as files on files.source_file = raw.source_file
"""

_DAYS_OF_FILES = """
    select loads.load_id, try_cast(files.partition_date as date) as day
    from raw.loads as loads
    inner join raw.files as files on files.source_file = loads.source_file
    where {new}
"""
# the ledger has the full hour of UTC of a row taken out: one of them lies on two days of India
_DAYS_THAT_LOST_ROWS = """
    select load_id, cast((hour_at + within) at time zone 'Asia/Kolkata' as date) as day
    from raw.removed_rows, (values (interval '0 minutes'), (interval '59 minutes')) as ends(within)
    where {new} and hour_at is not null
"""
# and of a record without a clock its bar, which was written within two days after it began
_DAYS_THAT_LOST_BARS = """
    select removed.load_id, days.date_ist as day
    from raw.removed_rows as removed
    inner join ops.day_reconciliation as days
        on days.stream = removed.stream
        and days.date_ist >= cast(removed.bar_open_at at time zone 'Asia/Kolkata' as date)
        and days.date_ist <= cast(removed.bar_open_at at time zone 'Asia/Kolkata' as date) + 2
    where {new} and removed.hour_at is null
"""
_STREAMS_OF_UNDATED_LOSSES = """
    select distinct files.stream
    from (
        select source_file from raw.rejected_lines where {new}
        union
        select source_file from raw.damaged_ranges where {new}
    ) as lost
    inner join raw.files as files on files.source_file = lost.source_file
    where files.stream is not null and files.partition_date is null
"""
# the days that the reconciliation gives them (day_reconciliation.sql)
_UNDATED_LOSSES = """
    select lost.load_id, staged.emitted_date_ist as day
    from (select * from raw.rejected_lines where {new} and stream = '{stream}') as lost
    asof join staging."{model}" as staged on staged.source_file = lost.source_file and staged.line_no <= lost.line_no
    union
    select lost.load_id, max(staged.emitted_date_ist) as day
    from (select distinct load_id, source_file from raw.damaged_ranges where {new} and stream = '{stream}') as lost
    inner join staging."{model}" as staged on staged.source_file = lost.source_file
    group by lost.load_id, lost.source_file
"""


def day_reconciliation_asset(
    settings: Settings, dictionary: Dictionary, staging_keys: Sequence[dg.AssetKey]
) -> dg.AssetsDefinition:
    """The asset; it depends on every staging model, and replaces exactly the days of its partition or range."""
    streams = list(dictionary.streams)

    @dg.asset(
        key=DAY_RECONCILIATION,
        deps=list(staging_keys),
        partitions_def=daily(settings.partitions_start),
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name="ops",
        kinds={"duckdb"},
        pool=WRITER_POOL,
        description=(
            "One row per stream and IST day of emission: files, rows in raw and staging, rejects, damage. Whether what landed "
            "got through, not whether everything that should have landed did: that is `mart_day_completeness`."
        ),
        metadata={"dagster/table_name": "ops.day_reconciliation"},
    )
    def day_reconciliation(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult:
        window = window_of(context)
        with warehouse.connect() as con:
            written = replace_days(con, streams, window, since=settings.first_day)
        return dg.MaterializeResult(
            metadata={
                "window": window.describe(),
                "dagster/partition_row_count": len(written),
                **{
                    name: sum(row[name] for row in written)
                    for name in ("rows_raw", "rows_staged", "rows_attributed", "lines_rejected", "bytes_damaged")
                },
                "incomplete": dg.MetadataValue.text(
                    "\n".join(
                        f"{row['date_ist']} {row['stream']}: {row['incomplete_reason']}"
                        for row in written
                        if not row["is_complete"]
                    )
                    or "none"
                ),
            }
        )

    return day_reconciliation


def _rows_of_stream(stream: str) -> str:
    # records of another system belong to no bot: being staged is all there is to them
    is_optional = load_dictionary().streams[stream].is_optional
    attributed = "staged.source_file is not null" if is_optional else "staged.bot is not null and staged.run_id is not null"
    return _ROWS_OF_STREAM.format(stream=stream, model=staging_model(stream), attributed=attributed)


def replace_days(con: duckdb.DuckDBPyConnection, streams: Sequence[str], window: Window, since: dt.date) -> list[Row]:
    """Rewrite the days of `window` in one transaction and return the rows written.

    A load counts as reconciled once each of its days has been rewritten, but for those before `since`, the first partition.
    """
    ops_tables.create_ops_tables(con)
    span = {"first_day": window.first_day, "end_day": window.end_day}
    parts = [_rows_of_stream(stream) for stream in streams]
    con.execute("begin")
    try:
        con.execute("delete from ops.day_reconciliation where date_ist >= $first_day and date_ist < $end_day", span)
        select = _SQL.replace("{rows_of_streams}", "\n    union all\n".join(parts))
        con.execute(f"insert into ops.day_reconciliation by name {select}", span)
        _mark_days(con, streams, window, since)
        con.execute("commit")
    except BaseException:
        con.execute("rollback")
        raise
    return rows(
        con,
        "select * from ops.day_reconciliation where date_ist >= $first_day and date_ist < $end_day order by date_ist, stream",
        span,
    )


def _mark_days(con: duckdb.DuckDBPyConnection, streams: Sequence[str], window: Window, since: dt.date) -> None:
    covered, written = [], []
    for load, days in unreconciled_days(con, streams).items():
        now = {day for day in days if window.first_day <= day < window.end_day}
        if all(day < since for day in days - now):
            covered.append(load)
        else:
            written += [(load, day) for day in sorted(now)]
    ops_tables.mark_loads(con, "reconciled_loads", covered)
    con.execute("delete from ops.reconciled_load_days where list_contains($loads, load_id)", {"loads": covered})
    con.execute(
        "insert into ops.reconciled_load_days select unnest($loads), unnest($days)",
        {"loads": [load for load, _ in written], "days": [day for _, day in written]},
    )


def days_to_reconcile(con: duckdb.DuckDBPyConnection, streams: Sequence[str]) -> dict[dt.date, set[str]]:
    """The IST days that are not reconciled as they are now, each with the loads that touched it; needs no right to write.

    Besides the days of loads these are days that were reconciled before they were over, or before their rows were staged.
    """
    days: dict[dt.date, set[str]] = {}
    for load, touched in unreconciled_days(con, streams).items():
        for day in touched:
            days.setdefault(day, set()).add(load)
    if table_exists(con, "ops", "day_reconciliation"):
        again = con.execute(
            "select distinct date_ist from ops.day_reconciliation where incomplete_reason = 'raw rows and staged rows differ' "
            "or (incomplete_reason = 'the day is not over' and date_ist < (now() at time zone 'Asia/Kolkata')::date)"
        )
        for (day,) in again.fetchall():
            days.setdefault(day, set())
    return days


def unreconciled_days(con: duckdb.DuckDBPyConnection, streams: Sequence[str]) -> dict[str, set[dt.date]]:
    """Per load that was not reconciled yet: the IST days that it gave rows, refused lines or damage to, or took rows from."""
    loads = ops_tables.loads_missing_from(con, "reconciled_loads")
    days: dict[str, set[dt.date]] = {load: set() for load in loads}
    if not loads:
        return days
    staged = [stream for stream in streams if table_exists(con, "staging", staging_model(stream))]
    new, new_loads = of_loads(loads), of_loads(loads, "loads.load_id")
    parts = [f'select load_id, emitted_date_ist from staging."{staging_model(stream)}" where {new}' for stream in staged]
    parts.append(_DAYS_OF_FILES.format(new=new_loads))
    parts.append(_DAYS_THAT_LOST_ROWS.format(new=new))
    if table_exists(con, "ops", "day_reconciliation"):
        parts.append(_DAYS_THAT_LOST_BARS.format(new=new))
    undated = {stream for (stream,) in con.execute(_STREAMS_OF_UNDATED_LOSSES.format(new=new)).fetchall()}
    parts += [_UNDATED_LOSSES.format(new=new, stream=stream, model=staging_model(stream)) for stream in undated & set(staged)]
    found = " union ".join(f"({part})" for part in parts)
    if table_exists(con, "ops", "reconciled_load_days"):
        found = f"({found}) except select load_id, date_ist from ops.reconciled_load_days"
    for load, day in con.execute(found).fetchall():
        if day is not None:
            days[load].add(day)
    return days
