"""Checks of a stream that warn and stop nothing: is its volume usual, has its format changed, do its clocks agree?

They belong to the daily run: volume by its days, format and clocks by the loads not looked at before.
"""

from collections.abc import Iterator

import dagster as dg
import duckdb

from dagster_project import ops_tables
from dagster_project.assets.keys import raw_key
from dagster_project.checks.history import report
from dagster_project.checks.result import outcome
from dagster_project.checks.scope import BEFORE_PUBLICATION, FORMAT, Scope, days_of_run, mark_verified
from dagster_project.partitions import TIMEZONE, Window
from dagster_project.queries import rows
from dagster_project.resources import WRITER_POOL, Warehouse
from raw_loaders.dictionary import Dictionary, Stream

VOLUME = "volume_is_usual"
KEYS = "keys_and_types_are_known"
CLOCKS = "clocks_agree"
DESCRIPTIONS = {
    VOLUME: "Records of each IST hour against the same hour of the 28 days before: median, give or take six robust deviations.",
    KEYS: "No key that the dictionary does not know, no value of another JSON type than its column.",
    CLOCKS: "No record emitted more than a minute after it was loaded; the date= folder is the IST day of emission.",
}
HISTORY_DAYS = 28
LEAST_HISTORY = 7
_JSON_TYPES = {
    "BIGINT": ("BIGINT", "UBIGINT"),
    "INTEGER": ("BIGINT", "UBIGINT"),
    "DOUBLE": ("DOUBLE", "BIGINT", "UBIGINT"),
    "DECIMAL": ("DOUBLE", "BIGINT", "UBIGINT"),
    "BOOLEAN": ("BOOLEAN",),
    "VARCHAR": ("VARCHAR",),
}


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
            results = []
            for key in sorted(context.selected_asset_check_keys, key=lambda key: (key.asset_key.path, key.name)):
                stream = dictionary.streams[key.asset_key.path[-1]]
                if key.name == VOLUME:
                    results.append(check_volume(con, stream, window))
                elif key.name == KEYS:
                    results.append(check_keys(con, stream, fresh))
                else:
                    results.append(check_clocks(con, stream, fresh))
            shown = report(context, con, results, fresh.name)
            mark_verified(con, fresh, FORMAT)
        yield from shown

    return check_streams


def check_volume(con: duckdb.DuckDBPyConnection, stream: Stream, window: Window | None) -> dg.AssetCheckResult:
    """Hours of `window` whose number of records is far from that of the same hour of the days before, by median and MAD."""
    judged = []
    if window and stream.clock == "emitted_at":
        judged = rows(
            con,
            f"""
            with hours as (
                select date_trunc('hour', emitted_at at time zone '{TIMEZONE}') as hour_ist, count(*) as records
                from raw."{stream.name}"
                where emitted_at >= $start::timestamptz - interval {HISTORY_DAYS} days and emitted_at < $end
                group by all
            )
            select hours.hour_ist, any_value(hours.records) as records, count(*) as days_of_history,
                   median(past.records) as usual, mad(past.records) as deviation
            from hours
            inner join hours as past
                on hour(past.hour_ist) = hour(hours.hour_ist) and past.hour_ist < hours.hour_ist
                and past.hour_ist >= hours.hour_ist - interval {HISTORY_DAYS} days
            where hours.hour_ist at time zone '{TIMEZONE}' >= $start
                -- the hour that is still running has not got all of its records
                and hours.hour_ist < date_trunc('hour', now() at time zone '{TIMEZONE}')
            group by hours.hour_ist
            having count(*) >= {LEAST_HISTORY}
            order by hours.hour_ist
            """,
            {"start": window.start, "end": window.end},
        )
    failing = [
        row for row in judged if abs(row["records"] - row["usual"]) > max(6 * 1.4826 * row["deviation"], 0.5 * row["usual"], 20)
    ]
    reason = (
        f"no hour of the day has {LEAST_HISTORY} days of history in this stream"
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
