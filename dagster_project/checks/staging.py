"""Checks between raw and staging: every accepted record is staged once, and its bot and run are known."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import duckdb

from dagster_project.assets.dbt import model_key
from dagster_project.assets.keys import staging_model
from dagster_project.checks.history import FAILED, report, state_of
from dagster_project.checks.result import outcome
from dagster_project.checks.scope import BEFORE_PUBLICATION, STAGING, WHOLE, Scope, mark_verified, scope_of
from dagster_project.queries import Row, rows, table_exists
from dagster_project.resources import WRITER_POOL, Warehouse
from raw_loaders.dictionary import Dictionary

STAGED = "each_accepted_record_is_staged_once"
ATTRIBUTED = "each_staged_record_has_bot_and_run"
DESCRIPTIONS = {
    STAGED: "Per file: accepted = rows of the raw table = rows of the staging model, each line number once.",
    ATTRIBUTED: (
        "Each staged row has a bot and a run. Warns where records were lost on the same day, or where the row ends a file "
        "that has just grown: the rest of its burst may not have landed yet. Else fails."
    ),
}
# lines at the end of a file that a burst of all replicas may have begun and not ended when the landing was read
_BURST_LINES = 100


def staging_checks(dictionary: Dictionary, manifest: Mapping[str, Any]) -> dg.AssetChecksDefinition:
    """Two checks per staging model, evaluated together."""
    keys = {stream: model_key(manifest, staging_model(stream)) for stream in dictionary.streams}
    streams = {key: stream for stream, key in keys.items() if key is not None}

    @dg.multi_asset_check(
        name="check_staging",
        specs=[
            dg.AssetCheckSpec(name, asset=key, description=DESCRIPTIONS[name])
            for key, stream in streams.items()
            # records of another system belong to no bot
            for name in ((STAGED,) if dictionary.streams[stream].is_optional else (STAGED, ATTRIBUTED))
        ],
        can_subset=True,
        pool=WRITER_POOL,
        op_tags=BEFORE_PUBLICATION,
    )
    def check_staging(context: dg.AssetCheckExecutionContext, warehouse: Warehouse) -> Iterator[dg.AssetCheckResult]:
        questions = {STAGED: check_staged, ATTRIBUTED: check_attributed}
        keys = sorted(context.selected_asset_check_keys, key=lambda key: (key.asset_key.path, key.name))
        with warehouse.connect() as con:
            scope = scope_of(context, con, STAGING)
            results = [questions[key.name](con, streams[key.asset_key], key.asset_key, scope) for key in keys]
            shown = report(context, con, results, scope.name)
            if all(state_of(result) != FAILED for result in results):
                mark_verified(con, scope, STAGING)
        yield from shown

    return check_staging


def _nothing_landed(con: duckdb.DuckDBPyConnection, stream: str, scope: Scope) -> str | None:
    accepted = con.execute(
        f"select coalesce(sum(accepted), 0) from raw.loads where stream = ? and {scope.where()}", [stream]
    ).fetchone()[0]
    return None if accepted else scope.nothing_because(f"no record of the stream {stream} has been accepted")


def check_staged(
    con: duckdb.DuckDBPyConnection, stream: str, asset_key: dg.AssetKey, scope: Scope = WHOLE
) -> dg.AssetCheckResult:
    """Compare ledger, raw table and staging model per file and load; no key may be missing, doubled or invented.

    Of a file that was rewritten all rows are compared, whichever load they bear, for its old rows must be gone.
    """
    rewritten = con.execute(
        f"select distinct source_file from raw.loads where stream = ? and mode = 'rewritten' and {scope.where()}", [stream]
    ).fetchall()
    # most often there is none, and of tables then only the rows of the loads are read
    in_scope = f"({scope.where()} or list_contains($rewritten, source_file))" if rewritten else scope.where()
    found = rows(
        con,
        f"""
        with ledger as (
            select source_file, sum(accepted)::bigint as accepted
            from raw.loads where stream = $stream and accepted > 0 and {in_scope} group by source_file
        ),
        raw_rows as (
            select source_file, count(*) as row_count from raw."{stream}" where {in_scope} group by source_file
        ),
        staged_rows as (
            select source_file, count(*) as row_count, count(distinct line_no) as line_count
            from staging."{staging_model(stream)}" where {in_scope} group by source_file
        )
        select source_file, ledger.accepted, coalesce(raw_rows.row_count, 0) as rows_raw,
               coalesce(staged_rows.row_count, 0) as rows_staged,
               coalesce(staged_rows.line_count, 0) as line_numbers_staged
        from ledger
        full join raw_rows using (source_file)
        full join staged_rows using (source_file)
        order by source_file
        """,
        {"stream": stream} | ({"rewritten": [file for (file,) in rewritten]} if rewritten else {}),
    )
    failing = [row for row in found if not row["accepted"] == row["rows_raw"] == row["rows_staged"] == row["line_numbers_staged"]]
    return outcome(
        asset_key,
        STAGED,
        rows_examined=sum(row["rows_raw"] for row in found),
        failing=failing,
        remedy=f"Rebuild the model {staging_model(stream)} (`make run`); if it stays, the model drops or doubles rows.",
        nothing_because=_nothing_landed(con, stream, scope),
    )


def check_attributed(
    con: duckdb.DuckDBPyConnection, stream: str, asset_key: dg.AssetKey, scope: Scope = WHOLE
) -> dg.AssetCheckResult:
    """Find staged rows without bot or run, and whether loss on the same IST day, or a burst under way, explains all of them.

    Records without a clock of their own are attributed by the burst around them, and the landing is read at any moment of it.
    A row without emission time is of a day between those of the dated rows before and after it in its file; where none is dated,
    of the day of its folder; where that is unknown too, any loss explains it.
    """
    model = f'staging."{staging_model(stream)}"'
    examined, unattributed = con.execute(
        f"select count(*), count(*) filter (where bot is null or run_id is null) from {model} where {scope.where()}"
    ).fetchone()
    failing = _unattributed(con, model, scope) if unattributed else []
    return outcome(
        asset_key,
        ATTRIBUTED,
        rows_examined=examined,
        failing=failing,
        remedy="Query the rows' bot_method and run_method; raw.damaged_ranges and raw.rejected_lines list losses.",
        nothing_because=_nothing_landed(con, stream, scope),
        is_warning=_explained(failing),
        facts={"unattributed": len(failing)},
    )


def _unattributed(con: duckdb.DuckDBPyConnection, model: str, scope: Scope) -> list[Row]:
    """The rows of `model` without bot or run, and of each whether loss or a burst under way explains it; unexplained first."""
    losses = lossy_days(con)
    return rows(
        con,
        f"""
        with lossy_days as (
            select unnest($firsts::date[]) as first_day, unnest($lasts::date[]) as last_day
        ),
        unattributed as (
            from {model} as staged where (staged.bot is null or staged.run_id is null) and {scope.where("staged.load_id")}
        ),
        dated as (
            select source_file, line_no, emitted_date_ist as day from {model}
            where emitted_date_ist is not null
              and source_file in (select source_file from unattributed where emitted_date_ist is null)
        ),
        placed as (
            select staged.source_file, staged.line_no, staged.bot, staged.run_id, staged.load_id, files.lines as lines_in_file,
                   coalesce(staged.emitted_date_ist, earlier.day, later.day, try_cast(files.partition_date as date)) as first_day,
                   coalesce(staged.emitted_date_ist, later.day, earlier.day, try_cast(files.partition_date as date)) as last_day
            from unattributed as staged
            left join raw.files as files on files.source_file = staged.source_file
            asof left join dated as earlier
                on earlier.source_file = staged.source_file and earlier.line_no <= staged.line_no
            asof left join dated as later
                on later.source_file = staged.source_file and later.line_no >= staged.line_no
        )
        select * from (
            select source_file, line_no, bot, run_id,
                   exists (
                       from lossy_days
                       where placed.first_day is null
                          -- several processes write to a file, so it may step back in time
                          or (lossy_days.first_day <= greatest(placed.first_day, placed.last_day)
                              and lossy_days.last_day >= least(placed.first_day, placed.last_day))
                   ) as is_explained_by_loss,
                   coalesce(
                       -- the load written last, whatever the clock said meanwhile
                       load_id = (select arg_max(load_id, rowid) from raw.loads)
                           and line_no > lines_in_file - {_BURST_LINES},
                       false
                   ) as is_burst_under_way
            from placed
        )
        order by is_explained_by_loss or is_burst_under_way, source_file, line_no
        """,
        {"firsts": [first for first, _ in losses], "lasts": [last for _, last in losses]},
    )


def lossy_days(con: duckdb.DuckDBPyConnection) -> list[tuple[dt.date, dt.date]]:
    """Spans of IST days (both ends included) in which records of any stream were lost: rejected lines and damaged bytes.

    A loss breaks the chain of emissions that records of other streams are attributed by. In a date= folder it is of that day;
    in a file of all days it lies between the dated records before and after it in the file. At either end of the file, where
    there is one of the two only, one day more is taken in; in a file without any dated record all days up to its mtime are.
    """
    spans = {
        (day, day)
        for (day,) in con.execute(
            """
            select distinct try_cast(partition_date as date) as day from raw.files
            where (rejected > 0 or bytes_damaged > 0) and day is not null
            """
        ).fetchall()
    }
    undated = """
        select source_file, stream, is_gzip,
               cast(make_timestamptz(mtime_ns // 1000) at time zone 'Asia/Kolkata' as date) as mtime_day
        from raw.files
        where (rejected > 0 or bytes_damaged > 0) and stream is not null and try_cast(partition_date as date) is null
    """
    streams = [stream for (stream,) in con.execute(f"select distinct stream from ({undated}) order by stream").fetchall()]
    if not streams:
        return sorted(spans)
    dated = " union all ".join(_dated_rows(con, stream) for stream in streams)
    spans |= set(
        con.execute(
            f"""
            with undated as ({undated}),
            dated as (select * from ({dated}) where day is not null),
            -- where in its file each loss is: by line, or by byte, which are different scales
            rejected as (
                select lines.source_file, earlier.day as day_before, later.day as day_after
                from raw.rejected_lines as lines
                semi join undated using (source_file)
                asof left join dated as earlier on earlier.source_file = lines.source_file and earlier.line_no <= lines.line_no
                asof left join dated as later on later.source_file = lines.source_file and later.line_no >= lines.line_no
            ),
            by_byte as (
                -- records of one member bear the same offset, and of rows that tie an asof join takes any
                select source_file, position, min(day) as first_day, max(day) as last_day from dated group by all
            ),
            damaged as (
                select ranges.source_file, earlier.last_day as day_before, later.first_day as day_after
                from raw.damaged_ranges as ranges
                semi join undated using (source_file)
                asof left join by_byte as earlier
                    on earlier.source_file = ranges.source_file and earlier.position <= ranges.byte_start
                asof left join by_byte as later on later.source_file = ranges.source_file and later.position >= ranges.byte_end
            ),
            bounded as (
                select coalesce(day_before, day_after - 1, date '1970-01-01') as one,
                       coalesce(day_after, day_before + 1, mtime_day) as other
                from (from rejected union all from damaged)
                inner join undated using (source_file)
            )
            select distinct least(one, other) as first_day, greatest(one, other) as last_day from bounded
            """
        ).fetchall()
    )
    return sorted(spans)


def _dated_rows(con: duckdb.DuckDBPyConnection, stream: str) -> str:
    """SQL: source_file, line_no, position (byte in the file), day (IST day of emission) of the files of `stream` with losses."""
    model = staging_model(stream)
    is_staged = table_exists(con, "staging", model)
    return f"""
        select raw.source_file, raw.line_no, if(undated.is_gzip, raw.member_offset, raw.byte_offset) as position,
               coalesce({"staged.emitted_date_ist," if is_staged else ""}
                        cast(raw.emitted_at at time zone 'Asia/Kolkata' as date)) as day
        from raw."{stream}" as raw
        inner join undated on undated.source_file = raw.source_file
        {
        f'left join staging."{model}" as staged on staged.source_file = raw.source_file and staged.line_no = raw.line_no'
        if is_staged
        else ""
    }
    """


def _explained(failing: list[Row]) -> bool:
    return bool(failing) and all(row["is_explained_by_loss"] or row["is_burst_under_way"] for row in failing)
