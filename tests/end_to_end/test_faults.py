"""Faults that a tick must survive, made for real: processes killed, started together, broken dbt, files that change.

After each of them the next tick works, no row is lost or doubled, every table equals a fresh build of the same files, and
what analysts read was whole all the time.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

import dagster as dg
import duckdb
import pytest

from dagster_project.turns import GRACE_S
from raw_loaders.dictionary import load_dictionary
from raw_loaders.errors import is_lock_conflict
from raw_tables import assert_reconciled
from staged import REPOSITORY, differences

pytestmark = pytest.mark.timeout(3600)
# the command line with another dbt project than ours
DRIVER = """
import os, sys
from dataclasses import replace
from pathlib import Path
from dagster_project import cli
from dagster_project.settings import Settings
known = Settings.from_env
Settings.from_env = classmethod(lambda cls: replace(known(), dbt_project=Path(os.environ["DBT_PROJECT"])))
sys.exit(cli.main(sys.argv[1:]))
"""


# a shared library that is loaded before all others and moves the wall clock of a process; its other clocks stay
CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
static long shift(void) { const char *s = getenv("CLOCK_SHIFT_S"); return s ? atol(s) : 0; }
int clock_gettime(clockid_t id, struct timespec *t) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *)) dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(id, t);
    if (!failed && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) t->tv_sec += shift();
    return failed;
}
int gettimeofday(struct timeval *t, void *zone) {
    struct timespec now;
    int failed = clock_gettime(CLOCK_REALTIME, &now);
    t->tv_sec = now.tv_sec;
    t->tv_usec = now.tv_nsec / 1000;
    return failed;
}
time_t time(time_t *t) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (t) *t = now.tv_sec;
    return now.tv_sec;
}
"""
BACKFILL = ("--from", "2025-11-19", "--to", "2025-11-23")


class House:
    """A data folder and a landing, with the commands that work on them as processes of their own."""

    def __init__(self, folder: Path, project: Path) -> None:
        self.data, self.landing, self.project = folder / "data", folder / "landing", project
        self.environment: dict[str, str] = {}
        self._said: dict[int, tuple[IO[str], IO[str]]] = {}

    @property
    def warehouse(self) -> Path:
        """The working file."""
        return self.data / "warehouse.duckdb"

    @property
    def published(self) -> Path:
        """What analysts open."""
        return self.data / "published" / "serve.duckdb"

    def start(self, *arguments: str, project: Path | None = None) -> subprocess.Popen:
        """Start `python -m dagster_project run`; what it says goes into files, which never fill up and hold it."""
        environment = (
            os.environ
            | self.environment
            | {
                "DATA": str(self.data),
                "LANDING": str(self.landing),
                "DBT_PROJECT": str(project or self.project),
            }
        )
        out, err = (tempfile.TemporaryFile("w+") for _ in range(2))  # noqa: SIM115 -- the process is done with them later
        process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, "run", *arguments], cwd=REPOSITORY, env=environment, stdout=out, stderr=err, text=True
        )
        self._said[process.pid] = out, err
        return process

    def ended(self, process: subprocess.Popen) -> subprocess.CompletedProcess:
        """Wait for a process; what became of it and what it said."""
        process.wait()
        said = []
        for file in self._said.pop(process.pid):
            file.seek(0)
            said.append(file.read())
            file.close()
        return subprocess.CompletedProcess(process.args, process.returncode, *said)

    def run(self, *arguments: str, project: Path | None = None) -> subprocess.CompletedProcess:
        """The same, waited for."""
        return self.ended(self.start(*arguments, project=project))

    def tick(self, project: Path | None = None) -> subprocess.CompletedProcess:
        """What the hourly schedule runs."""
        return self.run("--tick", project=project)

    def killed(self, after_s: float, *arguments: str) -> bool:
        """Start a run and kill -9 it after `after_s` seconds. True when it died of that; one done before must be fine."""
        process = self.start(*arguments)
        try:
            process.wait(after_s)
        except subprocess.TimeoutExpired:
            process.kill()
        done = self.ended(process)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return done.returncode == -signal.SIGKILL

    def published_rows(self) -> dict[str, int]:
        """Rows of each published mart, as the version itself says and as they are; fails when the two differ."""
        with duckdb.connect(str(self.published), read_only=True) as con:
            said = dict(con.sql("from marts.published_tables").fetchall())
            held = {name: con.sql(f'select count(*) from marts."{name}"').fetchone()[0] for name in said}
        assert said == held
        return held

    def open_runs(self) -> list[str]:
        """Runs that Dagster still takes to be at work."""
        os.environ["DAGSTER_HOME"] = str(self.data / "dagster_home")
        with dg.DagsterInstance.get() as instance:
            statuses = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING]
            return [run.run_id for run in instance.get_runs(filters=dg.RunsFilter(statuses=statuses))]


def assert_nothing_lost(house: House) -> None:
    """What must hold at every moment, also between two steps of a run: the ledger adds up, readers open a whole version."""
    deadline = time.monotonic() + 30
    while (
        True
    ):  # the dbt of a killed run dies a moment after it; to look writes nothing, the next run finds what the dead one left
        try:
            duckdb.connect(str(house.warehouse), read_only=True).close()
            break
        except duckdb.IOException as error:
            if not is_lock_conflict(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    assert_reconciled(house.warehouse)  # what a file brought lies in the raw tables, each line of it once
    with duckdb.connect(str(house.warehouse), read_only=True) as con:
        for stream in load_dictionary().streams:
            rows, keys = con.sql(f'select count(*), count(distinct (source_file, line_no)) from raw."{stream}"').fetchone()
            assert rows == keys, stream
    house.published_rows()


def assert_sound(house: House, fresh: House) -> None:
    """The next run works, and after it the tables equal a fresh build, the ledger adds up, what is published is whole."""
    done = house.run()
    assert done.returncode == 0, done.stderr
    assert differences(house.warehouse, fresh.warehouse) == {}
    assert_reconciled(house.warehouse)
    house.published_rows()
    assert house.open_runs() == []


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A landing of one simulated day."""
    landing = tmp_path_factory.mktemp("whole") / "landing"
    options = ["--seed", "5", "--days", "1", "--trading", "active", "--fills", "60", "--third-party-fills", "60"]
    command = [sys.executable, "-m", "raw_loaders.simulate", "--out", str(landing), *options]
    subprocess.run(command, check=True, capture_output=True)
    return landing


def parsed(project: Path) -> Path:
    """Write the manifest of a dbt project, as `make setup` does."""
    command = [str(Path(sys.executable).parent / "dbt"), "--quiet", "parse", "--profiles-dir", ".", "--project-dir", "."]
    subprocess.run(command, cwd=project, env=os.environ | {"WAREHOUSE_PATH": "warehouse.duckdb"}, check=True)
    (project / "target" / "manifest.json").touch()
    return project


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the dbt project: nobody edits it while these long tests run."""
    copy = tmp_path_factory.mktemp("project") / "dbt_project"
    shutil.copytree(REPOSITORY / "dbt_project", copy, ignore=shutil.ignore_patterns("target", "logs"))
    return parsed(copy)


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


def moved_clock(folder: Path) -> Path:
    """Build the library that moves the wall clock of a process by CLOCK_SHIFT_S seconds; skips where there is no compiler."""
    if sys.platform != "linux" or (compiler := shutil.which("cc")) is None:
        pytest.skip("needs Linux and a C compiler (cc) to move the clock of a process")
    (folder / "clock.c").write_text(CLOCK)
    built = folder / "clock.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(built), str(folder / "clock.c"), "-ldl"], check=True)
    return built


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
    broken = tmp_path / "dbt_project"
    shutil.copytree(house.project, broken, ignore=shutil.ignore_patterns("target", "logs"))
    model = next(broken.rglob("fct_decisions.sql"))
    model.write_text(model.read_text().replace("\norder by", "\nwhere error('broken on purpose') is null\norder by"))
    parsed(broken)
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
