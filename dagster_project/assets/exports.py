"""The exports as assets: what leaves the warehouse, made from the published marts, and the archive of raw partitions."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import dagster as dg

from dagster_project.assets.keys import DAY_RECONCILIATION, EXPORT_GROUP, PUBLISHED_MARTS, raw_key
from dagster_project.partitions import IST, TIMEZONE, daily, day_key, day_runs, window_of
from dagster_project.resources import WRITER_POOL, failing_in_a_run
from dagster_project.schedules import days_request
from dagster_project.settings import Settings
from exports.archive.partitions import Policy
from exports.archive.run import archive
from exports.errors import ExportError
from exports.health import export_health
from exports.marts import Window
from exports.report.render import export_audit
from exports.settings import ExportSettings
from exports.sheets.mirror import export_sheets
from exports.summaries.run import export_summaries
from raw_loaders.dictionary import Dictionary

EXPORT_JOB = "exports"
# after the daily run of 00:20 has published the day
EXPORT_CRON = "40 0 * * *"
ARCHIVE = dg.AssetKey(["exports", "archive"])
DAILY_EXPORTS = [dg.AssetKey(["exports", name]) for name in ("summaries", "audit_report", "sheets")]
# the warehouse holds the run's turn and says that the run is alive: the archive writes to it, and a run counts as a whole
_TURN = {"warehouse"}
HEALTH = dg.AssetKey(["exports", "health_buckets"])


class ArchiveConfig(dg.Config):
    """How long a partition stays hot and warm (days; default as the environment says), and whether to change anything."""

    hot_days: int | None = None
    warm_days: int | None = None
    dry_run: bool = False


def export_assets(settings: Settings, dictionary: Dictionary) -> list[dg.AssetsDefinition]:
    """Summaries, audit and sheets by IST day (a range is one run), health buckets, and the archive."""
    return [
        _daily(settings, "summaries", "Tier 2: JSON lines for language models, one folder per IST day.", _summaries),
        _daily(
            settings, "audit_report", "The audit document of the day, or of the range launched, as Markdown and HTML.", _audit
        ),
        _daily(settings, "sheets", "CSV and Parquet mirrors of the sheets the bot kept, one folder per IST day.", _sheets),
        _health_asset(settings),
        _archive_asset(settings, dictionary),
    ]


def export_job() -> object:
    """All exports of one IST day or of a range of days."""
    return dg.define_asset_job(
        EXPORT_JOB,
        selection=dg.AssetSelection.groups(EXPORT_GROUP),
        executor_def=dg.in_process_executor,
        description="Write the exports of IST days from the published marts, and bring the archive up to date.",
    )


def export_schedule(job: object) -> dg.ScheduleDefinition:
    """Each night, after the daily run: the day that has just closed, nights that were missed, days reconciled again since."""

    @dg.schedule(
        name="every_night_exports",
        job=job,
        cron_schedule=EXPORT_CRON,
        execution_timezone=TIMEZONE,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="At 00:40 IST, after the daily run: the exports of the day that has just closed and of days not exported "
        "as they are, and the archive.",
    )
    def every_night_exports(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest]:
        today = context.scheduled_execution_time.astimezone(IST).date()
        ranges = day_runs(_days_to_export(context.instance, today - dt.timedelta(days=1)))
        tick = f"{EXPORT_JOB}-{day_key(today)}"
        return [
            days_request(days, f"{tick}-{day_key(days[0])}", None if days == ranges[-1] else DAILY_EXPORTS) for days in ranges
        ]

    return every_night_exports


def _days_to_export(instance: dg.DagsterInstance, yesterday: dt.date) -> set[dt.date]:
    """Yesterday, the days since the newest one exported, and days exported before they were reconciled last.

    Both are read from Dagster's records of days, which outlive the logs of runs.
    """
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    written, *more = [instance.get_latest_storage_id_by_partition(key, kind) for key in DAILY_EXPORTS]
    exported = {
        key: min(at, *(other[key] for other in more)) for key, at in written.items() if all(key in other for other in more)
    }
    reconciled = instance.get_latest_storage_id_by_partition(DAY_RECONCILIATION, kind)
    days = {dt.date.fromisoformat(key) for key, at in exported.items() if reconciled.get(key, 0) > at}
    newest = max(map(dt.date.fromisoformat, exported), default=yesterday)
    days |= {newest + dt.timedelta(days=i) for i in range(1, (yesterday - newest).days + 1)}
    return {day for day in days if day < yesterday} | {yesterday}


def _daily(
    settings: Settings, name: str, description: str, write: Callable[[ExportSettings, Window], list[Path]]
) -> dg.AssetsDefinition:
    @dg.asset(
        key=dg.AssetKey(["exports", name]),
        deps=[PUBLISHED_MARTS],
        partitions_def=daily(settings.partitions_start),
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=EXPORT_GROUP,
        kinds={"duckdb"},
        pool=WRITER_POOL,
        required_resource_keys=_TURN,
        description=description,
    )
    def exported(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        window = window_of(context)
        days = Window(window.first_day, window.end_day)
        files = _guarded(lambda: write(ExportSettings.from_env(settings.data), days))
        return dg.MaterializeResult(metadata={"window": window.describe(), **_facts(files)})

    return exported


def _summaries(settings: ExportSettings, window: Window) -> list[Path]:
    return [file.path for day in _days(window) for file in export_summaries(settings.marts, settings.exports / "summaries", day)]


def _sheets(settings: ExportSettings, window: Window) -> list[Path]:
    mirrors = [mirror for day in _days(window) for mirror in export_sheets(settings.marts, settings.exports / "sheets", day)]
    return [path for mirror in mirrors for path in (mirror.csv, mirror.parquet)]


def _audit(settings: ExportSettings, window: Window) -> list[Path]:
    return export_audit(settings.marts, settings.exports / "audit", window)


def _days(window: Window) -> list[Window]:
    return [Window(day, day + dt.timedelta(days=1)) for day in window.days]


def _health_asset(settings: Settings) -> dg.AssetsDefinition:
    @dg.asset(
        key=HEALTH,
        deps=[PUBLISHED_MARTS],
        group_name=EXPORT_GROUP,
        kinds={"duckdb"},
        pool=WRITER_POOL,
        required_resource_keys=_TURN,
        description="Tier 3: health buckets of 5 minutes (24 hours of them), an hour (7 days) and a day (365 days).",
    )
    def health_buckets() -> dg.MaterializeResult:
        exports = ExportSettings.from_env(settings.data)
        files = _guarded(lambda: export_health(exports.marts, exports.exports))
        return dg.MaterializeResult(metadata={**_facts([file.path for file in files]), **{f.path.stem: f.records for f in files}})

    return health_buckets


def _archive_asset(settings: Settings, dictionary: Dictionary) -> dg.AssetsDefinition:
    @dg.asset(
        key=ARCHIVE,
        deps=[raw_key(stream) for stream in dictionary.streams],
        group_name=EXPORT_GROUP,
        kinds={"parquet"},
        pool=WRITER_POOL,
        required_resource_keys=_TURN,
        description="Tier 1: raw partitions as Parquet, warm and then archived by age, verified. The landing stays as it is.",
    )
    def archive_asset(config: ArchiveConfig) -> dg.MaterializeResult:
        exports = ExportSettings.from_env(settings.data)
        hot, warm = exports.policy.hot_days, exports.policy.warm_days
        policy = _guarded(
            lambda: Policy(
                hot if config.hot_days is None else config.hot_days, warm if config.warm_days is None else config.warm_days
            )
        )
        report = _guarded(
            lambda: archive(
                settings.warehouse,
                exports.destinations,
                policy=policy,
                dry_run=config.dry_run,
                landing=settings.landing,
                lock_wait_s=settings.lock_wait_s,
            )
        )
        _guarded(report.raise_if_failed)
        outcomes = ("planned", "written", "moved", "kept", "failed")
        return dg.MaterializeResult(
            metadata={
                **{outcome: report.count(outcome) for outcome in outcomes},
                "bytes": sum(step.size_bytes for step in report.steps),
                "landing_files_archived_whole": len(report.settled),
                "not_archived_whole": dg.MetadataValue.text(
                    "\n".join(f"{f}: {r}" for f, r in report.unsettled.items()) or "none"
                ),
            }
        )

    return archive_asset


def _guarded(action: Callable[[], object]) -> object:
    """Run an export; an expected fault fails the step with its one sentence."""
    try:
        with failing_in_a_run():
            return action()
    except ExportError as error:
        raise dg.Failure(str(error), metadata={"exit_code": error.exit_code}, allow_retries=False) from error


def _facts(files: list[Path]) -> dict[str, object]:
    return {
        "files": len(files),
        "bytes": sum(path.stat().st_size for path in files),
        "folder": dg.MetadataValue.path(str(files[0].parent)) if files else "none",
    }
