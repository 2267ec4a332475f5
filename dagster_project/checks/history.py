"""`ops.check_results`: what each check of each run found, for whoever wants to know since when something is wrong.

`ops.open_failures`: what keeps the next publication back, whichever run found it.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import date

import dagster as dg
import duckdb

from dagster_project.ops_tables import create_ops_tables
from dagster_project.partitions import day_key
from dagster_project.queries import Row, rows

PASSED, FAILED, WARNED, SKIPPED = "passed", "failed", "warned", "skipped"


_TEXTS = ("check_name", "asset", "partition", "scope", "state", "severity", "examples", "remedy", "description")
_FORM = json.dumps([{**dict.fromkeys(_TEXTS, "VARCHAR"), "rows_examined": "BIGINT", "rows_failed": "BIGINT"}])


def state_of(result: dg.AssetCheckResult) -> str:
    """Passed, failed (stops publication), warned (does not), or skipped (there was nothing to examine)."""
    if "skipped" in (result.metadata or {}):
        return SKIPPED
    if result.passed:
        return PASSED
    return FAILED if result.severity == dg.AssetCheckSeverity.ERROR else WARNED


def report(
    context: dg.OpExecutionContext | dg.AssetCheckExecutionContext | dg.AssetExecutionContext,
    con: duckdb.DuckDBPyConnection,
    results: Sequence[dg.AssetCheckResult],
    scope: str,
) -> list[dg.AssetCheckResult]:
    """Write the results into `ops.check_results` and return those of checks that had something to examine.

    A check that is not yielded to Dagster shows in the UI as skipped: not green. `scope` says how much was examined.
    """
    record(con, context.run.run_id, scope, results)
    shown = []
    for result in results:
        if state_of(result) == SKIPPED:
            context.log.debug(f"{name_of(result)} skipped: {_value(result, 'skipped')}.")
        else:
            shown.append(result)
    return shown


def name_of(result: dg.AssetCheckResult) -> str:
    """`schema.table: check`."""
    return f"{'.'.join(result.asset_key.path)}: {result.check_name}"


def record(con: duckdb.DuckDBPyConnection, run_id: str, scope: str, results: Iterable[dg.AssetCheckResult]) -> None:
    """Add one row per result, in one statement; results of the same run and checks, of an attempt before, are replaced."""
    _record(con, run_id, scope, [(None, result) for result in results])


def record_days(con: duckdb.DuckDBPyConnection, run_id: str, results: Iterable[tuple[date, dg.AssetCheckResult]]) -> None:
    """The same for what checks found on single IST days, whose partition the rows name."""
    _record(con, run_id, "days", [(day_key(day), result) for day, result in results])


def _record(
    con: duckdb.DuckDBPyConnection, run_id: str, scope: str, results: Sequence[tuple[str | None, dg.AssetCheckResult]]
) -> None:
    create_ops_tables(con)
    found = [
        {
            "check_name": result.check_name,
            "asset": ".".join(result.asset_key.path),
            "partition": partition,
            "scope": scope,
            "state": state_of(result),
            "severity": result.severity.value.lower(),
            "rows_examined": _value(result, "rows_examined"),
            "rows_failed": _value(result, "failing_rows") or 0,
            "examples": _examples(result),
            "remedy": _value(result, "what_to_do"),
            "description": result.description,
        }
        for partition, result in results
    ]
    if not found:
        return
    con.execute("begin")
    con.execute(
        f"create or replace temp table found_results as select unnest(from_json($found, '{_FORM}'), recursive := true)",
        {"found": json.dumps(found)},
    )
    con.execute(
        "delete from ops.check_results as held using found_results as found "
        "where held.run_id = $run_id and held.asset = found.asset and held.check_name = found.check_name "
        "and held.partition is not distinct from found.partition",
        {"run_id": run_id},
    )
    con.execute(
        "insert into ops.check_results by name select $run_id as run_id, now() as checked_at, * from found_results",
        {"run_id": run_id},
    )
    _note_failures(con, run_id)
    con.execute("commit")


def _note_failures(con: duckdb.DuckDBPyConnection, run_id: str) -> None:
    """Open a failure for each check that failed; close those of checks that passed on at least as much as they failed on.

    A check that failed on whole tables is not cleared by one that looked at what is new only. One that failed on what was new
    looks at it again until it passes, or at all there is, so a pass of any scope clears it; so does a table without rows. What is
    judged by day warns and holds nothing back.
    """
    con.execute(
        """
        delete from ops.open_failures as held using found_results as found
        where held.asset = found.asset and held.check_name = found.check_name
            and (
                found.state in ('passed', 'warned') and held.scope = 'touched'
                or found.state <> 'failed' and found.scope = 'whole'
            )
        """
    )
    con.execute(
        """
        insert into ops.open_failures by name
        select asset, check_name, scope, $run_id as run_id, now() as failed_at, description
        from found_results as found
        where state = 'failed' and not exists (
            from ops.open_failures as held
            where held.asset = found.asset and held.check_name = found.check_name
                and (held.scope = 'whole' or found.scope = 'touched')
        )
        """,
        {"run_id": run_id},
    )


def open_failures(con: duckdb.DuckDBPyConnection) -> list[Row]:
    """asset, check_name, scope, run_id, failed_at and description of each failure that is still open, the oldest first."""
    return rows(con, "from ops.open_failures order by failed_at, asset, check_name")


def _value(result: dg.AssetCheckResult, name: str) -> object:
    found = (result.metadata or {}).get(name)
    return found.value if isinstance(found, dg.MetadataValue) else found


def _examples(result: dg.AssetCheckResult) -> str | None:
    table = (result.metadata or {}).get("examples")
    return json.dumps([dict(record.data) for record in table.records]) if table else None


def results_of_run(con: duckdb.DuckDBPyConnection, run_id: str) -> list[Row]:
    """asset, check_name, state, description of each check of a run, failed ones first; of one that answered for several days
    the worst."""
    return rows(
        con,
        """
        select asset, check_name, state, description
        from ops.check_results
        where run_id = $run_id
        qualify row_number() over (
            partition by asset, check_name order by list_position(['failed', 'warned', 'passed', 'skipped'], state), partition
        ) = 1
        order by state <> 'failed', asset, check_name
        """,
        {"run_id": run_id},
    )
