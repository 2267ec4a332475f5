"""Faults that a tick must survive, made for real: processes killed, started together, broken dbt, files that change.

After each of them the next tick works, no row is lost or doubled, every table equals a fresh build of the same files, and
what analysts read was whole all the time.
"""

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from dagster_project.turns import GRACE_S
from dbt_commands import PROJECT, parse
from house import House, assert_nothing_lost, assert_sound, copied
from moved_clock import moved_clock

pytestmark = pytest.mark.timeout(3600)
BACKFILL = ("--from", "2025-11-19", "--to", "2025-11-23")


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A landing of one simulated day."""
    landing = tmp_path_factory.mktemp("whole") / "landing"
    options = ["--seed", "5", "--days", "1", "--trading", "active", "--fills", "60", "--third-party-fills", "60"]
    command = [sys.executable, "-m", "raw_loaders.simulate", "--out", str(landing), *options]
    subprocess.run(command, check=True, capture_output=True)
    return landing


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the dbt project: nobody edits it while these long tests run."""
    return parse(copied(PROJECT, tmp_path_factory.mktemp("project")))


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory, whole: Path, project: Path) -> House:
    """A fresh build of all that lands."""
    made = House(tmp_path_factory.mktemp("fresh"), project)
    shutil.copytree(whole, made.landing)
    done = made.run()
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture(scope="session")
def half(tmp_path_factory: pytest.TempPathFactory, whole: Path, project: Path) -> tuple[House, Path, float]:
    """A house after its first tick, over a landing with half of each file; a copy of it; seconds that tick took."""
    folder = tmp_path_factory.mktemp("half")
    made = House(folder / "house", project)
    for file in sorted(file for file in whole.rglob("*") if file.is_file()):
        arrive(made, whole, file, 0.5)
    began = time.monotonic()
    done = made.tick()
    assert done.returncode == 0, done.stderr
    length_s = time.monotonic() - began
    shutil.copytree(folder / "house", folder / "copy")
    return made, folder / "copy", length_s


@pytest.fixture
def house(half: tuple[House, Path, float]) -> House:
    """That house as it was after its first tick; a warehouse belongs to the folder of its landing, so each test has the same."""
    made, copy, _ = half
    made.environment.clear()
    shutil.rmtree(made.data.parent)
    shutil.copytree(copy, made.data.parent)
    return made


def arrive(house: House, whole: Path, file: Path, share: float) -> Path:
    """Let so much of a file of `whole` have landed."""
    target = house.landing / file.relative_to(whole)
    target.parent.mkdir(parents=True, exist_ok=True)
    data = file.read_bytes()
    is_log = ".jsonl" in file.name
    target.write_bytes(data[: max(1, int(len(data) * share))] if is_log else data)
    return target


def logs(whole: Path) -> list[Path]:
    return sorted(file for file in whole.rglob("*.jsonl*") if file.is_file())


@pytest.fixture(scope="session")
def backfill_s(half: tuple[House, Path, float], tmp_path_factory: pytest.TempPathFactory, whole: Path) -> float:
    """Seconds that a backfill takes over all that lands."""
    made, copy, _ = half
    shutil.rmtree(made.data.parent)
    shutil.copytree(copy, made.data.parent)
    shutil.copytree(whole, made.landing, dirs_exist_ok=True)
    began = time.monotonic()
    done = made.run(*BACKFILL)
    assert done.returncode == 0, done.stderr
    return time.monotonic() - began


def disturb(house: House, whole: Path, rng: random.Random) -> None:
    """Let a file grow, another be cut, a third be replaced and a fourth be deleted."""
    grown, cut, replaced, gone = rng.sample(logs(whole), 4)
    arrive(house, whole, grown, rng.uniform(0.5, 1))
    arrive(house, whole, cut, rng.uniform(0.1, 0.5))
    shutil.copy(arrive(house, whole, replaced, 0.7), house.landing / "copy")
    (house.landing / "copy").replace(house.landing / replaced.relative_to(whole))
    (house.landing / gone.relative_to(whole)).unlink(missing_ok=True)


def kill_often(house: House, whole: Path, seed: int, kills: int, length_s: float, *arguments: str) -> None:
    """Kill a run at `kills` random moments of the `length_s` seconds that it takes, among files that change. After each of them
    nothing is lost and readers read on."""
    rng = random.Random(seed)
    died = 0
    for _ in range(2 * kills):
        disturb(house, whole, rng)
        died += house.killed(rng.uniform(0, length_s), *arguments)
        assert_nothing_lost(house)
        if died == kills:
            return
    pytest.fail(f"of {2 * kills} runs only {died} died: the moments lie behind their end")


# Together 52 moments in the long suite; each test ends with the next run just working, and a comparison with a fresh build.
@pytest.mark.long
@pytest.mark.timeout(5400)
@pytest.mark.parametrize("seed", [11, 12, 13, 14])
def test_kill_9_at_random_moments_of_a_tick(
    house: House, half: tuple[House, Path, float], fresh: House, whole: Path, seed: int
) -> None:
    kill_often(house, whole, seed, 10, half[2], "--tick")
    shutil.copytree(whole, house.landing, dirs_exist_ok=True)
    assert_sound(house, fresh)


@pytest.mark.long
@pytest.mark.timeout(5400)
@pytest.mark.parametrize("seed", [21, 22])
def test_kill_9_at_random_moments_of_a_backfill(backfill_s: float, house: House, fresh: House, whole: Path, seed: int) -> None:
    kill_often(house, whole, seed, 6, backfill_s, *BACKFILL)
    shutil.copytree(whole, house.landing, dirs_exist_ok=True)
    again = house.run(*BACKFILL)
    assert again.returncode == 0, again.stderr
    assert_sound(house, fresh)


@pytest.mark.long
def test_ticks_under_a_clock_that_jumps(house: House, fresh: House, whole: Path, tmp_path: Path) -> None:
    """Three hours back, three weeks ahead, right again, each time with changed files; Python, DuckDB and dbt all see it."""
    house.environment["LD_PRELOAD"] = str(moved_clock(tmp_path))
    for shift_h in (-3, 21 * 24, 0):
        house.environment["CLOCK_SHIFT_S"] = str(shift_h * 3600)
        disturb(house, whole, random.Random(shift_h))
        done = house.tick()
        assert done.returncode == 0, done.stderr
        assert_nothing_lost(house)
    with duckdb.connect(str(house.warehouse), read_only=True) as con:
        (span_h,) = con.sql("select date_diff('hour', min(finished_at), max(finished_at)) from raw.loads").fetchone()
    assert span_h > 20 * 24, "the clock did not move"
    shutil.copytree(whole, house.landing, dirs_exist_ok=True)
    assert_sound(house, fresh)


@pytest.mark.long
def test_the_same_hour_twice_at_once_takes_turns(house: House, fresh: House, whole: Path) -> None:
    shutil.copytree(whole, house.landing, dirs_exist_ok=True)
    both = [house.start("--partition", "2025-11-21-14:00") for _ in range(2)]
    ended = [house.ended(process) for process in both]
    said = [done.stderr for done in ended]
    assert [done.returncode for done in ended] == [0, 0], said
    assert any("waiting for run" in err for err in said)
    assert_sound(house, fresh)


@pytest.mark.long
def test_hourly_daily_and_a_month_of_backfill_started_together_take_turns(house: House, fresh: House, whole: Path) -> None:
    shutil.copytree(whole, house.landing, dirs_exist_ok=True)
    started = [
        house.start("--tick"),
        house.start("--partition", "2025-11-21"),
        house.start("--from", "2025-11-01", "--to", "2025-11-30"),
    ]
    ended = [house.ended(process) for process in started]
    assert [done.returncode for done in ended] == [0, 0, 0], [done.stderr for done in ended]
    assert_sound(house, fresh)


@pytest.mark.long
def test_dbt_that_breaks_in_the_middle_leaves_the_last_good_version(
    house: House, fresh: House, whole: Path, tmp_path: Path
) -> None:
    before = house.published_rows()
    broken = copied(house.project, tmp_path)
    model = next(broken.rglob("fct_decisions.sql"))
    model.write_text(model.read_text().replace("\norder by", "\nwhere error('broken on purpose') is null\norder by"))
    parse(broken)
    shutil.copytree(whole, house.landing, dirs_exist_ok=True)
    failed = house.tick(project=broken)
    assert failed.returncode == 8
    (sentence,) = [text for text in failed.stderr.splitlines() if text.startswith("error: ")]
    assert "dbt could not build fct_decisions" in sentence
    assert house.published_rows() == before
    assert_sound(house, fresh)


@pytest.mark.long
@pytest.mark.parametrize("free_mb", [1, 12, 40])
def test_a_disk_that_fills_up_in_a_tick_leaves_the_last_good_version(
    house: House, fresh: House, whole: Path, tmp_path: Path, free_mb: int
) -> None:
    aside = tmp_path / "aside"
    shutil.move(house.data, aside)
    house.data.mkdir()
    size = sum(file.stat().st_blocks * 512 for file in aside.rglob("*")) + free_mb * 1_000_000
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(house.data)]
    mounted = subprocess.run(command, check=False, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"a disk that fills up was NOT tested: this needs the right to mount a tmpfs ({mounted.stderr.strip()})")
    try:
        shutil.copytree(aside, house.data, dirs_exist_ok=True)
        before = house.published_rows()
        shutil.copytree(whole, house.landing, dirs_exist_ok=True)
        failed = house.tick()
        assert failed.returncode != 0
        assert any(text.startswith("error: ") for text in failed.stderr.splitlines()), failed.stderr
        assert "Traceback" not in failed.stderr
        assert house.published_rows() == before
        subprocess.run(["mount", "-o", "remount,size=4g", str(house.data)], check=True)
        # Dagster could not write either that the run is over: a run is taken for dead two minutes after its last sign of life
        time.sleep(GRACE_S)
        assert_sound(house, fresh)
    finally:
        subprocess.run(["umount", str(house.data)], check=True)
