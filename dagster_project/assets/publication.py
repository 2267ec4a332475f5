"""`published/marts`: the version that analysts read, written after the checks of the run have passed."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import duckdb

from dagster_project import queries
from dagster_project.assets.keys import PUBLISHED_MARTS
from dagster_project.checks.history import FAILED, PASSED, SKIPPED, WARNED, open_failures, results_of_run
from dagster_project.checks.scope import RAW, STAGING
from dagster_project.ops_tables import create_ops_tables, loads_missing_from
from dagster_project.partitions import IST
from dagster_project.queries import Row, rows
from dagster_project.resources import WRITER_POOL, Warehouse
from dagster_project.settings import Settings
from dagster_project.touched import touched
from raw_loaders.dictionary import Dictionary
from raw_loaders.errors import LoaderError
from serving import ServingError, publish

# in the metadata of a refusal that hourly runs cannot lift
FOR_DAILY_RUN = "is_for_daily_run"


def publication_asset(
    settings: Settings, dictionary: Dictionary, marts: Sequence[dg.AssetKey], checks: Collection[tuple[str, str]]
) -> dg.AssetsDefinition:
    """The asset; it depends on every mart, and comes last in any run (the checks of the run go before it by priority).

    `checks` has (asset, check) of all there are: a failure of one that is gone from the project keeps nothing back.
    """

    @dg.asset(
        key=PUBLISHED_MARTS,
        deps=list(marts),
        group_name="published",
        kinds={"duckdb"},
        pool=WRITER_POOL,
        op_tags={"dagster/priority": "-10"},
        freshness_policy=dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=3), warn_window=timedelta(hours=1.5)),
        description=(
            "The marts as one read-only file, replaced as a whole. A check of severity error that failed, in this run or in one "
            "before and has not passed since, leaves the last good version in place; checks that warn do not."
        ),
    )
    def published_marts(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult:
        with warehouse.connect() as con:
            create_ops_tables(con)
            found = results_of_run(con, context.run.run_id)
            missing = _unanswered(context, found)
            standing = [row for row in open_failures(con) if (row["asset"], row["check_name"]) in checks]
            unchecked = sorted({load for layer in (RAW, STAGING) for load in loads_missing_from(con, "verified_loads", layer)})
            facts = _facts(con, dictionary, context.run.run_id, found)
            began = context.instance.get_run_record_by_id(context.run.run_id).start_time
            taken_in = touched(con, dictionary, datetime.fromtimestamp(began or 0, UTC))
        # also of a run that publishes nothing: it took in what it took in
        context.log_event(dg.AssetObservation(PUBLISHED_MARTS, metadata=taken_in))
        refuse(found, missing, standing, unchecked, settings.published)
        try:
            version = publish(
                settings.warehouse,
                settings.published,
                wait_s=settings.lock_wait_s,
                facts=facts,
                expected=[key.path[-1] for key in marts],
            )
        except (ServingError, LoaderError) as error:
            raise dg.Failure(str(error), metadata={"exit_code": error.exit_code}, allow_retries=False) from error
        newest = facts["newest_event_at"]
        return dg.MaterializeResult(
            metadata={
                "version": version.version_id,
                "path": dg.MetadataValue.path(str(version.path)),
                "bytes": version.bytes,
                "seconds": round(version.seconds, 3),
                "newest_event": newest.isoformat() if newest else "none",
                **_ages(version.published_at, newest, facts["newest_load_at"]),
                **taken_in,
                "rows": dg.MetadataValue.json(dict(version.tables)),
                "dagster/row_count": sum(version.tables.values()),
                **{f"checks_{state}": facts[f"checks_{state}"] for state in (PASSED, WARNED, SKIPPED)},
            }
        )

    return published_marts


def refuse(
    found: Sequence[Row], missing: Sequence[str], standing: Sequence[Row], unchecked: Sequence[str], published: Path
) -> None:
    """Raise dg.Failure, with one sentence, when a check of the run failed or gave no answer, when one failed in a run before
    and has not passed since (`standing`), or when a load was not checked yet (`unchecked`)."""
    failed = [row for row in found if row["state"] == FAILED]
    stays = f"Not published, analysts go on reading the version before it in {published}"
    if failed:
        raise dg.Failure(f"{stays}: {_failed(failed)}", allow_retries=False)
    if missing:
        raise dg.Failure(f"{stays}: the check {missing[0]}{_more(missing)} gave no answer in this run.", allow_retries=False)
    if standing:
        is_for_daily_run = standing[0]["scope"] != "touched"
        when = f"{standing[0]['failed_at'].astimezone(IST):%Y-%m-%d %H:%M} IST"
        again = "`make run` looks at whole tables again" if is_for_daily_run else "the next run looks again"
        raise dg.Failure(
            f"{stays}: {_failed(standing)} It failed at {when} and has not passed since; when the cause is mended, {again}.",
            metadata={FOR_DAILY_RUN: True} if is_for_daily_run else None,
            allow_retries=False,
        )
    if unchecked:
        raise dg.Failure(
            f"{stays}: the load {unchecked[0]}{_more(unchecked, 'load')} was not checked yet; `make run` checks it.",
            allow_retries=False,
        )


def _failed(checks: Sequence[Row]) -> str:
    first = checks[0]
    return f"the check {first['asset']}: {first['check_name']} failed{_more(checks)} ({first['description']})"


def _more(found: Sequence[object], what: str = "check") -> str:
    """The words for all but the first of them."""
    return {1: "", 2: f" and 1 more {what}"}.get(len(found), f" and {len(found) - 1} more {what}s")


def _unanswered(context: dg.AssetExecutionContext, found: Sequence[Row]) -> list[str]:
    """Checks that the run planned and that neither answered nor were skipped (`dbt_tests` stands for each test of a table)."""
    planned = context.instance.get_records_for_run(
        context.run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED
    ).records
    answered = {(row["asset"], row["check_name"].split(":")[0]) for row in found}
    checks = [record.event_log_entry.dagster_event.event_specific_data for record in planned]
    # checks of the published version itself come after it
    wanted = {(".".join(check.asset_key.path), check.check_name) for check in checks if check.asset_key != PUBLISHED_MARTS}
    return [f"{asset}: {name}" for asset, name in sorted(wanted - answered)]


def _facts(con: duckdb.DuckDBPyConnection, dictionary: Dictionary, run_id: str, found: Sequence[Row]) -> Row:
    """What the published version says of itself: the run, its checks, the newest event and the newest load it holds."""
    (load,) = rows(con, "select max(finished_at) as newest_load_at from raw.loads")
    return {
        "run_id": run_id,
        "newest_event_at": queries.newest_event(con, dictionary),
        "newest_load_at": load["newest_load_at"],
        **{f"checks_{state}": sum(row["state"] == state for row in found) for state in (PASSED, WARNED, SKIPPED, FAILED)},
    }


def _ages(published_at: datetime, newest_event: datetime | None, newest_load: datetime | None) -> dict[str, float]:
    """Freshness in hours: of the newest event and of the newest load, at the moment of publication."""
    ages = {"event_age_h": newest_event, "load_age_h": newest_load}
    return {name: round((published_at - moment).total_seconds() / 3600, 2) for name, moment in ages.items() if moment}
