"""Runs take turns across processes; a run whose process was killed gives its turn back and is reported as failed."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from dagster_project.turns import bury_dead_runs, is_alive, turn

HOLDER = """
import sys, time
from pathlib import Path
from dagster_project.turns import turn
with turn(Path(sys.argv[1]), sys.argv[2]):
    print("at work", flush=True)
    while not Path(sys.argv[3]).exists():
        time.sleep(0.05)
    Path(sys.argv[1], "order").open("a").write(sys.argv[2] + " ended\\n")
"""


def start(folder: Path, run_id: str, until: str = "never") -> subprocess.Popen:
    """A process that holds its turn until a file called `until` is there."""
    command = [sys.executable, "-c", HOLDER, str(folder), run_id, str(folder / until)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as made:
        yield made


def run_in_state(instance: dg.DagsterInstance, status: dg.DagsterRunStatus) -> str:
    @dg.job
    def hourly() -> None: ...

    run = instance.create_run_for_job(hourly)
    instance.add_run_tags(run.run_id, {})
    event = dg.DagsterEventType.RUN_START
    if status == dg.DagsterRunStatus.STARTED:
        instance.report_dagster_event(dg.DagsterEvent(event.value, job_name="hourly"), run.run_id)
    return run.run_id


def test_a_second_run_waits_until_the_first_has_ended_and_says_for_whom(tmp_path: Path) -> None:
    first = start(tmp_path, "first", until="go")
    assert first.stdout.readline() == "at work\n"
    second = start(tmp_path, "second", until="go")
    assert "waiting for run first" in second.stderr.readline()
    (tmp_path / "go").touch()
    assert [first.wait(120), second.wait(120)] == [0, 0]
    assert (tmp_path / "order").read_text() == "first ended\nsecond ended\n"


def test_a_killed_run_gives_its_turn_back_at_once(tmp_path: Path) -> None:
    killed = start(tmp_path, "killed")
    assert killed.stdout.readline() == "at work\n"
    assert is_alive(tmp_path, "killed")
    killed.kill()
    killed.wait()
    assert not is_alive(tmp_path, "killed")
    began = time.monotonic()
    with turn(tmp_path, "next"):
        assert time.monotonic() - began < 30
        assert is_alive(tmp_path, "next")
    assert not is_alive(tmp_path, "next")


def test_a_run_whose_process_died_is_reported_as_failed_a_living_one_is_not(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    dead, living = (run_in_state(instance, dg.DagsterRunStatus.STARTED) for _ in range(2))
    killed, at_work = start(tmp_path, dead), None
    killed.stdout.readline()
    killed.kill()
    killed.wait()
    at_work = start(tmp_path, living)
    at_work.stdout.readline()
    try:
        assert bury_dead_runs(instance, tmp_path) == [dead]
        assert instance.get_run_by_id(dead).status == dg.DagsterRunStatus.FAILURE
        assert instance.get_run_by_id(living).status == dg.DagsterRunStatus.STARTED
    finally:
        at_work.kill()
        at_work.wait()


def test_a_run_that_has_only_just_started_is_left_alone(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    run_id = run_in_state(instance, dg.DagsterRunStatus.STARTED)
    assert bury_dead_runs(instance, tmp_path) == []
    assert instance.get_run_by_id(run_id).status == dg.DagsterRunStatus.STARTED
