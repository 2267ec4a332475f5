"""Checks of an IST day, each with the day's partition: is it whole, are its records there, is their number usual?

They stand on `ops/day_reconciliation`, the asset that is partitioned by day, so that the UI shows them by partition. A range of
days is one run; Dagster would keep one answer for all of it, so each day's is logged by itself.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import dagster as dg
import duckdb

from dagster_project import ops_tables
from dagster_project.assets.keys import DAY_RECONCILIATION
from dagster_project.checks.history import SKIPPED, name_of, record_days, state_of
from dagster_project.checks.result import outcome
from dagster_project.checks.streams import VOLUME
from dagster_project.partitions import Window, daily, day_key, window_of
from dagster_project.queries import Row, rows
from dagster_project.resources import WRITER_POOL, Warehouse
from dagster_project.settings import Settings

COMPLETE = "day_is_complete"
COVERAGE = "expected_records_are_present"
HOURS = "hours_have_the_usual_volume"
DESCRIPTIONS = {
    COMPLETE: "All that landed of the day has reached staging, with bot and run; nothing of it was refused or damaged.",
    COVERAGE: "Each record that a decision of the day should have left (seed stream_expectations) has landed.",
    HOURS: f"No hour of the day, of any stream, has an unusual number of records (the day's answers of `{VOLUME}`).",
}
# after the checks of streams, whose answers one of these sums up, and before publication
_AFTER_STREAMS = {"dagster/priority": "5"}


def day_checks(settings: Settings, coverage: dg.AssetKey | None) -> dg.AssetChecksDefinition:
    """Three checks of each day, evaluated together. `coverage` is the mart that one of them reads."""
    names = [COMPLETE, HOURS, *([COVERAGE] if coverage else [])]
    partitions = daily(settings.partitions_start)

    @dg.multi_asset_check(
        name="check_days",
        specs=[
            dg.AssetCheckSpec(
                name,
                asset=DAY_RECONCILIATION,
                description=DESCRIPTIONS[name],
                partitions_def=partitions,
                additional_deps=[coverage] if name == COVERAGE else None,
            )
            for name in names
        ],
        can_subset=True,
        pool=WRITER_POOL,
        op_tags=_AFTER_STREAMS,
    )
    def check_days(context: dg.AssetCheckExecutionContext, warehouse: Warehouse) -> Iterator[dg.AssetCheckResult]:
        window = window_of(context)
        questions = {COMPLETE: check_complete, COVERAGE: check_coverage, HOURS: check_hours}
        with warehouse.connect() as con:
            ops_tables.create_ops_tables(con)
            found = [answer for key in context.selected_asset_check_keys for answer in questions[key.name](con, window)]
            record_days(con, context.run.run_id, found)
        for day, result in found:
            if state_of(result) == SKIPPED:
                context.log.debug(f"{name_of(result)} of {day} skipped: {result.metadata['skipped'].value}.")
            else:
                context.op_execution_context.log_event(_evaluation(result, day))
        yield from ()

    return check_days


def _evaluation(result: dg.AssetCheckResult, day: date) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=result.asset_key,
        check_name=result.check_name,
        passed=result.passed,
        metadata=result.metadata,
        severity=result.severity,
        description=result.description,
        partition=day_key(day),
    )


DayResults = list[tuple[date, dg.AssetCheckResult]]


def _by_day(
    name: str, window: Window, examined: Sequence[Row], failing: Sequence[Row], remedy: str, nothing_because: str
) -> DayResults:
    """One answer per day: `examined` has the number of `rows` of each `day`, `failing` the rows with theirs."""
    counts = {row["day"]: row["rows"] for row in examined}
    days = [window.first_day + timedelta(days=number) for number in range((window.end_day - window.first_day).days)]
    return [
        (
            day,
            outcome(
                DAY_RECONCILIATION,
                name,
                rows_examined=counts.get(day, 0),
                failing=[{key: value for key, value in row.items() if key != "day"} for row in failing if row["day"] == day],
                remedy=remedy,
                nothing_because=nothing_because,
                is_warning=True,
            ),
        )
        for day in days
    ]


def check_complete(con: duckdb.DuckDBPyConnection, window: Window) -> DayResults:
    """Streams of each day of which not everything is in staging, as `ops.day_reconciliation` has it; running days are skipped."""
    span = {"first": window.first_day, "end": window.end_day}
    over = """
        from ops.day_reconciliation
        where date_ist >= $first and date_ist < $end and incomplete_reason is distinct from 'the day is not over'
    """
    return _by_day(
        COMPLETE,
        window,
        rows(con, f"select date_ist as day, count(*) as rows {over} group by all", span),
        rows(
            con,
            f"""
            select
                date_ist as day, stream, incomplete_reason, rows_raw, rows_staged, rows_attributed, lines_rejected, bytes_damaged
            {over} and not is_complete order by all
            """,
            span,
        ),
        "raw.damaged_ranges and raw.rejected_lines say what was lost; rows that differ come with the next run.",
        "nothing of the day has landed, or it is not over",
    )


def check_coverage(con: duckdb.DuckDBPyConnection, window: Window) -> DayResults:
    """Streams and bots of each day with fewer records than its decisions should have left (mart_stream_coverage)."""
    span = {"first": window.first_day, "end": window.end_day}
    owed = "from serve.marts.mart_stream_coverage where date_ist >= $first and date_ist < $end and expected_count > 0"
    return _by_day(
        COVERAGE,
        window,
        rows(con, f"select date_ist as day, count(*) as rows {owed} group by all", span),
        rows(
            con,
            f"""
            select date_ist as day, stream, bot, expected_count, missing_count, incomplete_decision_count
            {owed} and missing_count > 0 order by missing_count desc, stream, bot, date_ist
            """,
            span,
        ),
        "raw.damaged_ranges and raw.rejected_lines say what was lost; the rest has not landed or was never written.",
        "no decision of the day has duties",
    )


def check_hours(con: duckdb.DuckDBPyConnection, window: Window) -> DayResults:
    """Streams with unusual hours on each day, by the newest answer of the streams' own check for the day."""
    span = {"first": day_key(window.first_day), "end": day_key(window.end_day), "volume": VOLUME}
    newest = """
        from (
            from ops.check_results
            where check_name = $volume and partition >= $first and partition < $end
            qualify row_number() over (partition by asset, partition order by checked_at desc) = 1
        )
        where state <> 'skipped'
    """
    return _by_day(
        HOURS,
        window,
        rows(con, f"select partition::date as day, sum(rows_examined)::bigint as rows {newest} group by all", span),
        rows(
            con,
            f"""
            select partition::date as day, asset, rows_failed as hours, examples ->> '$[0]' as first_hour
            {newest} and state = 'warned' order by all
            """,
            span,
        ),
        f"`{VOLUME}` of the asset has the hours: did a bot stop, was it started twice, or does a file still have to land?",
        "no stream has a week of history on this day",
    )
