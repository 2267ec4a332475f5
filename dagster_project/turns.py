"""Runs take turns: one run at a time works on the warehouse, and a run whose process died gives its turn back.

Runs that the daemon launches queue in the pool `duckdb_writer`. A run started on the command line is in no queue: it counts
in the pool, so that the daemon lets none start beside it, and waits itself for a run that was there before. What it waits
for is the lock that commands by hand take as well (raw_loaders.turns); a second one, a run's own, says that it is alive.
"""

import contextlib
import fcntl
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from raw_loaders.turns import hold_turn

ACTIVE = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
# from "started" in Dagster's records to the lock on the run's own file: an import or two, long ago even on a busy machine
GRACE_S = 120.0


@contextlib.contextmanager
def turn(folder: Path, run_id: str) -> Iterator[None]:
    """Hold the one turn for the duration of a block; waits, as long as it takes, for the run or command that has it.

    `folder` is where the lock files lie. While the block lasts, and while it waits, `is_alive(folder, run_id)` is true.
    Raises TurnError when the lock file of the turn cannot be used.
    """
    folder.mkdir(parents=True, exist_ok=True)
    own = _own_file(folder, run_id)
    unlocked = own.with_suffix(".new")
    with unlocked.open("w") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        unlocked.rename(own)  # nobody finds the file without its lock
        try:
            with hold_turn(folder, f"run {run_id[:8]}"):
                yield
        finally:
            own.unlink(missing_ok=True)


def _own_file(folder: Path, run_id: str) -> Path:
    return folder / f"{run_id}.alive"


def is_alive(folder: Path, run_id: str) -> bool:
    """Whether a process is at work on this run or waits for its turn."""
    try:
        with _own_file(folder, run_id).open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def bury_dead_runs(instance: dg.DagsterInstance, folder: Path) -> list[str]:
    """Report runs as failed whose process died without saying so; else they would hold the pool for ever. Returns their ids.

    A run that started within the last two minutes is left alone: it may not have come to its lock yet.
    """
    buried = []
    for record in instance.get_run_records(filters=dg.RunsFilter(statuses=ACTIVE)):
        run = record.dagster_run
        began = record.start_time or record.create_timestamp.timestamp()
        has_begun = _own_file(folder, run.run_id).exists()
        is_fresh = not has_begun and abs(time.time() - began) < GRACE_S
        if is_fresh or is_alive(folder, run.run_id):
            continue
        if run.status == dg.DagsterRunStatus.STARTING:
            continue  # the daemon watches over runs it has launched and that never started
        instance.report_run_failed(run, "The process of this run ended before the run did; the next run takes in what it left.")
        _own_file(folder, run.run_id).unlink(missing_ok=True)
        buried.append(run.run_id)
    return buried
