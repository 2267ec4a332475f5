"""A whole hourly tick in the evening of an IST day over one in its night, when next to nothing of the day is there yet.

Four bots of eleven replicas each write about 45 MB a day. Of two copies of the same days one has the last whole IST day but for
its evening, the other but for its first minutes; hour after hour arrives in each, and a tick of each is run in turn.
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks.site import Site, is_flat, tick_in_turn

LIMIT = 1.2
REPLICAS = 11
# a simulated landing ends at midnight UTC, 05:30 IST; so many hours before, it is half past midnight and half past five in the
# afternoon of its last whole IST day
NIGHT_HOURS = 29
EVENING_HOURS = 12


def main() -> None:
    """Tick in both, print the ratio. Exits with 1 when it is above LIMIT."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        evening = Site(folder / "evening", options.days, EVENING_HOURS, REPLICAS)
        night = Site(folder / "night", options.days, NIGHT_HOURS, REPLICAS, end_of=evening)
        for site in (night, evening):
            site.prepare()
        ratios = tick_in_turn(evening, night, options.rounds)
        print("\nwhole tick in a full day over one in an empty day")
        for name, site in (("night", night), ("evening", evening)):
            print(f"  {name:8s} {', '.join(f'{wall:.1f}' for wall in site.walls)} s")
    raise SystemExit(0 if is_flat(ratios, LIMIT, "evening over night") else 1)


if __name__ == "__main__":
    main()
