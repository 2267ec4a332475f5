"""Jobs and their schedules: each closed IST hour five past it, each closed IST day after its last hour was taken in."""

import datetime as dt
from typing import Any

import dagster as dg

from dagster_project.assets.keys import DAY_RECONCILIATION
from dagster_project.partitions import IST, TIMEZONE, day_key

AssetJob = Any  # what define_asset_job returns is not exported by name
HOURLY_JOB = "hourly"
DAILY_JOB = "daily"
MINUTE_OF_HOUR = 5
DAILY_CRON = "20 0 * * *"


def jobs() -> list[AssetJob]:
    """The hourly job (raw, checks, dbt, checks) and the daily one (reconciliation of days)."""
    days = dg.AssetSelection.assets(DAY_RECONCILIATION)
    return [
        dg.define_asset_job(
            HOURLY_JOB,
            selection=dg.AssetSelection.all() - days,
            executor_def=dg.in_process_executor,
            description="Take in what has landed, check it, build and test the dbt models, check that nothing is lost.",
        ),
        dg.define_asset_job(
            DAILY_JOB,
            selection=days,
            executor_def=dg.in_process_executor,
            description="Reconcile IST days: what landed against what reached staging.",
        ),
    ]


def schedules(hourly_job: AssetJob, daily_job: AssetJob) -> list[dg.ScheduleDefinition]:
    """Both schedules, on by default: nothing evaluates them unless a Dagster daemon runs (`make ui`)."""
    hourly = dg.build_schedule_from_partitioned_job(
        hourly_job,
        name="every_hour",
        minute_of_hour=MINUTE_OF_HOUR,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Five past each hour (IST): the hour that has just closed.",
    )

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

    return [hourly, every_day]


def late_days_sensor(hourly_job: AssetJob, daily_job: AssetJob) -> dg.SensorDefinition:
    """After an hourly run that took in rows of days gone by: reconcile those days again, as one run."""

    @dg.run_status_sensor(
        name="late_days",
        run_status=dg.DagsterRunStatus.SUCCESS,
        monitored_jobs=[hourly_job],
        request_job=daily_job,
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=60,
        description="Files arrive late: days that received rows after their end are reconciled again.",
    )
    def late_days(context: dg.RunStatusSensorContext) -> dg.RunRequest | dg.SkipReason:
        run_id = context.dagster_run.run_id
        records = context.instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
        events = [record.event_log_entry.dagster_event for record in records]
        today = day_key(dt.datetime.now(IST).date())
        days = sorted({day for event in events if (day := _day_with_new_rows(event)) and day < today})
        if not days:
            return dg.SkipReason("The run took in no row of a day gone by.")
        if days[0] == days[-1]:
            return dg.RunRequest(run_key=run_id, partition_key=days[0])
        return dg.RunRequest(run_key=run_id, tags=range_tags(days[0], days[-1]))

    return late_days


def _day_with_new_rows(event: dg.DagsterEvent) -> str | None:
    """The IST day of a raw materialisation that brought rows: an announced hour always did, the run's own hour perhaps."""
    materialization = event.step_materialization_data.materialization
    if materialization.asset_key.path[0] != "raw" or materialization.partition is None:
        return None
    accepted = materialization.metadata.get("accepted_read")
    is_empty = accepted is not None and accepted.value == 0
    return None if is_empty else materialization.partition[: len("YYYY-MM-DD")]


def range_tags(first: str, last: str) -> dict[str, str]:
    """Tags by which Dagster runs the partitions from `first` to `last`, both included, as one run."""
    return {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
