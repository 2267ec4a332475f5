"""Whoever writes to the warehouse takes the one turn, by hand or in a run; a warehouse that was moved away is never made anew."""

import contextlib
import datetime as dt
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from contract_marts import make_marts
from dagster_project import cli, dbt_command
from dagster_project.build import build_definitions
from dagster_project.dbt_command import run_dbt
from dagster_project.instance import prepare_home
from dagster_project.resources import warehouse_resource
from dagster_project.runner import RunFailedError, RunResult, Span, execute
from dagster_project.settings import Settings
from exports.archive.files import delete_landing_files
from exports.archive.run import Destinations, archive, verify
from holders import holding_turn, stranger
from raw_loaders.errors import LoaderError, WarehouseLockedError
from raw_loaders.load import load_landing
from raw_tables import FILLS, fill, line, member, put
from serving.places import serve_file

pytestmark = pytest.mark.timeout(600)
DAY = Span("2025-11-21", "2025-11-21")
BIN = Path(sys.executable).parent
COMMANDS = {
    "load": ["-m", "raw_loaders", "load", "--landing", "{landing}", "--warehouse", "{warehouse}"],
    "status": ["-m", "raw_loaders", "status", "--warehouse", "{warehouse}"],
    "archive run": [str(BIN / "bandit-warehouse"), "--data", "{data}", "archive", "run"],
    "archive verify": [str(BIN / "bandit-warehouse"), "--data", "{data}", "archive", "verify"],
    "archive status": [str(BIN / "bandit-warehouse"), "--data", "{data}", "archive", "status"],
    "publish": ["-m", "dagster_project", "publish"],
    "prepare": ["-m", "dagster_project", "prepare"],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, dbt_manifest: Path) -> Settings:
    """A landing with a few records, loaded; marts beside the warehouse, and published ones."""
    folder = tmp_path_factory.mktemp("made")
    made = Settings(landing=folder / "landing", data=folder / "data", lock_wait_s=1)
    put(made.landing, FILLS, b"".join(member(line(fill(i))) for i in range(3)))
    load_landing(made.landing, made.warehouse)
    moment = dt.datetime(2025, 11, 21, 6, tzinfo=dt.UTC)
    health = {"bot": "5m", "bucket_start_at": moment, "bucket_end_at": moment + dt.timedelta(minutes=5), "as_of_at": moment}
    decision = {"decision_id": "d", "bot": "5m", "bar_open_at": moment, "decided_at": moment, "decided_date_ist": moment.date()}
    made.published.mkdir()
    marts = make_marts(
        made.published / "serve.duckdb", {"fct_decisions": [decision | {"final_side": "BUY"}], "mart_health_5m": [health]}
    )
    shutil.copyfile(marts, serve_file(made.warehouse))
    return made


@pytest.fixture
def settings(made: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A copy of what was made of the landing, for one test."""
    copy = replace(made, data=tmp_path / "data")
    shutil.copytree(made.data, copy.data)
    monkeypatch.setenv("DAGSTER_HOME", str(copy.dagster_home))
    return copy


@pytest.fixture
def moved(settings: Settings) -> Settings:
    """The same after its warehouse was moved away."""
    put(settings.published, "versions/1.duckdb", b"version")
    settings.warehouse.rename(settings.data / "elsewhere.duckdb")
    prepare_home(settings)
    return settings


@contextlib.contextmanager
def started(settings: Settings, arguments: list[str]) -> Iterator[subprocess.Popen]:
    places = {"landing": settings.landing, "warehouse": settings.warehouse, "data": settings.data}
    command = [sys.executable, *(argument.format(**places) for argument in arguments)]
    environment = os.environ | {"LANDING": str(settings.landing), "DATA": str(settings.data), "LOCK_WAIT_S": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_by_hand_waits_for_the_run_at_work_and_says_so(settings: Settings, name: str) -> None:
    """The run has the warehouse open for longer than anybody waits for a lock."""
    with (
        holding_turn(settings, settings.warehouse, serve_file(settings.warehouse)) as holder,
        started(settings, COMMANDS[name]) as command,
    ):
        assert "waiting for run holder-o" in command.stderr.readline()
        time.sleep(1.5)
        assert command.poll() is None
        holder.stdin.close()
        out, err = command.communicate(timeout=120)
        assert command.returncode == 0, out + err


def test_a_run_waits_for_a_load_by_hand_and_a_killed_one_gives_its_turn_back(settings: Settings) -> None:
    code = (
        "import sys, time; from pathlib import Path; import raw_loaders.cli as cli\n"
        "cli.load_landing = lambda *_, **__: (print('loading', flush=True), time.sleep(600))\n"
        "cli.main(['load', '--landing', sys.argv[1], '--warehouse', sys.argv[2]])\n"
    )
    with (
        started(settings, ["-c", code, "{landing}", "{warehouse}"]) as load,
        started(settings, COMMANDS["prepare"]) as run,
    ):
        assert load.stdout.readline() == "loading\n"
        assert f"waiting for `python -m raw_loaders load` (PID {load.pid})" in run.stderr.readline()
        load.kill()
        _, err = run.communicate(timeout=60)
        assert run.returncode == 0, err


def test_a_demo_is_not_set_aside_under_a_run_at_work(settings: Settings, tmp_path: Path) -> None:
    """Between two steps the run has no file open: the turn alone keeps others away."""
    with duckdb.connect(str(settings.warehouse)) as con:
        con.execute("update raw.meta set value = 'true' where key = 'is_synthetic'")
    with holding_turn(settings) as holder, started(settings, COMMANDS["prepare"]) as command:
        assert "waiting for run holder-o" in command.stderr.readline()
        assert settings.warehouse.is_file()
        holder.stdin.close()
        assert "set aside as" in command.communicate(timeout=60)[1]
    assert not settings.warehouse.exists()


def test_a_run_that_is_done_stays_done_when_its_table_cannot_be_shown(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    with stranger(settings.warehouse) as other:
        cli._print_summary(replace(settings, lock_wait_s=0.1), RunResult("run", published={"version": "7", "newest_event": "x"}))
    said = capsys.readouterr().out
    assert "The run is done" in said and f"(PID {other.pid})" in said and "Published: version 7" in said


def test_the_exports_are_one_turn(settings: Settings, capfd: pytest.CaptureFixture[str]) -> None:
    """A run that works in its turn says that it is alive, which keeps it from being taken for dead after two minutes."""
    prepare_home(settings)
    defs = build_definitions(settings)
    with holding_turn(settings) as holder:
        subprocess.Popen(["sh", "-c", f"sleep 3; kill {holder.pid}"])
        began = time.monotonic()
        execute(settings, defs, "exports", DAY)
        assert time.monotonic() - began > 2
    assert "waiting for run holder-o" in capfd.readouterr().err


@pytest.mark.parametrize("job", ["daily", "exports"])
def test_no_job_but_the_loader_makes_a_warehouse(moved: Settings, job: str) -> None:
    before = sorted(path.name for path in moved.data.iterdir() if path.suffix == ".duckdb")
    with pytest.raises(RunFailedError) as raised:
        execute(moved, build_definitions(moved), job, DAY)
    assert f"The warehouse {moved.warehouse} is gone: put it back" in str(raised.value)
    assert "\n" not in str(raised.value) and raised.value.exit_code == 2
    assert sorted(path.name for path in moved.data.iterdir() if path.suffix == ".duckdb") == before


@pytest.mark.parametrize("step", ["archive", "verify", "delete"])
def test_no_step_of_the_archive_makes_a_warehouse(moved: Settings, step: str) -> None:
    warm, cold = str(moved.data / "warm"), str(moved.data / "cold")
    steps = {
        "archive": lambda: archive(moved.warehouse, Destinations(warm, cold)),
        "verify": lambda: verify(moved.warehouse, Destinations(warm, cold)),
        "delete": lambda: delete_landing_files(moved.warehouse, warm, cold, [FILLS]),
    }
    with pytest.raises(LoaderError, match="is gone: put it back"):
        steps[step]()
    assert not moved.warehouse.exists()


@pytest.mark.parametrize("name", ["archive run", "archive verify", "publish"])
def test_no_command_by_hand_makes_a_warehouse(moved: Settings, name: str) -> None:
    with started(moved, COMMANDS[name]) as command:
        _, err = command.communicate(timeout=60)
    assert command.returncode == 2 and err.count("\n") == 1 and "is gone: put it back" in err
    assert not moved.warehouse.exists()


def test_dbt_makes_no_warehouse(moved: Settings) -> None:
    with pytest.raises(dg.Failure, match="is gone: put it back"):
        run_dbt(moved, ["build", "--select", "dim_days"], lambda: None)
    assert not moved.warehouse.exists()


def test_a_stranger_in_the_file_of_the_marts_is_named_with_that_file(settings: Settings) -> None:
    marts = serve_file(settings.warehouse)
    with stranger(marts) as other:
        named = pytest.raises(WarehouseLockedError, match=f"{marts} is open in .*PID {other.pid}")
        with named, warehouse_resource(settings).connect():
            pass


def test_a_lock_within_a_step_is_the_sentence_and_the_exit_code_of_a_lock(settings: Settings) -> None:
    prepare_home(settings)
    with stranger(settings.warehouse) as other, pytest.raises(RunFailedError) as raised:
        execute(settings, build_definitions(settings), "daily", DAY)
    assert str(raised.value).startswith(f"The warehouse {settings.warehouse} is open in ")
    assert f"(PID {other.pid})" in str(raised.value) and raised.value.exit_code == 4


@pytest.mark.parametrize("is_quicker", [False, True])
@pytest.mark.parametrize("which", ["warehouse", "marts"])
def test_dbt_waits_for_a_stranger_as_long_as_it_is_told(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, which: str, is_quicker: bool
) -> None:
    """Also for one that opens a file after we have looked and before dbt does."""
    file = settings.warehouse if which == "warehouse" else serve_file(settings.warehouse)
    if is_quicker:
        monkeypatch.setattr(dbt_command, "wait_until_free", lambda *_: None)
    began = time.monotonic()
    with stranger(file) as other, pytest.raises(dg.Failure) as raised:
        run_dbt(settings, ["build", "--select", "dim_days"], lambda: None)
    assert f"The warehouse {file} is open in " in raised.value.description
    assert f"(PID {other.pid})" in raised.value.description
    assert raised.value.metadata["exit_code"].value == 4
    assert time.monotonic() - began < 45


def test_dbt_that_does_not_begin_is_one_line_with_the_file_that_has_the_rest(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dbt_command, "wait_until_free", lambda *_: None, raising=False)
    settings.warehouse.write_bytes(b"no database" * 1000)
    with pytest.raises(dg.Failure) as raised:
        run_dbt(settings, ["build", "--select", "dim_days"], lambda: None)
    said = raised.value.description
    assert "\n" not in said and "not a valid DuckDB database file" in said
    output = settings.data / "dbt_target" / "output.log"
    assert str(output) in said and "not a valid DuckDB database file" in output.read_text()
