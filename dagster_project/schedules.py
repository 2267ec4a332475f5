"""Jobs and their schedules: each closed IST hour five past it, each closed IST day after its last hour was taken in."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import dagster as dg

from dagster_project.assets.keys import DAY_RECONCILIATION, EXPORT_GROUP, PUBLISHED_MARTS
from dagster_project.partitions import IST, TIMEZONE, day_key, hour_key, hourly
from dagster_project.settings import Settings

AssetJob = Any  # what define_asset_job returns is not exported by name
HOURLY_JOB = "hourly"
DAILY_JOB = "daily"
MINUTE_OF_HOUR = 5
DAILY_CRON = "20 0 * * *"


def jobs(
    each_run: Sequence[dg.AssetChecksDefinition],
    daily_only: Sequence[dg.AssetChecksDefinition],
    whole_history: Sequence[dg.AssetKey],
    views: Sequence[dg.AssetKey],
) -> list[AssetJob]:
    """The hourly job (raw, dbt, checks of what is new, publication) and the daily one (days, the models over `whole_history`,
    all checks of whole tables and of `views`, publication)."""
    whole = dg.AssetSelection.assets(*whole_history)
    days = dg.AssetSelection.assets(DAY_RECONCILIATION)
    publication = dg.AssetSelection.assets(PUBLISHED_MARTS)
    checks = dg.AssetSelection.checks(*each_run, *daily_only)
    view_checks = dg.AssetSelection.checks_for_assets(*views)
    return [
        dg.define_asset_job(
            HOURLY_JOB,
            selection=dg.AssetSelection.all()
            - days
            - whole
            - dg.AssetSelection.checks(*daily_only)
            - view_checks
            - dg.AssetSelection.groups(EXPORT_GROUP)  # partitioned by day, and of no hurry
            | dg.AssetSelection.checks(*each_run),  # those on landed files belong to no asset that a run makes
            executor_def=dg.in_process_executor,
            description="Take in what has landed, check it, build and test the dbt models, check that nothing is lost, publish.",
        ),
        dg.define_asset_job(
            DAILY_JOB,
            selection=days | whole | checks | view_checks | publication,
            executor_def=dg.in_process_executor,
            description="Reconcile IST days, build what is over all of history, check whole tables, publish.",
        ),
    ]


def schedules(settings: Settings, hourly_job: AssetJob, daily_job: AssetJob) -> list[dg.ScheduleDefinition]:
    """Both schedules, on by default: nothing evaluates them unless a Dagster daemon runs (`make ui`).

    After a time without a daemon only the latest tick of each is evaluated: one hourly run takes in all that has landed,
    and the sensor `late_days` has the days between reconciled.
    """
    hours = hourly(settings.partitions_start)

    @dg.schedule(
        name="every_hour",
        job=hourly_job,
        cron_schedule=f"{MINUTE_OF_HOUR} * * * *",
        execution_timezone=TIMEZONE,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Five past each hour (IST): the hour that has just closed.",
    )
    def every_hour(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        closed = context.scheduled_execution_time.astimezone(IST) - dt.timedelta(hours=1)
        key = hour_key(closed)
        if not hours.has_partition_key(key):
            return dg.SkipReason(
                f"The hour {key} is no partition: they run from {settings.partitions_start} to the hour closed last."
            )
        waiting = dg.RunsFilter(job_name=HOURLY_JOB, statuses=[dg.DagsterRunStatus.QUEUED])
        if context.instance.get_run_records(filters=waiting, limit=1):
            return dg.SkipReason("An hourly run is waiting for its turn already; it takes in this hour too.")
        return dg.RunRequest(run_key=key, partition_key=key)

    @dg.schedule(
        name="every_day",
        job=daily_job,
        cron_schedule=DAILY_CRON,
        execution_timezone=TIMEZONE,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="At 00:20 IST, after the run of the last hour: the day that has just closed.",
    )
    def every_day(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        today = context.scheduled_execution_time.astimezone(IST).date()
        yesterday = day_key(today - dt.timedelta(days=1))
        return dg.RunRequest(run_key=yesterday, partition_key=yesterday)

    return [every_hour, every_day]


def range_tags(first: str, last: str) -> dict[str, str]:
    """Tags by which Dagster runs the partitions from `first` to `last`, both included, as one run."""
    return {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}


def days_request(days: tuple[dt.date, dt.date], run_key: str, only: Sequence[dg.AssetKey] | None = None) -> dg.RunRequest:
    """Ask for one run over the days from the first to the last, of all of the job or `only` some of its assets."""
    first, last = map(day_key, days)
    return dg.RunRequest(
        run_key=run_key,
        partition_key=first if first == last else None,
        tags={} if first == last else range_tags(first, last),
        asset_selection=only,
    )
