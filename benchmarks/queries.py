"""Ten analyst queries of docs/marts on a published version with a year behind it: each under 100 ms, cold process excluded.

Takes the data folder of a warehouse with a long history, as `python -m benchmarks.tick --folder …` leaves one behind.
"""

import argparse
import re
import statistics
import time
from pathlib import Path

from benchmarks.process import REPOSITORY
from serving.reading import open_version

LIMIT_MS = 100
ROUNDS = 5
MARTS = [
    "mart_decision_funnel", "mart_guard_daily", "fct_round_trips", "fct_fills", "mart_equity_daily", "mart_risk_metrics",
    "mart_prediction_quality", "mart_reliability_bins", "mart_session_summary_daily", "mart_health_1h",
]  # fmt: skip


def main() -> None:
    """Run the first query of each page, print the median. Exits with 1 when one is slower than LIMIT_MS."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("published", type=Path, help="folder of the published versions")
    options = parser.parse_args()
    slow = []
    with open_version(options.published) as connection:
        for mart in MARTS:
            query = first_query(REPOSITORY / "docs" / "marts" / f"{mart}.sql")
            connection.execute(query).fetchall()
            walls = []
            for _ in range(ROUNDS):
                began = time.perf_counter()
                rows = connection.execute(query).fetchall()
                walls.append(1000 * (time.perf_counter() - began))
            wall = statistics.median(walls)
            print(f"  {mart:28s} {wall:7.1f} ms, {len(rows)} rows")
            if wall > LIMIT_MS:
                slow.append(mart)
    print(f"  each at most {LIMIT_MS} ms: {'met' if not slow else 'MISSED by ' + ', '.join(slow)}")
    raise SystemExit(1 if slow else 0)


def first_query(page: Path) -> str:
    """The first query of a page: from its question to the next one."""
    return re.split(r"^-- .*\?$", page.read_text(), flags=re.MULTILINE)[1].strip().rstrip(";")


if __name__ == "__main__":
    main()
