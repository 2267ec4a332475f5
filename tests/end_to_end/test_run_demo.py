"""`python -m dagster_project run` without a landing: the demo is made, loaded, and kept apart from real logs."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from dbt_project.marts_page import PAGE, marts, page
from staged import open_warehouse

# whole runs: half a minute each on a quiet machine, some minutes on a busy one
pytestmark = pytest.mark.timeout(900)
FILLS = "5m/logs/5m/hyperliquid_fills/*/*/hyperliquid_fills.jsonl.gz"


def run_command(repository: Path, data: Path) -> subprocess.CompletedProcess:
    environment = {**os.environ, "LANDING": "", "DATA": str(data)}
    command = [sys.executable, "-m", "dagster_project", "run"]
    return subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def data(dbt_manifest: Path, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "data"
    done = run_command(repository, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "stdout.txt").write_text(done.stdout)
    return folder


def test_the_table_says_what_the_simulator_wrote(data: Path) -> None:
    files = json.loads((data / "landing.manifest.json").read_text())["files"]
    lines, accepted = (sum(file[name] for file in files) for name in ("lines", "accepted"))
    total = next(line for line in (data / "stdout.txt").read_text().splitlines() if line.startswith("total")).split()
    assert [int(number.replace(",", "")) for number in total[1:]] == [
        len(files),
        lines,
        accepted,
        lines - accepted,
        0,
        accepted,
    ]


def test_every_file_and_staged_row_says_that_it_is_synthetic(data: Path) -> None:
    with duckdb.connect(str(data / "warehouse.duckdb"), read_only=True) as con:
        assert con.sql("select bool_and(is_synthetic) from raw.files").fetchone() == (True,)
        assert con.sql("select bool_and(is_synthetic) from staging.stg_signals").fetchone() == (True,)


@pytest.mark.parametrize("seed", [0.1, 0.2])
def test_the_page_of_the_marts_shows_what_its_queries_give_in_whatever_order_the_rows_lie(data: Path, seed: float) -> None:
    with open_warehouse(data / "warehouse.duckdb") as connection:
        connection.execute("select setseed(?)", [seed])
        for mart in marts():
            connection.execute(f"create temp table shuffled as from marts.{mart.name} order by random()")
            connection.execute(f"drop view marts.{mart.name}")
            connection.execute(f"create table marts.{mart.name} as from shuffled")
            connection.execute("drop table shuffled")
        assert page(connection) == PAGE.read_text(), "run `python -m dbt_project.marts_page`"


def test_keys_of_the_page_of_the_marts_are_keys_of_the_tables(data: Path) -> None:
    with open_warehouse(data / "warehouse.duckdb") as connection:
        for mart in marts():
            key = ", ".join(mart.key)
            rows, keys = connection.execute(
                f"select count(*), (select count(*) from (select distinct {key} from marts.{mart.name})) from marts.{mart.name}"
            ).fetchone()
            assert rows == keys, mart.name


@pytest.mark.long
def test_a_grown_file_is_read_on_from_its_old_end_and_nothing_else_is_read(data: Path, repository: Path) -> None:
    grown = sorted((data / "landing").glob(FILLS))[-1]
    last = gzip.decompress(grown.read_bytes()).splitlines()[-1]
    member = gzip.compress(last + b"\n", mtime=0)
    with grown.open("ab") as file:
        file.write(member)
    done = run_command(repository, data)
    assert done.returncode == 0, done.stderr
    assert "from 1 files" in done.stdout
    with duckdb.connect(str(data / "warehouse.duckdb"), read_only=True) as con:
        mode, lines = con.sql("select mode, lines from raw.loads order by started_at desc limit 1").fetchone()
        staged = con.sql("select count(*) from staging.stg_hyperliquid_fills").fetchone()
        raw = con.sql("select count(*) from raw.hyperliquid_fills").fetchone()
    assert (mode, lines) == ("grown", 1)
    assert staged == raw
