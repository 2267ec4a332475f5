"""A whole hourly tick, from launch to published, with a long history and with a short one.

Both histories are loaded first, the short one is the end of the long one; then the same hour arrives in each, one after the
other, and a tick of each is run in turn, so that a noisy machine disturbs both alike. The ratio of neighbours counts, the
median of the rounds. The ten analyst queries (queries.py) are run on the long one.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.history import History
from benchmarks.process import REPOSITORY, python
from benchmarks.queries import are_fast
from serving import publish

LIMIT = 1.2
# an hour in the middle of an IST day: the first tick of a day also closes the day before it
HELD_BACK_HOURS = 8
KEPT_VERSIONS = 5


def main() -> None:
    """Make the histories, tick, print the table. Exits with 1 when the long history costs more than LIMIT times the short one,
    or a query is slow."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, nargs=2, default=[7, 365])
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--folder", type=Path, help="work here, and keep it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        long = Site(folder, options.days[1])
        sites = [Site(folder, options.days[0], end_of=long), long]
        for site in sites:
            site.prepare()
        ratios = []
        for number in range(options.rounds + 1):
            walls = [site.tick() for site in sites]
            if number:  # the first tick of each warms the page cache
                ratios.append(walls[1] / walls[0])
        is_fast = are_fast(sites[1].folder / "data" / "published")
        ratio = statistics.median(ratios)
        for site in sites:
            walls = ", ".join(f"{wall:.1f}" for wall in site.walls)
            print(f"  {site.history.days:4d} days: {site.full_s:.0f} s at first, {site.published_mb:.0f} MB, ticks {walls} s")
        print(
            f"  whole tick with {options.days[1]} days over {options.days[0]}: median {ratio:.2f} of "
            f"{', '.join(f'{r:.2f}' for r in ratios)} (at most {LIMIT}): {'met' if ratio <= LIMIT else 'MISSED'}"
        )
    raise SystemExit(0 if ratio <= LIMIT and is_fast else 1)


class Site:
    """A landing with its warehouse, and Dagster's home."""

    def __init__(self, folder: Path, days: int, end_of: "Site | None" = None) -> None:
        self.folder = folder / f"{days}-days"
        self.history = History(self.folder, days, HELD_BACK_HOURS, end_of and end_of.history)
        self.walls: list[float] = []
        self.full_s = 0.0

    def prepare(self) -> None:
        """Load and build the history, and publish until a version is written over an old one, as it is from then on."""
        self.history.hold_back()
        self.full_s = self._run()
        data = self.folder / "data"
        for _ in range(KEPT_VERSIONS + 1):
            publish(data / "warehouse.duckdb", data / "published", keep=KEPT_VERSIONS)

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
    def published_mb(self) -> float:
        """Size of the published version."""
        return (self.folder / "data" / "published" / "serve.duckdb").stat().st_size / 1e6


if __name__ == "__main__":
    main()
