"""Sensors: the landing changed outside of the schedule; days gone by received rows."""

import datetime as dt

import dagster as dg
import duckdb

from dagster_project.landing_changes import fingerprint, summary, unexpected_changes
from dagster_project.partitions import IST, day_key, hourly
from dagster_project.run_logs import forget_old_run_logs
from dagster_project.schedules import AssetJob, range_tags
from dagster_project.settings import Settings
from dagster_project.turns import bury_dead_runs
from raw_loaders.dictionary import Dictionary
from raw_loaders.errors import LoaderError, is_lock_conflict
from raw_loaders.landing import scan_landing
from raw_loaders.ledger import read_ledger

CHANGE_TAG = "bandit/landing_change"
QUIET_S = 60.0
WAITING_OR_AT_WORK = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def landing_sensor(settings: Settings, dictionary: Dictionary, hourly_job: AssetJob) -> dg.SensorDefinition:
    """Asks for one hourly run when files changed that no schedule expects. Compares stats with the ledger, opens no file."""

    @dg.sensor(
        name="landing_changes",
        job=hourly_job,
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=60,
        description="Late, rewritten or deleted files, a new bot or asset: taken in at once. Waits while a run is at work.",
    )
    def landing_changes(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        bury_dead_runs(context.instance, settings.turns)
        forget_old_run_logs(context.instance, settings.dagster_home)
        if context.instance.get_run_records(filters=dg.RunsFilter(statuses=WAITING_OR_AT_WORK), limit=1):
            return dg.SkipReason("A run waits or is at work; it takes in what has landed.")
        if not settings.warehouse.is_file():
            return dg.SkipReason(f"There is no warehouse {settings.warehouse} yet: the first scheduled run makes it.")
        try:
            landed = scan_landing(settings.landing, dictionary)
            with duckdb.connect(str(settings.warehouse), read_only=True) as con:
                ledger = read_ledger(con)
        except LoaderError as error:
            return dg.SkipReason(str(error))
        except duckdb.Error as error:
            if is_lock_conflict(error):
                return dg.SkipReason("The warehouse is open in another program; looked at again in a minute.")
            return dg.SkipReason(f"The ledger in {settings.warehouse} could not be read: {str(error).splitlines()[0]}")
        now = dt.datetime.now(dt.UTC)
        facts = {name: dictionary.classify(name) for name in ledger}
        changes = unexpected_changes(landed, ledger, facts, now, QUIET_S)
        if not changes:
            context.update_cursor("")
            return dg.SkipReason("Nothing has changed but what the schedules expect.")
        mark = fingerprint(changes)
        if mark == context.cursor:
            return dg.SkipReason(f"A run has been asked for already and left this as it is: {summary(changes)}.")
        hour = hourly(settings.partitions_start).get_last_partition_key()
        if hour is None:
            return dg.SkipReason(f"No hour has closed since {settings.partitions_start}.")
        context.update_cursor(mark)
        return dg.RunRequest(run_key=f"{mark}-{now:%Y%m%dT%H%M%S}", partition_key=hour, tags={CHANGE_TAG: summary(changes)[:250]})

    return landing_changes


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
