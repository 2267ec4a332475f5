"""Ten analyst queries of docs/marts on a published version with a year behind it: each under 100 ms, cold process excluded."""

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


def are_fast(published: Path) -> bool:
    """Run the queries on the published version, print the medians; whether each is within LIMIT_MS."""
    walls = walls_ms(published)
    for mart, (wall, rows) in walls.items():
        print(f"  {mart:28s} {wall:7.1f} ms, {rows} rows")
    slow = [mart for mart, (wall, _) in walls.items() if wall > LIMIT_MS]
    print(f"  each at most {LIMIT_MS} ms: {'met' if not slow else 'MISSED by ' + ', '.join(slow)}")
    return not slow


def walls_ms(published: Path) -> dict[str, tuple[float, int]]:
    """(median wall-clock milliseconds, rows) of the first query of each page, by mart; a first run of each is not counted."""
    found = {}
    with open_version(published) as connection:
        for mart in MARTS:
            query = first_query(REPOSITORY / "docs" / "marts" / f"{mart}.sql")
            rows = connection.execute(query).fetchall()
            walls = []
            for _ in range(ROUNDS):
                began = time.perf_counter()
                connection.execute(query).fetchall()
                walls.append(1000 * (time.perf_counter() - began))
            found[mart] = (statistics.median(walls), len(rows))
    return found


def first_query(page: Path) -> str:
    """The first query of a page: from its question to the next one."""
    return re.split(r"^-- .*\?$", page.read_text(), flags=re.MULTILINE)[1].strip().rstrip(";")
