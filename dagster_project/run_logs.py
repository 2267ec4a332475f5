"""What Dagster records of a run is kept for a fortnight: a run an hour would fill some 30 GB a year.

Kept for ever are the run itself (when, which job, how it ended), which hours and days were materialised, and what each check
found (`ops.check_results` of the warehouse).
"""

import shutil
import time
from datetime import timedelta
from pathlib import Path

import dagster as dg
from dagster._core.storage.dagster_run import FINISHED_STATUSES

from dagster_project.quick_storage import QuickEventLogStorage

KEPT = timedelta(days=14)
# a sensor asks each minute and has a minute: what is left over is forgotten next time
_MOST_AT_ONCE = 100


def forget_old_run_logs(instance: dg.DagsterInstance, home: Path, kept: timedelta = KEPT) -> list[str]:
    """Remove the event log and the captured output of runs below `home` that wrote nothing for `kept`. Returns their ids.

    The log of a run that is not over stays, however old its file seems: a clock that jumps must not take it from a run at work.
    Several processes may do so at once. An instance that keeps its events elsewhere (in memory, as tests do) is left alone.
    """
    storage = instance.event_log_storage
    if not isinstance(storage, QuickEventLogStorage):
        return []
    before = time.time() - kept.total_seconds()
    seem_old = {run_id for run_id in storage.get_all_run_ids() if _written_at(storage, run_id) < before}
    old = sorted(seem_old - _not_over(instance))[:_MOST_AT_ONCE] if seem_old else []
    for run_id in old:
        storage.forget_run(run_id)
        shutil.rmtree(home / "storage" / run_id, ignore_errors=True)
    return old


def _not_over(instance: dg.DagsterInstance) -> set[str]:
    statuses = [status for status in dg.DagsterRunStatus if status not in FINISHED_STATUSES]
    return {record.dagster_run.run_id for record in instance.get_run_records(filters=dg.RunsFilter(statuses=statuses))}


def _written_at(storage: QuickEventLogStorage, run_id: str) -> float:
    """When a run's log was last written to, in Unix time; now, when another process has just removed it."""
    try:
        return Path(storage.path_for_shard(run_id)).stat().st_mtime
    except FileNotFoundError:
        return time.time()
