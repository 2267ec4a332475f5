"""Load, first build, tick and queries against 1, 10 and 100 times the data, as a table and as docs/growth.svg."""

import argparse
import math
import statistics
import tempfile
from pathlib import Path

from benchmarks.process import REPOSITORY, measure, python
from benchmarks.queries import walls_ms
from benchmarks.tick import Site
from exports.report.charts import line_chart

PLOT = REPOSITORY / "docs" / "growth.svg"


def main() -> None:
    """Measure each size, print the table, draw the plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--rounds", type=int, default=3, help="ticks of each size")
    options = parser.parse_args()
    measured = [_measure(days, options.rounds) for days in options.days]
    print("\ngrowth: seconds against the days of history")
    print("  days  " + "".join(f"{name:>22s}" for name in measured[0]))
    for days, values in zip(options.days, measured, strict=True):
        print(f"  {days:4d}  " + "".join(f"{value:22.3f}" for value in values.values()))
    places = [math.log10(days / options.days[0]) for days in options.days]
    lines = {
        name: [(place, math.log10(values[name])) for place, values in zip(places, measured, strict=True)] for name in measured[0]
    }
    labels = {place: f"{days / options.days[0]:g} times" for place, days in zip(places, options.days, strict=True)}
    PLOT.write_text(line_chart(lines, x_labels=labels, y_unit="log10 of seconds, against the data"))


def _measure(days: int, rounds: int) -> dict[str, float]:
    """Seconds of each kind of work with so many days of history."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        site = Site(folder, days)
        load = python("-m", "raw_loaders", "load", "--landing", site.history.landing, "--warehouse", folder / "load.duckdb")
        load_s = measure(load).wall_s
        (folder / "load.duckdb").unlink()
        site.prepare()
        site.tick()  # warms the page cache
        ticks = [site.tick() for _ in range(rounds)]
        queries = walls_ms(site.folder / "data" / "published")
    return {
        "load": load_s,
        "first run": site.full_s,
        "tick": statistics.median(ticks),
        "slowest of ten queries": max(wall for wall, _ in queries.values()) / 1000,
    }


if __name__ == "__main__":
    main()
