"""Checks of a stream that warn and stop nothing: is its volume usual, has its format changed, do its clocks agree?

They belong to the daily run: volume by its days, format and clocks by the loads not looked at before.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime

import dagster as dg
import duckdb

from dagster_project import ops_tables
from dagster_project.assets.keys import raw_key
from dagster_project.checks.history import record_days, report
from dagster_project.checks.result import outcome
from dagster_project.checks.scope import BEFORE_PUBLICATION, FORMAT, Scope, days_of_run, mark_verified
from dagster_project.partitions import TIMEZONE, Window
from dagster_project.queries import Row, newest_event, rows
from dagster_project.resources import WRITER_POOL, Warehouse
from raw_loaders.dictionary import Dictionary, Stream, load_dictionary
from raw_loaders.load import newest_scan

VOLUME = "volume_is_usual"
KEYS = "keys_and_types_are_known"
CLOCKS = "clocks_agree"
DESCRIPTIONS = {
    VOLUME: "Records of each IST hour that is over, 0 where there is none, are usual after that hour of the 28 days before.",
    KEYS: "No key that the dictionary does not know, no value of another JSON type than its column.",
    CLOCKS: "No record emitted more than a minute after it was loaded; the date= folder is the IST day of emission.",
}
HISTORY_DAYS = 28
LEAST_HISTORY = 7
FALSE_ALARM = 1e-6  # per hour and stream, where counts are as the rule takes them: 23 streams x 24 hours a night
LEAST_DISPERSION = 0.2  # variance over mean of a stream that hardly varies; 0 would make one record more an alarm
LEAST_MEAN = 1.0  # records an hour: of a stream that was silent so far, a handful is no alarm
PRIOR_RECORDS = 20  # that many records with the dispersion 1 (chance) are taken as seen: few records tell little of it
_JSON_TYPES = {
    "BIGINT": ("BIGINT", "UBIGINT"),
    "INTEGER": ("BIGINT", "UBIGINT"),
    "DOUBLE": ("DOUBLE", "BIGINT", "UBIGINT"),
    "DECIMAL": ("DOUBLE", "BIGINT", "UBIGINT"),
    "BOOLEAN": ("BOOLEAN",),
    "VARCHAR": ("VARCHAR",),
}


_VOLUME = f"""
    with counted as (
        select date_trunc('hour', emitted_at at time zone '{TIMEZONE}') as hour_ist, count(*) as records
        from raw."{{stream}}"
        where emitted_at >= $start::timestamptz - interval {HISTORY_DAYS} days and emitted_at < $end
        group by all
    ),
    -- the first hour is cut by the beginning, of the stream or of the logs
    beginning as (
        select date_trunc('hour', min(emitted_at) at time zone '{TIMEZONE}') + interval 1 hour as first_hour from raw."{{stream}}"
    ),
    hours as (
        select hour_ist, coalesce(counted.records, 0)::double as records
        from (
            select unnest(generate_series(
                ($start::timestamptz at time zone '{TIMEZONE}') - interval {HISTORY_DAYS} days,
                ($end::timestamptz at time zone '{TIMEZONE}') - interval 1 hour,
                interval 1 hour
            )) as hour_ist
        )
        cross join beginning
        left join counted using (hour_ist)
        where hour_ist >= beginning.first_hour
          and hour_ist + interval 1 hour <= $over::timestamptz at time zone '{TIMEZONE}'
    ),
    -- the hours follow each other without a gap, so each has the same hour of every day before it
    compared as (
        select hour_ist, records,
               count(*) over past as days_of_history, median(records) over past as middle,
               sum(records) over past as total, sum(records * records) over past as total_of_squares
        from hours
        window past as (
            partition by hour(hour_ist) order by hour_ist rows between {HISTORY_DAYS} preceding and 1 preceding
        )
    ),
    -- one dispersion and one mean hour per day of the window: 24 hours know more of them than one
    pooled as (
        select *,
               (sum(greatest(total_of_squares - total * total / days_of_history, 0) * days_of_history / (days_of_history - 1))
                    over this_day + {PRIOR_RECORDS}) / (sum(total) over this_day + {PRIOR_RECORDS}) as found_dispersion,
               sum(total) over this_day / sum(days_of_history) over this_day as mean_hour
        from compared
        where days_of_history >= {LEAST_HISTORY} and hour_ist at time zone '{TIMEZONE}' >= $start
        window this_day as (partition by hour_ist::date)
    ),
    expected as (
        select hour_ist, records, days_of_history, middle,
               greatest(found_dispersion, {LEAST_DISPERSION}) as dispersion,
               least(middle, total / days_of_history) as low,
               greatest(middle, (total + mean_hour) / (days_of_history + 1), {LEAST_MEAN}) as high
        from pooled
    ),
    distances as (
        select *, case when records < low then low when records > high then high end as nearest from expected
    )
    select hour_ist, records::bigint as records, middle as usual, days_of_history, round(dispersion, 2) as dispersion,
           coalesce(
               abs(records - nearest) > 0.5 * nearest
               and (if(records = 0, 0, records * ln(records / nearest)) - records + nearest) / dispersion > -ln({FALSE_ALARM}),
               false
           ) as is_unusual
    from distances
    order by hour_ist
"""


def stream_checks(dictionary: Dictionary) -> dg.AssetChecksDefinition:
    """Three checks per raw stream, evaluated together."""

    @dg.multi_asset_check(
        name="check_streams",
        specs=[
            dg.AssetCheckSpec(name, asset=raw_key(stream), description=DESCRIPTIONS[name])
            for stream in dictionary.streams
            for name in DESCRIPTIONS
        ],
        can_subset=True,
        pool=WRITER_POOL,
        op_tags=BEFORE_PUBLICATION,
    )
    def check_streams(context: dg.AssetCheckExecutionContext, warehouse: Warehouse) -> Iterator[dg.AssetCheckResult]:
        with warehouse.connect() as con:
            ops_tables.create_ops_tables(con)
            window = days_of_run(context, con)
            fresh = Scope(tuple(ops_tables.loads_missing_from(con, "verified_loads", FORMAT)))
            results, by_day = [], []
            for key in sorted(context.selected_asset_check_keys, key=lambda key: (key.asset_key.path, key.name)):
                stream = dictionary.streams[key.asset_key.path[-1]]
                if key.name == VOLUME:
                    hours = judged_hours(con, stream, window)
                    results.append(check_volume(stream, hours))
                    by_day += volume_by_day(stream, hours)
                elif key.name == KEYS:
                    results.append(check_keys(con, stream, fresh))
                else:
                    results.append(check_clocks(con, stream, fresh))
            shown = report(context, con, results, fresh.name)
            record_days(con, context.run.run_id, by_day)
            mark_verified(con, fresh, FORMAT)
        yield from shown

    return check_streams


def judged_hours(con: duckdb.DuckDBPyConnection, stream: Stream, window: Window | None) -> list[Row]:
    """Closed IST hours of `window` that have a history: records, what is usual, and whether it `is_unusual`, which is a number
    that cannot be chance after the same hour of the days before.

    An hour without records counts as 0, in the history too; hours before the stream's first full hour are neither judged nor
    history, nor are hours that were not over when the landing was last listed.

    The rule: counts are taken for Poisson counts whose variance is `dispersion` x mean (quasi-Poisson; McCullagh and Nelder,
    Generalized Linear Models, 2nd ed. 1989, section 6.2), as if records came in bursts of that size. The dispersion is Pearson's
    estimate, sum((x - mean)^2) / sum(mean) over all hours of the history, so it is small for a bot that writes 12 bars each hour
    and large for a stream that writes nothing for days and then fills by the dozen. By Chernoff's bound for the Poisson tail
    (Mitzenmacher and Upfal, Probability and Computing, theorem 5.4) a count of x or farther off has a probability of at most
    exp(-(x ln(x / mean) - x + mean) / dispersion): an hour warns below FALSE_ALARM, if it is more than half off the usual, too.
    The usual is a span from the median to the mean, and the nearer end is asked: the median passes over days of outage, the
    mean knows of rare bursts, and where both are 0 the stream's mean hour counts as one day more.
    """
    if not window or stream.clock != "emitted_at":
        return []
    return rows(con, _VOLUME.format(stream=stream.name), {"start": window.start, "end": window.end, "over": _over_by(con)})


def volume_by_day(stream: Stream, hours: Sequence[Row]) -> list[tuple[date, dg.AssetCheckResult]]:
    """The answer for each IST day that has one of these hours."""
    days = sorted({row["hour_ist"].date() for row in hours})
    return [(day, check_volume(stream, [row for row in hours if row["hour_ist"].date() == day])) for day in days]


def check_volume(stream: Stream, judged: Sequence[Row]) -> dg.AssetCheckResult:
    """The hours among those judged that are unusual."""
    shown = ("hour_ist", "records", "usual", "days_of_history", "dispersion")
    failing = [{name: row[name] for name in shown} for row in judged if row["is_unusual"]]
    reason = (
        f"no hour of these days that is over has {LEAST_HISTORY} days of history in this stream"
        if stream.clock == "emitted_at"
        else "the records carry no emission time"
    )
    return outcome(
        raw_key(stream.name),
        VOLUME,
        rows_examined=len(judged),
        failing=failing,
        remedy="Look at mart_stream_coverage: did a bot stop, was it started twice, or does a file still have to land?",
        nothing_because=reason,
        is_warning=True,
    )


def _over_by(con: duckdb.DuckDBPyConnection) -> datetime:
    """Hours that end later (UTC) are not judged: their records may not have landed. Of a synthetic landing, its newest event."""
    scan = newest_scan(con) or datetime.now(UTC)
    is_synthetic = con.execute("select coalesce(bool_or(is_synthetic), false) from raw.files").fetchone()[0]
    newest = newest_event(con, load_dictionary()) if is_synthetic else None
    return min(moment for moment in (scan, newest, datetime.now(UTC)) if moment)


def check_keys(con: duckdb.DuckDBPyConnection, stream: Stream, scope: Scope) -> dg.AssetCheckResult:
    """Keys that the dictionary does not know, and values whose JSON type cannot become the column's type."""
    unknown = rows(
        con,
        f"""
        select 'unknown key' as fault, key as path, min(source_file) as source_file, sum(records)::bigint as records
        from raw.unknown_keys where stream = $stream and {scope.where()}
        group by key order by records desc, key
        """,
        {"stream": stream.name},
    )
    typed = [(str(column["path"]), allowed) for column in stream.columns if (allowed := _allowed(str(column["type"])))]
    # all paths at once and the answers grouped: a record is read once, and records of one stream hardly differ in their types
    shapes = con.execute(
        f"""
        select types, count(*) from (
            select json_type(record, $paths) as types from raw."{stream.name}" where {scope.where()}
        ) group by types
        """,
        {"paths": [f"$.{path}" for path, _ in typed]},
    ).fetchall()
    other = []
    for place, (path, allowed) in enumerate(typed):
        count = sum(records for types, records in shapes if types[place] not in (None, "NULL", *allowed))
        if count:
            other.append({"fault": f"not {' or '.join(allowed)}", "path": path, "source_file": "", "records": count})
    return outcome(
        raw_key(stream.name),
        KEYS,
        rows_examined=sum(records for _, records in shapes),
        failing=[*unknown, *other],
        remedy=f"The bot's format has changed: bring raw_loaders/streams/{stream.name}.yml and the staging model up to date.",
        nothing_because=scope.nothing_because(f"no record of the stream {stream.name} has been accepted"),
        is_warning=True,
    )


def _allowed(column_type: str) -> tuple[str, ...]:
    return () if column_type.endswith("]") else _JSON_TYPES.get(column_type.split("(")[0], ())


def check_clocks(con: duckdb.DuckDBPyConnection, stream: Stream, scope: Scope) -> dg.AssetCheckResult:
    """Records from the future, and records in the folder of another day than that of their emission."""
    base = f"""
        from raw."{stream.name}" as records
        inner join raw.files as files using (source_file)
        inner join raw.loads as loads on loads.load_id = records.load_id and loads.source_file = records.source_file
        where records.emitted_at is not null and {scope.where("records.load_id")}
    """
    skewed = f"""
        {base} and (
            records.emitted_at > loads.finished_at + interval 1 minute
            or cast(records.emitted_at at time zone '{TIMEZONE}' as date) <> try_cast(files.partition_date as date)
        )
    """
    examined, count = (con.execute(f"select count(*) {part}").fetchone()[0] for part in (base, skewed))
    shown = "records.source_file, records.line_no, records.emitted_at, loads.finished_at as loaded_at, files.partition_date"
    failing = rows(con, f"select {shown} {skewed} order by all limit 10") if count else []
    return outcome(
        raw_key(stream.name),
        CLOCKS,
        rows_examined=examined,
        failing=failing,
        failing_count=count,
        remedy="Compare the clocks of the two machines; some versions of the bot name folders by UTC date.",
        nothing_because=(
            scope.nothing_because(f"no record of the stream {stream.name} has been accepted")
            if stream.clock == "emitted_at"
            else "the records carry no emission time"
        ),
        is_warning=True,
    )
