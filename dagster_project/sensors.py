"""Sensors: the landing changed outside of the schedule; days gone by received rows."""

import datetime as dt
import hashlib
from collections.abc import Callable

import dagster as dg
import duckdb

from dagster_project.assets.day_reconciliation import days_to_reconcile
from dagster_project.assets.keys import DAY_RECONCILIATION
from dagster_project.landing_changes import fingerprint, summary, unexpected_changes
from dagster_project.partitions import IST, day_key, day_runs, hourly
from dagster_project.run_logs import forget_old_run_logs
from dagster_project.schedules import AssetJob, days_request
from dagster_project.settings import Settings
from dagster_project.turns import bury_dead_runs
from raw_loaders.dictionary import Dictionary
from raw_loaders.errors import LoaderError, is_lock_conflict
from raw_loaders.landing import scan_landing
from raw_loaders.ledger import read_ledger

CHANGE_TAG = "bandit/landing_change"
QUIET_S = 60.0
# by then `every_day` of 00:20 has asked for the day before
NIGHT_RUN_IN = dt.timedelta(minutes=30)
RANGES_AT_ONCE = 20  # of days apart, each a run; the rest is asked for after them
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
            return dg.SkipReason(_not_read(settings, error))
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


def late_days_sensor(
    settings: Settings,
    dictionary: Dictionary,
    daily_job: AssetJob,
    clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
) -> dg.SensorDefinition:
    """Asks for days gone by that the ledger says are not reconciled, whatever run loaded them and however it ended."""

    @dg.sensor(
        name="late_days",
        job=daily_job,
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=60,
        description="Files arrive late: days that received rows, refused lines or damage, or lost rows, are reconciled again.",
    )
    def late_days(context: dg.SensorEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        if context.instance.get_run_records(filters=dg.RunsFilter(statuses=WAITING_OR_AT_WORK), limit=1):
            return dg.SkipReason("A run waits or is at work; looked at again after it.")
        if not settings.warehouse.is_file():
            return dg.SkipReason(f"There is no warehouse {settings.warehouse} yet: the first scheduled run makes it.")
        now = clock()
        try:
            with duckdb.connect(str(settings.warehouse), read_only=True) as con:
                con.execute("set TimeZone = 'UTC'")
                known = days_to_reconcile(con, list(dictionary.streams))
        except duckdb.Error as error:
            return dg.SkipReason(_not_read(settings, error))
        closed = (now - NIGHT_RUN_IN).astimezone(IST).date()
        due = {day: sorted(loads) for day, loads in sorted(known.items()) if settings.first_day <= day < closed}
        ranges = day_runs(due)
        if not ranges:
            context.update_cursor("")
            return dg.SkipReason("Every day gone by is reconciled as it is.")
        # asked for once; what a run could not reconcile is tried once more each day, and when other days join it
        mark = hashlib.blake2b(f"{closed} {due}".encode(), digest_size=12).hexdigest()
        if mark == context.cursor:
            return dg.SkipReason(
                f"A run has been asked for already and did not reconcile {_named(ranges[-1])}: see why in its log, under Runs. "
                "It is asked for again tomorrow."
            )
        context.update_cursor(mark)
        run_key = f"{mark}-{now:%Y%m%dT%H%M%S}"
        # only the last run checks whole tables and publishes
        return [
            days_request(days, f"{run_key}-{day_key(days[0])}", None if days == ranges[-1] else [DAY_RECONCILIATION])
            for days in ranges[-RANGES_AT_ONCE:]
        ]

    return late_days


def _named(days: tuple[dt.date, dt.date]) -> str:
    first, last = map(day_key, days)
    return first if first == last else f"{first} to {last}"


def _not_read(settings: Settings, error: duckdb.Error) -> str:
    if is_lock_conflict(error):
        return "The warehouse is open in another program; looked at again in a minute."
    return f"The ledger in {settings.warehouse} could not be read: {str(error).splitlines()[0]}"
