"""`python -m dagster_project run` on the real logs: what a person who clones the project does first."""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from dagster_project.assets.keys import DAY_RECONCILIATION
from dagster_project.build import build_definitions
from dagster_project.runner import RunFailedError, Span, execute, hour_span
from dagster_project.settings import Settings
from holders import holding_turn
from raw_loaders.dictionary import load_dictionary
from serving.places import serve_file

# whole runs: half a minute each on a quiet machine, some minutes on a busy one
pytestmark = pytest.mark.timeout(900)
STREAMS = sorted(load_dictionary().bot_streams)
RAW_TABLES = [f"raw.{stream}" for stream in STREAMS]
STAGING_TABLES = [f"staging.stg_{stream}" for stream in STREAMS]


@dataclass
class Ran:
    """A data folder after a run, and what the run printed."""

    landing: Path
    data: Path
    done: subprocess.CompletedProcess

    @property
    def settings(self) -> Settings:
        return Settings(landing=self.landing, data=self.data)


def run_command(repository: Path, landing: Path, data: Path, *arguments: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "LANDING": str(landing), "DATA": str(data)}
    command = [sys.executable, "-m", "dagster_project", "run", *arguments]
    return subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def ran(real_logs: Path, dbt_manifest: Path, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    data = tmp_path_factory.mktemp("real") / "data"
    done = run_command(repository, real_logs, data)
    assert done.returncode == 0, done.stdout + done.stderr
    return Ran(real_logs, data, done)


@pytest.fixture
def copied(ran: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ran]:
    """The same state in a folder of its own, to be spoilt; Dagster's home points there too."""
    data = tmp_path / "data"
    shutil.copytree(ran.data, data)
    monkeypatch.setenv("DAGSTER_HOME", str(data / "dagster_home"))
    monkeypatch.setenv("DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS", "true")
    yield Ran(ran.landing, data, ran.done)


def snapshot(warehouse: Path, tables: list[str]) -> dict[str, list[tuple]]:
    with duckdb.connect(str(warehouse), read_only=True) as con:
        con.execute("set TimeZone = 'UTC'")
        return {table: con.sql(f"select * from {table} order by source_file, line_no").fetchall() for table in tables}


def test_the_table_counts_every_line_of_all_63_files_as_accepted_and_staged(ran: Ran) -> None:
    total = next(line for line in ran.done.stdout.splitlines() if line.startswith("total")).split()
    assert total[1:] == ["63", "12,561", "12,561", "0", "0", "12,561"]
    for stream in STREAMS:
        assert re.search(rf"^{stream} ", ran.done.stdout, re.MULTILINE)
    assert "not loaded: 7 junk files" in ran.done.stdout


def test_the_last_lines_name_the_warehouse_and_three_commands(ran: Ran) -> None:
    tail = ran.done.stdout.rsplit("Warehouse: ", 1)[1].splitlines()
    assert tail[0] == str(ran.settings.warehouse)
    assert tail[1] == "Next:"
    assert len(tail) == 5


def test_raw_and_staging_hold_the_same_records(ran: Ran) -> None:
    with duckdb.connect(str(ran.settings.warehouse), read_only=True) as con:
        for raw, staged in zip(RAW_TABLES, STAGING_TABLES, strict=True):
            keys = [f"select source_file, line_no from {table}" for table in (raw, staged)]
            assert con.sql(f"({keys[0]}) except all ({keys[1]})").fetchall() == []
            assert con.sql(f"({keys[1]}) except all ({keys[0]})").fetchall() == []


def test_every_day_is_complete(ran: Ran) -> None:
    with duckdb.connect(str(ran.settings.warehouse), read_only=True) as con:
        found = con.sql(
            "select date_ist::varchar, sum(rows_staged)::int, bool_and(is_complete) from ops.day_reconciliation "
            "group by date_ist order by date_ist"
        ).fetchall()
    assert [day for day, _, _ in found] == ["2025-11-21", "2025-11-25", "2025-11-26"]
    assert sum(rows for _, rows, _ in found) == 12_561
    assert all(complete for *_, complete in found)


def test_the_hours_that_hold_rows_and_no_others_are_green_in_dagster(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(ran.settings.dagster_home))
    with duckdb.connect(str(ran.settings.warehouse), read_only=True) as con:
        con.execute("set TimeZone = 'Asia/Kolkata'")
        query = "select distinct strftime(date_trunc('hour', emitted_at), '%Y-%m-%d-%H:00') from raw.ensemble_log"
        hours = {row[0] for row in con.execute(query).fetchall()}
    with dg.DagsterInstance.get() as instance:
        green = instance.get_materialized_partitions(dg.AssetKey(["raw", "ensemble_log"]))
        staged = instance.get_latest_materialization_event(dg.AssetKey(["staging", "stg_ensemble_log"]))
        never_landed = instance.get_materialized_partitions(dg.AssetKey(["raw", "error"]))
    assert green == hours  # so not the hour that the run was for, in which nothing was emitted
    assert never_landed == set()
    assert staged.asset_materialization.metadata["dagster/row_count"].value == 530


def test_each_day_of_the_run_has_its_own_answer_in_dagster(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(ran.data / "dagster_home"))
    key = dg.AssetCheckKey(DAY_RECONCILIATION, "day_is_complete")
    with dg.DagsterInstance.get() as instance:
        found = instance.event_log_storage.get_asset_check_partition_info([key])
    answers = {info.partition_key: info.latest_execution_status.value for info in found}
    green = {day for day, status in answers.items() if status == "SUCCEEDED"}
    assert green == {"2025-11-21", "2025-11-25", "2025-11-26"}
    assert "FAILED" not in answers.values()


def test_a_second_run_reads_no_byte_and_changes_no_row(copied: Ran, repository: Path) -> None:
    tables = [*RAW_TABLES, *STAGING_TABLES]
    before = snapshot(copied.settings.warehouse, tables)
    done = run_command(repository, copied.landing, copied.data)
    assert done.returncode == 0, done.stderr
    assert "This run: 0 bytes read from 0 files" in done.stdout
    assert snapshot(copied.settings.warehouse, tables) == before


@pytest.mark.long
def test_a_range_of_hours_is_one_run_with_the_range_as_its_window(copied: Ran) -> None:
    defs = build_definitions(copied.settings)
    result = execute(copied.settings, defs, "hourly", Span("2025-11-21-12:00", "2025-11-21-14:00"))
    assert result.read["ensemble_log"]["window"] == "[2025-11-21 12:00, 2025-11-21 15:00) IST"
    with dg.DagsterInstance.get() as instance:
        green = instance.get_materialized_partitions(dg.AssetKey(["raw", "signals"]))
        # what the ledger says and not what was launched: in the two hours after noon nothing was written
        assert green & {"2025-11-21-12:00", "2025-11-21-13:00", "2025-11-21-14:00"} == {"2025-11-21-12:00"}
        assert len(instance.get_run_records(dg.RunsFilter(job_name="hourly"))) == 2  # the first run, and this range


def test_a_lost_raw_row_stops_the_publication_until_it_is_back_and_says_so(copied: Ran, ran: Ran, repository: Path) -> None:
    published = copied.settings.data / "published"
    versions, rows = sorted((published / "versions").iterdir()), (published / "serve.duckdb").read_bytes()
    with duckdb.connect(str(copied.settings.warehouse)) as con:
        con.execute("delete from raw.signals where line_no = 7")
    day = Span("2025-11-21", "2025-11-21")
    with pytest.raises(
        RunFailedError, match=r"^Not published, .* raw\.signals: lines_are_accepted_or_rejected failed and 1 more check "
    ):
        execute(copied.settings, build_definitions(copied.settings), "daily", day)
    # a tick looks at new rows only, which says nothing of those that were lost
    with pytest.raises(RunFailedError, match=r"^Not published, .* failed and .* and has not passed since; .* `make run`"):
        execute(copied.settings, build_definitions(copied.settings), "hourly", hour_span(copied.settings, None, None))
    assert (sorted((published / "versions").iterdir()), (published / "serve.duckdb").read_bytes()) == (versions, rows)
    with duckdb.connect(str(copied.settings.warehouse)) as con:
        con.execute(f"attach '{ran.settings.warehouse}' as whole (read_only)")
        con.execute("insert into raw.signals by name from whole.raw.signals where line_no = 7")
    done = run_command(repository, copied.landing, copied.data)  # looks at whole tables again, in its second job
    assert done.returncode == 0, done.stderr
    assert "daily job" in done.stderr
    assert len(list((published / "versions").iterdir())) == len(versions) + 1
    # how fresh the logs are is told all the same: these are of 2025, and were loaded a moment ago
    with duckdb.connect(str(copied.settings.warehouse), read_only=True) as con:
        told = con.sql(
            "select check_name, state from ops.check_results where asset = 'landing.ensemble_log' "
            "and run_id = (select arg_max(run_id, checked_at) from ops.check_results) order by check_name"
        ).fetchall()
    assert told == [("bots_are_heard_of", "warned"), ("loads_are_recent", "passed")]


def test_a_tick_after_the_marts_got_lost_publishes_all_of_them_again(copied: Ran) -> None:
    def published() -> dict[str, int]:
        with duckdb.connect(str(copied.settings.published / "serve.duckdb"), read_only=True) as con:
            return dict(con.sql("from marts.published_tables").fetchall())

    before = published()
    serve_file(copied.settings.warehouse).unlink()
    execute(copied.settings, build_definitions(copied.settings), "hourly", hour_span(copied.settings, None, None))
    assert published() == before
    with dg.DagsterInstance.get() as instance:
        made = instance.get_latest_materialization_event(dg.AssetKey(["marts", "mart_prediction_quality"]))
        (run,) = instance.get_run_records(limit=1)
    assert made.run_id == run.dagster_run.run_id


def test_another_landing_is_refused_in_one_sentence(copied: Ran, repository: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(copied.landing / "24h", other / "24h")
    done = run_command(repository, other, copied.data)
    assert done.returncode != 0
    assert done.stdout == ""
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert str(copied.landing) in error
    assert "Traceback" not in done.stderr


def test_a_missing_landing_and_an_unknown_partition_are_one_sentence_each(repository: Path, tmp_path: Path) -> None:
    for arguments, landing, sentence in (
        ((), "nowhere", "does not exist"),
        (("--partition", "soon"), ".", "soon is no partition"),
        (("--to", "2025-11-21"), ".", "--to needs --from"),
    ):
        done = run_command(repository, tmp_path / landing, tmp_path / "data", *arguments)
        assert done.returncode != 0
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr


def test_a_warehouse_that_is_none_is_refused_with_the_exit_code_of_the_loader(
    real_logs: Path, dbt_manifest: Path, repository: Path, tmp_path: Path
) -> None:
    (tmp_path / "warehouse.duckdb").write_bytes(b"no database" * 1000)
    done = run_command(repository, real_logs, tmp_path)
    assert done.returncode == 6
    assert "is no warehouse this release can open" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_warehouse_open_in_another_process_is_refused_with_its_name(
    copied: Ran, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCK_WAIT_S", "1")
    with duckdb.connect(str(copied.settings.warehouse)):
        done = run_command(repository, copied.landing, copied.data)
    assert done.returncode == 4
    assert f"(PID {os.getpid()})" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.long
def test_a_run_waits_for_who_has_the_turn_for_longer_than_for_a_lock(
    copied: Ran, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also before its first step, and when it asks the warehouse what there is to do."""
    monkeypatch.setenv("LOCK_WAIT_S", "1")
    with holding_turn(copied.settings, copied.settings.warehouse) as holder:
        ending = threading.Timer(15, holder.stdin.close)
        ending.start()
        done = run_command(repository, copied.landing, copied.data, "--tick")
        ending.join()
    assert done.returncode == 0, done.stderr
    assert "waiting for run holder-o" in done.stderr
