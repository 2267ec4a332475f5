"""A simulated landing with its warehouse, of which hour after hour arrives and is taken in by a whole tick."""

import os
import statistics
import subprocess
import time
from pathlib import Path

from benchmarks.history import History
from benchmarks.process import REPOSITORY, python
from serving import publish

# an hour in the middle of an IST day: the first tick of a day also closes the day before it
HELD_BACK_HOURS = 8
KEPT_VERSIONS = 5


class Site:
    """A landing with its warehouse, and Dagster's home, in `folder`. `hours` of its `days` have not arrived yet; each bot runs
    as so many `replicas`. With `end_of`, it is the last days of that landing, of which nothing is held back yet."""

    def __init__(
        self, folder: Path, days: int, hours: int = HELD_BACK_HOURS, replicas: int = 3, end_of: "Site | None" = None
    ) -> None:
        self.folder = folder
        self.history = History(folder, days, hours, replicas, end_of and end_of.history)
        self.walls: list[float] = []
        self.full_s = 0.0

    def prepare(self) -> None:
        """Load, build and show the history as years of ticks would have left it: every hour of it told to Dagster, and versions
        enough that one is written over an old one, as it is from then on."""
        self.history.hold_back()
        self.full_s = self._run()
        self._run("--all")
        for _ in range(KEPT_VERSIONS + 1):
            publish(self.folder / "data" / "warehouse.duckdb", self.published, keep=KEPT_VERSIONS)

    def tick(self) -> float:
        """Let an hour arrive and run what the schedule runs. Returns wall-clock seconds."""
        self.history.arrive()
        self.walls.append(self._run("--tick"))
        return self.walls[-1]

    def _run(self, *arguments: str) -> float:
        data = self.folder / "data"
        environment = os.environ | {
            "LANDING": str(self.history.landing), "DATA": str(data), "DAGSTER_HOME": str(data / "dagster_home"),
            "WAREHOUSE_PATH": str(data / "warehouse.duckdb"), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        }  # fmt: skip
        began = time.perf_counter()
        done = subprocess.run(
            list(map(str, python("-m", "dagster_project", "run", *arguments))),
            cwd=REPOSITORY, env=environment, check=False, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"the run over {self.history.days} days failed: {done.stderr[-2000:]}")
        return time.perf_counter() - began

    @property
    def published(self) -> Path:
        """Where its versions are published."""
        return self.folder / "data" / "published"

    @property
    def published_mb(self) -> float:
        """Size of the published version."""
        return (self.published / "serve.duckdb").stat().st_size / 1e6


def tick_in_turn(site: Site, base: Site, rounds: int) -> list[float]:
    """Tick `base` and `site` one after the other, so that a noisy machine disturbs both alike. Returns, of each round, the
    wall-clock time of `site` over that of `base`; a tick of each goes before them and warms the page cache."""
    ratios = []
    for _ in range(rounds + 1):
        base_s = base.tick()
        ratios.append(site.tick() / base_s)
    return ratios[1:]


def is_flat(ratios: list[float], limit: float, what: str) -> bool:
    """Print the median of `ratios` against `limit`. Returns whether it is met."""
    ratio = statistics.median(ratios)
    each = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    print(f"  {what}: median {ratio:.2f} of {each} (at most {limit}): {'met' if ratio <= limit else 'MISSED'}")
    return ratio <= limit
