"""The event log that keeps its files open writes what Dagster's own writes, and lets go of files that are deleted."""

from pathlib import Path

import dagster as dg
import pytest

from dagster_project.instance import CONFIG
from dagster_project.quick_storage import QuickEventLogStorage, event_folder


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
