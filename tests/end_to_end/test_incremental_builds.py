"""Ticks: each build takes in what landed since the last one, leaves the rest alone, and equals a fresh build."""

import datetime as dt
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from arrivals import Arrivals
from raw_loaders.load import load_landing
from raw_tables import put
from serving.places import serve_file
from staged import build, copy_warehouse, differences, open_warehouse

EVERYTHING = ["--select", "*", "--resource-type", "seed", "--resource-type", "model"]
EXECUTIONS = "5m/logs/5m/execution_log/date=2025-11-25/asset=BTCUSDT/execution_log.jsonl.gz"
EQUITY = "5m/logs/5m/pnl_equity_log/date=2025-11-24/asset=BTCUSDT/pnl_equity_log.jsonl.gz"
DAY = dt.datetime(2025, 11, 21, tzinfo=dt.UTC)
IST = dt.timezone(dt.timedelta(hours=5, minutes=30))


def simulated(folder: Path, repository: Path, *arguments: str) -> Arrivals:
    command = [sys.executable, "-m", "raw_loaders.simulate", "--out", str(folder / "tree"), "--trading", "active", *arguments]
    subprocess.run(command, cwd=repository, check=True, capture_output=True)
    return Arrivals(folder / "tree", folder / "landing")


@pytest.fixture
def arrivals(tmp_path: Path, repository: Path) -> Arrivals:
    """Eight simulated days of one replica that restarts about once a day."""
    return simulated(tmp_path, repository, "--seed", "4", "--days", "8", "--runs", "1", "--third-party-fills", "60")


def tick(landing: Path, warehouse: Path, *arguments: str) -> None:
    load_landing(landing, warehouse)
    build(warehouse, *arguments, selection=EVERYTHING)


def planned(warehouse: Path) -> dict[str, int]:
    """Rows of each table of the plan: none when the last build has finished it."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        names = ("days", "context_days", "runs", "run_days", "record_days", "bars", "fill_days", "poll_days", "planned_loads")
        return {name: connection.execute(f"select count(*) from build.{name}").fetchone()[0] for name in names}


@pytest.mark.timeout(1200)
def test_ticks_with_late_lost_and_rewritten_files_equal_a_fresh_build(arrivals: Arrivals, tmp_path: Path) -> None:
    landing, warehouse = arrivals.landing, tmp_path / "warehouse.duckdb"
    arrivals.until(DAY + dt.timedelta(days=6, hours=10), without=[EXECUTIONS, EQUITY])
    tick(landing, warehouse)

    # an hour, and a file that comes days too late; the build of a part of the models does not end the plan
    arrivals.until(DAY + dt.timedelta(days=6, hours=11), without=[EQUITY])
    load_landing(landing, warehouse)
    build(warehouse, selection=["--select", "+fct_fills", "--resource-type", "seed", "--resource-type", "model"])
    assert planned(warehouse)["planned_loads"] == 1

    # all the rest, and the late file again with every third record gone
    arrivals.until(None)
    arrivals.rewrite(EXECUTIONS, keep_every=3)
    tick(landing, warehouse)
    assert set(planned(warehouse).values()) == {0}
    fresh = tmp_path / "fresh.duckdb"
    tick(landing, fresh)
    assert differences(warehouse, fresh) == {}


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_a_tick_touches_the_runs_of_its_hour_and_one_of_nothing_changes_nothing(arrivals: Arrivals, tmp_path: Path) -> None:
    landing, warehouse, fresh = arrivals.landing, tmp_path / "warehouse.duckdb", tmp_path / "fresh.duckdb"
    arrivals.until(DAY + dt.timedelta(days=6, hours=10))
    tick(landing, warehouse)

    marked = copy_warehouse(warehouse, tmp_path / "marked.duckdb")
    with duckdb.connect(str(serve_file(marked))) as connection:
        connection.execute("update marts.fct_decisions set code_version = 'untouched'")
        connection.execute("update marts.fct_cohort_fills set side_raw = side_raw || '!'")
    arrivals.until(DAY + dt.timedelta(days=6, hours=11))
    tick(landing, marked)
    assert_old_days_are_untouched(marked)

    tick(landing, warehouse)
    tick(landing, fresh)
    assert differences(warehouse, fresh) == {}

    # what is rebuilt though nothing landed, as the runs that may have ended, is read whole
    tick(landing, warehouse)
    assert differences(warehouse, fresh) == {}


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_a_tick_knows_the_replicas_of_a_bar_on_days_that_it_leaves_alone(tmp_path: Path, repository: Path) -> None:
    """A run that starts after midnight decides bars that others decided the day before."""
    arrivals = simulated(tmp_path, repository, "--seed", "3", "--days", "7")
    warehouse, fresh = tmp_path / "warehouse.duckdb", tmp_path / "fresh.duckdb"
    arrivals.until(DAY + dt.timedelta(days=6, hours=21))
    tick(arrivals.landing, warehouse)
    arrivals.until(DAY + dt.timedelta(days=6, hours=22))
    tick(arrivals.landing, warehouse)
    tick(arrivals.landing, fresh)
    assert differences(warehouse, fresh) == {}


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_a_record_after_a_gap_speaks_of_days_that_nothing_landed_of(tmp_path: Path, repository: Path) -> None:
    """One process lives from the 22nd to the 24th; of the evening of the 22nd and of all the 23rd nothing lands at first."""
    arrivals = simulated(tmp_path, repository, "--seed", "3", "--days", "4", "--runs", "1", "--third-party-fills", "20")
    landing, warehouse = arrivals.landing, tmp_path / "warehouse.duckdb"
    gap = dt.datetime(2025, 11, 22, 22, tzinfo=IST), dt.datetime(2025, 11, 24, 1, tzinfo=IST)
    arrivals.until(gap[0])
    tick(landing, warehouse)
    assert lost_by_day(warehouse) == {}

    land(arrivals, gap[1] + dt.timedelta(hours=1), without=gap)
    tick(landing, warehouse)
    assert lost_by_day(warehouse) == {"2025-11-22": 24, "2025-11-23": 288, "2025-11-24": 12}
    fresh = tmp_path / "fresh.duckdb"
    tick(landing, fresh)
    assert differences(warehouse, fresh) == {}

    # what was lost comes late: in files of its own, and in the middle of those that are not cut by day
    land(arrivals, gap[1] + dt.timedelta(hours=1))
    tick(landing, warehouse)
    assert lost_by_day(warehouse) == {}
    fresh = tmp_path / "fresh_whole.duckdb"
    tick(landing, fresh)
    assert differences(warehouse, fresh) == {}


def land(arrivals: Arrivals, end: dt.datetime, without: tuple[dt.datetime, dt.datetime] = (DAY, DAY)) -> None:
    """Write the landing as it would be at `end`, had nothing been written in the span `without`."""
    for path, records in arrivals.records.items():
        kept = [record for at, record in records if at < end and not without[0] <= at < without[1]]
        if kept:
            put(arrivals.landing, str(path.relative_to(arrivals.source)), b"".join(kept))


def lost_by_day(warehouse: Path) -> dict[str, int]:
    """IST day -> decisions of bot 5m that did not land."""
    with open_warehouse(warehouse) as connection:
        rows = connection.execute(
            """
            select date_ist::varchar, lost_decision_count
            from marts.mart_day_completeness where bot = '5m' and lost_decision_count > 0
            """
        ).fetchall()
    return dict(rows)


def assert_old_days_are_untouched(marked: Path) -> None:
    """The mark is still on every decision and fill of the first days, and on none of the hour that came."""
    with open_warehouse(marked) as connection:
        days = dict(
            connection.execute(
                "select decided_date_ist::varchar, bool_and(code_version = 'untouched') from marts.fct_decisions group by all"
            ).fetchall()
        )
        old_fills = connection.execute(
            "select bool_and(ends_with(side_raw, '!')) from marts.fct_cohort_fills where filled_at < timestamptz '2025-11-22'"
        ).fetchone()[0]
    assert days["2025-11-21"] and days["2025-11-22"] and not days["2025-11-27"]
    assert old_fills
