"""The event log that keeps its files open writes what Dagster's own writes, and lets go of files that are deleted."""

import os
import sqlite3
import time
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy

from dagster_project.instance import CONFIG
from dagster_project.quick_storage import QuickEventLogStorage, event_folder
from dagster_project.run_logs import forget_old_run_logs
from dagster_project.schedules import range_tags


@dg.asset
def something() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"rows": 3})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "dagster.yaml").write_text(CONFIG.read_text())
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    return tmp_path


def run_once(instance: dg.DagsterInstance) -> str:
    return dg.materialize([something], instance=instance).run_id


def types_of(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    return [entry.dagster_event.event_type_value for entry in instance.all_logs(run_id) if entry.dagster_event]


def test_dagsters_own_storage_reads_what_was_written(home: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        assert isinstance(instance.event_log_storage, QuickEventLogStorage)
        # more runs than files are kept open
        written = {run_id: types_of(instance, run_id) for run_id in [run_once(instance) for _ in range(5)]}
        assert {run_id: types_of(instance, run_id) for run_id in written} == written
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.get() as stock:
        assert type(stock.event_log_storage).__name__ == "SqliteEventLogStorage"
        assert {run_id: types_of(stock, run_id) for run_id in written} == written
        assert all("ASSET_MATERIALIZATION" in types and "RUN_SUCCESS" not in types[:-1] for types in written.values())
        latest = stock.get_latest_materialization_event(something.key)
        assert latest.run_id in written


def test_another_process_may_write_and_wipe(home: Path) -> None:
    """Two storages on the same files, as the UI and a run from the command line have."""
    with dg.DagsterInstance.get() as ours, dg.DagsterInstance.get() as theirs:
        run_id = run_once(theirs)
        assert types_of(ours, run_id) == types_of(theirs, run_id)
        ours.wipe()
        assert not list(event_folder(home).glob(f"{run_id}.db"))
        assert types_of(ours, run_id) == []
        again = run_once(ours)
        assert "ASSET_MATERIALIZATION" in types_of(theirs, again)


@pytest.mark.parametrize("size", ["0", "100"])
def test_the_hours_of_an_output_are_stored_together(home: Path, monkeypatch: pytest.MonkeyPatch, size: str) -> None:
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", size)
    hours = dg.StaticPartitionsDefinition([f"{number:03}" for number in range(250)])
    commits: list[object] = []

    def note(connection: object) -> None:
        commits.append(connection)

    @dg.asset(partitions_def=hours, backfill_policy=dg.BackfillPolicy.single_run())
    def by_hour() -> None:
        # from here on: the start of the run is none of it
        sqlalchemy.event.listen(sqlalchemy.engine.Engine, "commit", note)

    with dg.DagsterInstance.get() as instance:
        try:
            dg.materialize([by_hour], instance=instance, tags=range_tags("000", "249"))
        finally:
            sqlalchemy.event.remove(sqlalchemy.engine.Engine, "commit", note)
        assert instance.get_materialized_partitions(by_hour.key) == set(hours.get_partition_keys())
    assert (len(commits) < 50) == (size == "100"), "a commit per file and hundred hours, not per hour"


def test_old_runs_leave_their_state_and_nothing_else(home: Path) -> None:
    hours = dg.StaticPartitionsDefinition(["00", "01"])

    @dg.asset(partitions_def=hours)
    def by_hour() -> None: ...

    @dg.asset_check(asset=something)
    def is_good() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    def run(instance: dg.DagsterInstance, hour: str) -> str:
        return dg.materialize([something, by_hour, is_good], instance=instance, partition_key=hour).run_id

    def set_age(days: float, *run_ids: str) -> None:
        for run_id in run_ids:
            then = time.time() - timedelta(days=days).total_seconds()
            os.utime(event_folder(home) / f"{run_id}.db", (then, then))

    with dg.DagsterInstance.get() as instance:
        old, recent = run(instance, "00"), run(instance, "01")
        (home / "storage" / old).mkdir(parents=True, exist_ok=True)
        set_age(15, old)
        set_age(13, recent)
        os.utime(event_folder(home) / "index.db", (0, 0))
        expected = types_of(instance, recent)
        assert forget_old_run_logs(instance, home) == [old]
        assert forget_old_run_logs(instance, home) == []
        assert not list(event_folder(home).glob(f"{old}*"))
        assert not (home / "storage" / old).exists()
        assert instance.get_materialized_partitions(by_hour.key) == {"00", "01"}
        assert instance.get_latest_materialization_event(something.key).run_id == recent
        with sqlite3.connect(event_folder(home) / "index.db") as index:
            left = index.execute("select dagster_event_type, partition from event_logs where run_id = ?", [old]).fetchall()
            executions = index.execute("select distinct run_id from asset_check_executions").fetchall()
        assert left == [("ASSET_MATERIALIZATION", "00")]
        assert executions == [(recent,)]
        assert types_of(instance, recent) == expected
        assert instance.get_run_by_id(old).status == dg.DagsterRunStatus.SUCCESS
        assert types_of(instance, old) == [], "to look at an old run is no error"
        assert run(instance, "00") != old


def test_a_clock_that_jumps_takes_no_log_from_a_run_at_work(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @dg.job
    def hourly() -> None: ...

    with dg.DagsterInstance.get() as instance:
        done, at_work = run_once(instance), instance.create_run_for_job(hourly).run_id
        for kind in (dg.DagsterEventType.RUN_STARTING, dg.DagsterEventType.RUN_START):
            instance.report_dagster_event(dg.DagsterEvent(kind.value, job_name="hourly"), at_work)
        now = time.time()
        monkeypatch.setattr("dagster_project.run_logs.time.time", lambda: now + timedelta(days=15).total_seconds())
        assert forget_old_run_logs(instance, home) == [done]
        assert types_of(instance, at_work) == ["PIPELINE_STARTING", "PIPELINE_START"]


def test_two_processes_may_forget_the_same_run(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with dg.DagsterInstance.get() as instance:
        run_id = run_once(instance)
        os.utime(event_folder(home) / f"{run_id}.db", (0, 0))
        monkeypatch.setattr(instance.event_log_storage, "get_all_run_ids", lambda: [run_id, "removed-a-moment-ago"])
        assert forget_old_run_logs(instance, home) == [run_id]
