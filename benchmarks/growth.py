"""Load, first build, tick and queries against 1, 10 and 100 times the data, as a table and as docs/growth.svg."""

import argparse
import math
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.process import REPOSITORY, measure, python
from benchmarks.queries import walls_ms
from benchmarks.site import Site
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
    PLOT.write_text(_plot(options.days, measured))


def _plot(days: Sequence[int], measured: Sequence[Mapping[str, float]]) -> str:
    """SVG with both axes logarithmic; the line named "in proportion" grows as the data do, from the first load on."""
    places = [math.log10(each / days[0]) for each in days]
    lines = {
        name: [(place, math.log10(values[name])) for place, values in zip(places, measured, strict=True)] for name in measured[0]
    }
    lines["in proportion"] = [(place, lines["load"][0][1] + place) for place in places]
    logarithms = [y for line in lines.values() for _, y in line]
    decades = range(math.ceil(min(logarithms)), math.floor(max(logarithms)) + 1)
    return line_chart(
        lines,
        x_labels={place: f"{each:,} days" for place, each in zip(places, days, strict=True)},
        y_labels={decade: f"{10.0**decade:g} s" for decade in decades},
        y_unit="wall-clock time",
    )


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
        queries = walls_ms(site.published)
    return {
        "load": load_s,
        "first run": site.full_s,
        "tick": statistics.median(ticks),
        "slowest of ten queries": max(wall for wall, _ in queries.values()) / 1000,
    }


if __name__ == "__main__":
    main()
