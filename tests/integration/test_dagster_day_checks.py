"""Checks by IST day: each day of a range has its own answer."""

import datetime as dt
from collections.abc import Iterator

import dagster as dg
import duckdb
import pytest

from dagster_project.assets.keys import raw_key
from dagster_project.checks.days import DayResults, check_complete, check_coverage, check_hours
from dagster_project.checks.history import record_days, results_of_run, state_of
from dagster_project.checks.result import outcome
from dagster_project.checks.streams import VOLUME
from dagster_project.ops_tables import create_ops_tables
from dagster_project.partitions import days_window

FIRST, LAST = dt.date(2025, 11, 20), dt.date(2025, 11, 23)
WINDOW = days_window(FIRST, LAST)


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        create_ops_tables(connection)
        yield connection


def states(found: DayResults) -> dict[int, str]:
    return {day.day: state_of(result) for day, result in found}


def test_a_day_of_which_something_is_missing_warns_and_its_neighbours_do_not(con: duckdb.DuckDBPyConnection) -> None:
    row = "insert into ops.day_reconciliation values (?, ?, 1, 10, ?, ?, 0, 0, 0, ?, ?, now())"
    for day, stream, staged, reason in [
        ("2025-11-19", "signals", 0, "raw rows and staged rows differ"),  # a day before the range
        ("2025-11-20", "signals", 10, None),
        ("2025-11-21", "signals", 9, "raw rows and staged rows differ"),
        ("2025-11-21", "costs", 10, None),
        ("2025-11-22", "signals", 10, "the day is not over"),
    ]:
        con.execute(row, [day, stream, staged, staged, reason is None, reason])
    found = check_complete(con, WINDOW)
    assert states(found) == {20: "passed", 21: "warned", 22: "skipped", 23: "skipped"}
    broken = found[1][1].metadata
    assert (broken["rows_examined"].value, broken["failing_rows"].value) == (2, 1)
    assert broken["examples"].records[0].data["stream"] == "signals"


def test_missing_records_of_a_day_warn(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("attach ':memory:' as serve; create schema serve.marts")
    con.execute(
        """
        create table serve.marts.mart_stream_coverage as
        select 'signals' as stream, '5m' as bot, expected_count, missing_count, 0 as incomplete_decision_count, date_ist
        from (values (date '2025-11-20', 10, 0), (date '2025-11-21', 10, 3), (date '2025-11-22', 0, 0))
            as days (date_ist, expected_count, missing_count)
        """
    )
    assert states(check_coverage(con, WINDOW)) == {20: "passed", 21: "warned", 22: "skipped", 23: "skipped"}


def test_the_hours_of_a_day_are_those_of_all_streams_by_their_newest_answer(con: duckdb.DuckDBPyConnection) -> None:
    def volume(stream: str, failing: int = 0, examined: int = 24) -> dg.AssetCheckResult:
        rows = [{"hour_ist": "2025-11-20 07:00", "records": 0}] * failing
        return outcome(
            raw_key(stream), VOLUME, rows_examined=examined, failing=rows, remedy="Look.", nothing_because="new", is_warning=True
        )

    second = FIRST + dt.timedelta(days=1)
    record_days(con, "a", [(FIRST, volume("signals", 2)), (second, volume("signals")), (LAST, volume("signals", 0, 0))])
    record_days(con, "a", [(FIRST, volume("costs"))])
    found = check_hours(con, WINDOW)
    assert states(found) == {20: "warned", 21: "passed", 22: "skipped", 23: "skipped"}
    assert found[0][1].metadata["rows_examined"].value == 48
    record_days(con, "b", [(FIRST, volume("signals"))])  # the rest of the hours has landed
    assert states(check_hours(con, WINDOW))[20] == "passed"


def test_the_history_has_a_row_per_day_and_a_run_answers_with_its_worst(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("insert into ops.day_reconciliation values ('2025-11-20', 'costs', 1, 1, 1, 1, 0, 0, 0, true, null, now())")
    con.execute("insert into ops.day_reconciliation values ('2025-11-21', 'costs', 1, 1, 0, 0, 0, 0, 0, false, 'differ', now())")
    record_days(con, "run", check_complete(con, WINDOW))
    record_days(con, "run", check_complete(con, WINDOW))  # the step was tried again
    kept = con.sql("select partition, state from ops.check_results where check_name = 'day_is_complete' order by all").fetchall()
    assert kept == [("2025-11-20", "passed"), ("2025-11-21", "warned"), ("2025-11-22", "skipped"), ("2025-11-23", "skipped")]
    assert [row["state"] for row in results_of_run(con, "run")] == ["warned"]
