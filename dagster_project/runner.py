"""Runs the jobs in this process, recorded in the same Dagster instance that the UI shows."""

import contextlib
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import dagster as dg

from dagster_project.assets.keys import PUBLISHED_MARTS
from dagster_project.assets.publication import FOR_DAILY_RUN
from dagster_project.partitions import DAY_FORMAT, HOUR_FORMAT, daily, day_key, day_runs, hourly
from dagster_project.quick_storage import kept_open
from dagster_project.run_logs import forget_old_run_logs
from dagster_project.schedules import range_tags
from dagster_project.settings import Settings, SettingsError
from dagster_project.turns import bury_dead_runs

# Dagster's log goes to its storage, where the UI shows it; the terminal gets our own lines
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class RunFailedError(Exception):
    """A step of the run failed. The message is one sentence for people.

    `is_for_daily_run`: the run did all but publish, because of a check that only the daily run can pass; `result` is what it did.
    """

    def __init__(self, message: str, exit_code: int = 8, *, is_for_daily_run: bool = False) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.is_for_daily_run = is_for_daily_run
        self.result: RunResult | None = None


@dataclass(frozen=True)
class Span:
    """First and last partition key of one run, both inclusive."""

    first: str
    last: str


@dataclass
class RunResult:
    """What one run did: `read` has the raw assets' metadata by stream, `warnings` failed checks that stop nothing, by name of
    the check, `published` the metadata of the published version."""

    run_id: str
    read: dict[str, Mapping[str, object]] = field(default_factory=dict)
    checks: int = 0
    published: Mapping[str, object] = field(default_factory=dict)
    warnings: dict[str, list[str]] = field(default_factory=dict)


def hour_span(settings: Settings, first: str | None, last: str | None) -> Span:
    """The hourly partitions from `first` to `last`; a day stands for its closed hours, None for the last closed hour.

    Raises SettingsError for a key that is no partition.
    """
    partitions = hourly(settings.partitions_start)
    latest = partitions.get_last_partition_key()
    if latest is None:
        raise SettingsError(f"No hour has closed since {settings.partitions_start}: set PARTITIONS_START to an earlier date.")
    first = first or latest
    span = Span(_as_hour(first, is_last=False), min(_as_hour(last or first, is_last=True), latest))
    for key in (span.first, span.last):
        if not partitions.has_partition_key(key):
            raise SettingsError(
                f"{key} is no hourly partition: they run from {partitions.get_first_partition_key()} to {latest} "
                "(set PARTITIONS_START for an earlier start)."
            )
    if span.first > span.last:
        raise SettingsError(f"The range from {span.first} to {span.last} is empty: --from must not be later than --to.")
    return span


def _as_hour(key: str, *, is_last: bool) -> str:
    with contextlib.suppress(ValueError):
        if dt.datetime.strptime(key, HOUR_FORMAT).minute == 0:
            return key
    try:
        day = dt.datetime.strptime(key, DAY_FORMAT)
    except ValueError:
        raise SettingsError(f"{key} is no partition: give an hour such as 2025-11-21-14:00 or a day 2025-11-21.") from None
    return day.replace(hour=23 if is_last else 0).strftime(HOUR_FORMAT)


def day_spans(settings: Settings, days: set[dt.date]) -> list[Span]:
    """The daily partitions among `days` as ranges without gaps, oldest first: what is reconciled is what was asked for."""
    partitions = daily(settings.partitions_start)
    known = {day for day in days if partitions.has_partition_key(day_key(day))}
    return [Span(day_key(first), day_key(last)) for first, last in day_runs(known)]


def execute(
    settings: Settings, defs: dg.Definitions, job_name: str, span: Span, only: Sequence[dg.AssetKey] | None = None
) -> RunResult:
    """Run a job, or of its assets `only` some, for a partition, or a range as one run.

    Raises RunFailedError when a step fails, the publication for one.
    """
    is_range = span.first != span.last
    with dg.DagsterInstance.get() as instance, kept_open(settings.dagster_home):
        bury_dead_runs(instance, settings.turns)
        forget_old_run_logs(instance, settings.dagster_home)
        done = defs.resolve_job_def(job_name).execute_in_process(
            instance=instance,
            partition_key=None if is_range else span.first,
            tags=range_tags(span.first, span.last) if is_range else None,
            run_config=_QUIET,
            asset_selection=only,
            raise_on_error=False,
        )
    result = RunResult(done.run_id)
    for event in done.all_events:
        if event.is_step_materialization and event.asset_key.path[0] == "raw":
            metadata = {name: value.value for name, value in event.materialization.metadata.items()}
            if "load_id" in metadata:
                result.read[event.asset_key.path[-1]] = metadata
        if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            result.checks += 1
            evaluation = event.asset_check_evaluation_data
            if not evaluation.passed and evaluation.severity == dg.AssetCheckSeverity.WARN:
                result.warnings.setdefault(evaluation.check_name, []).append(_check_sentence(evaluation))
        if event.is_step_materialization and event.asset_key == PUBLISHED_MARTS:
            result.published = {name: value.value for name, value in event.materialization.metadata.items()}
    if not done.success:
        failure = _failure(done)
        failure.result = result
        raise failure
    return result


def _check_sentence(evaluation: dg.AssetCheckEvaluation) -> str:
    where = ".".join(evaluation.asset_key.path)
    return f"{where}: {evaluation.check_name} failed ({_first_line(evaluation.description or 'see the UI')})"


def _failure(done: dg.ExecuteInProcessResult) -> RunFailedError:
    pointer = f"`make ui` shows all of it under run {done.run_id[:8]}"
    for event in _failures(done):
        data = event.step_failure_data
        fault = data.user_failure_data
        if fault and "exit_code" in fault.metadata:  # a fault of the loader: its own sentence and exit code
            return RunFailedError(fault.description, fault.metadata["exit_code"].value)
        if fault and fault.description:
            is_for_daily_run = FOR_DAILY_RUN in fault.metadata
            return RunFailedError(f"{fault.description.rstrip('.')}; {pointer}.", is_for_daily_run=is_for_daily_run)
        cause = data.error and (data.error.cause or data.error)
        text = _first_line(cause.message) if cause else "no message"
        return RunFailedError(f"Step {event.step_key} failed: {text}; {pointer}.")
    return RunFailedError(f"The run did not finish; {pointer}.")


def _failures(done: dg.ExecuteInProcessResult) -> Iterator[dg.DagsterEvent]:
    return (event for event in done.all_events if event.is_step_failure)


def _first_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines else ""
