"""Rows of given hours, read in spans: against a count of each."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from dagster_project.queries import rows_of_hours

FIRST = datetime(2025, 11, 1, 18, 30, tzinfo=UTC)  # an hour of India begins half past one of UTC


@pytest.mark.parametrize("asked", [1, 4, 12, 60])
@pytest.mark.parametrize("seed", range(3))
def test_rows_of_hours_are_counted_whatever_lies_between_them(asked: int, seed: int) -> None:
    """Few hours of half a year lie in spans of their own, many in one."""
    dice = random.Random(seed)
    rows = Counter(dice.randrange(24 * 180) for _ in range(6000))
    con = duckdb.connect()
    con.execute("create table signals (emitted_at timestamptz)")
    con.execute(
        "insert into signals select unnest($at::timestamptz[])",
        {"at": [FIRST + timedelta(hours=hour, seconds=dice.randrange(3600)) for hour in rows.elements()]},
    )
    hours = [dice.randrange(24 * 180) for _ in range(asked)] + [0, 1, 24 * 180 - 1]
    found = rows_of_hours(
        con, {"signals": "signals", "health": "missing"}, [("signals", FIRST + timedelta(hours=h)) for h in hours]
    )
    assert found == {("signals", FIRST + timedelta(hours=h)): rows[h] for h in hours if rows[h]}
