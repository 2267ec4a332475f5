"""`ops.day_reconciliation`, partitioned by day: whether everything of an IST day has reached staging, per stream."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import duckdb

from dagster_project import ops_tables
from dagster_project.assets.keys import DAY_RECONCILIATION, staging_model
from dagster_project.partitions import Window, daily, window_of
from dagster_project.queries import Row, rows, table_exists
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
        description="One row per stream and IST day of emission: files, rows in raw and staging, rejects, damage.",
        metadata={"dagster/table_name": "ops.day_reconciliation"},
    )
    def day_reconciliation(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult:
        window = window_of(context)
        with warehouse.connect() as con:
            written = replace_days(con, streams, window, since=dt.date.fromisoformat(settings.partitions_start))
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

    Loads whose days all lie in the window (or before `since`, the first partition) count as reconciled from then on.
    """
    ops_tables.create_ops_tables(con)
    span = {"first_day": window.first_day, "end_day": window.end_day}
    parts = [_rows_of_stream(stream) for stream in streams]
    con.execute("begin")
    try:
        con.execute("delete from ops.day_reconciliation where date_ist >= $first_day and date_ist < $end_day", span)
        select = _SQL.replace("{rows_of_streams}", "\n    union all\n".join(parts))
        con.execute(f"insert into ops.day_reconciliation by name {select}", span)
        covered = [
            load
            for load, days in unreconciled_days(con, streams).items()
            if all(day < since or window.first_day <= day < window.end_day for day in days)
        ]
        ops_tables.mark_loads(con, "reconciled_loads", covered)
        con.execute("commit")
    except BaseException:
        con.execute("rollback")
        raise
    return rows(
        con,
        "select * from ops.day_reconciliation where date_ist >= $first_day and date_ist < $end_day order by date_ist, stream",
        span,
    )


def unreconciled_days(con: duckdb.DuckDBPyConnection, streams: Sequence[str]) -> dict[str, set[dt.date]]:
    """Per load that was not reconciled yet: the IST days its rows were emitted on.

    A load that rewrote a file may have emptied days, so all days its stream was ever reconciled for count too.
    """
    ops_tables.create_ops_tables(con)
    loads = ops_tables.loads_missing_from(con, "reconciled_loads")
    days: dict[str, set[dt.date]] = {load: set() for load in loads}
    if not loads:
        return days
    staged = [stream for stream in streams if table_exists(con, "staging", staging_model(stream))]
    parts = [
        f'select load_id, emitted_date_ist as day from staging."{staging_model(stream)}" where list_contains($loads, load_id)'
        for stream in staged
    ]
    parts.append("select load_id, try_cast(partition_date as date) as day from raw.files where list_contains($loads, load_id)")
    parts.append(
        "select loads.load_id, days.date_ist as day from raw.loads as loads "
        "inner join ops.day_reconciliation as days on days.stream = loads.stream "
        "where loads.mode = 'rewritten' and list_contains($loads, loads.load_id)"
    )
    for row in rows(con, f"select distinct load_id, day from ({' union all '.join(parts)})", {"loads": loads}):
        if row["day"] is not None:
            days[row["load_id"]].add(row["day"])
    return days
