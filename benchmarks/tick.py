"""A whole hourly tick, from launch to published, with a long history and with a short one.

Both histories are loaded first, the short one is the end of the long one; then the same hour arrives in each, and a tick of each
is run in turn. The ratio of neighbours counts, the median of the rounds. The ten analyst queries (queries.py) are run on the
long one.
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks.queries import are_fast
from benchmarks.site import Site, is_flat, tick_in_turn

LIMIT = 1.2


def main() -> None:
    """Make the histories, tick, print the table. Exits with 1 when the long history costs more than LIMIT times the short one,
    or a query is slow."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, nargs=2, default=[7, 365])
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--folder", type=Path, help="work here, and keep it")
    options = parser.parse_args()
    few, many = options.days
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        long = Site(folder / f"{many}-days", many)
        short = Site(folder / f"{few}-days", few, end_of=long)
        for site in (short, long):
            site.prepare()
        ratios = tick_in_turn(long, short, options.rounds)
        is_fast = are_fast(long.published)
        for site in (short, long):
            walls = ", ".join(f"{wall:.1f}" for wall in site.walls)
            print(f"  {site.history.days:4d} days: {site.full_s:.0f} s at first, {site.published_mb:.0f} MB, ticks {walls} s")
    raise SystemExit(0 if is_flat(ratios, LIMIT, f"whole tick with {many} days over {few}") and is_fast else 1)


if __name__ == "__main__":
    main()
