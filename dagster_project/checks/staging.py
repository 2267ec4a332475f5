"""Checks between raw and staging: every accepted record is staged once, and its bot and run are known."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import duckdb

from dagster_project.assets.dbt import model_key
from dagster_project.assets.keys import staging_model
from dagster_project.checks.history import FAILED, report, state_of
from dagster_project.checks.result import outcome
from dagster_project.checks.scope import BEFORE_PUBLICATION, STAGING, WHOLE, Scope, mark_verified, scope_of
from dagster_project.queries import Row, rows
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
    rewritten = f"select source_file from raw.loads where stream = $stream and mode = 'rewritten' and {scope.where()}"
    in_scope = f"({scope.where()} or source_file in ({rewritten}))"
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
        {"stream": stream},
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
    """
    model = f'staging."{staging_model(stream)}"'
    examined = con.execute(f"select count(*) from {model} where {scope.where()}").fetchone()[0]
    failing = rows(
        con,
        f"""
        with lossy_days as (
            -- records of any stream lost on a day can break the chain of emissions that others are attributed by
            select distinct files.partition_date
            from raw.files as files
            where files.rejected > 0 or files.bytes_damaged > 0
        )
        select * from (
            select staged.source_file, staged.line_no, staged.bot, staged.run_id,
                   exists (
                       from lossy_days
                       where lossy_days.partition_date is null  -- a file of all days lost records
                          or lossy_days.partition_date = cast(staged.emitted_date_ist as varchar)
                          or staged.emitted_date_ist is null
                   ) as is_explained_by_loss,
                   exists (
                       from raw.files as files
                       where files.source_file = staged.source_file
                         and staged.load_id = (select arg_max(load_id, finished_at) from raw.loads)
                         and staged.line_no > files.lines - {_BURST_LINES}
                   ) as is_burst_under_way
            from {model} as staged
            where (staged.bot is null or staged.run_id is null) and {scope.where("staged.load_id")}
        )
        order by is_explained_by_loss or is_burst_under_way, source_file, line_no
        """,
    )
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


def _explained(failing: list[Row]) -> bool:
    return bool(failing) and all(row["is_explained_by_loss"] or row["is_burst_under_way"] for row in failing)
