"""Days are reconciled by replacing whole days, and no load is forgotten."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from dagster_project.assets.day_reconciliation import replace_days, unreconciled_days
from dagster_project.partitions import IST, Window
from raw_loaders.load import load_landing
from raw_tables import FILLS, SIGNALS, fill, line, member, put

STREAM = "hyperliquid_fills"
SINCE = dt.date(2025, 11, 1)


def emitted(i: int, at: str) -> bytes:
    return member(line(fill(i, ts_ist=f"{at}+05:30")))


def days(first: str, end: str) -> Window:
    start, stop = (dt.datetime.fromisoformat(day).replace(tzinfo=IST) for day in (first, end))
    return Window(start, stop)


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    """The last moment of the 21st, the first of the 22nd (both on the 21st in UTC), and a refused line on the 22nd."""
    folder = tmp_path / "landing"
    put(folder, FILLS, emitted(1, "2025-11-21T12:00:00") + emitted(2, "2025-11-21T23:59:59.999999"))
    second = emitted(3, "2025-11-22T00:00:00") + member(b"[]\n") + emitted(4, "2025-11-22T00:30:00")
    put(folder, FILLS.replace("11-21", "11-22"), second)
    return folder


@pytest.fixture
def con(landing: Path, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    load_landing(landing, tmp_path / "w.duckdb")
    with duckdb.connect(str(tmp_path / "w.duckdb")) as connection:
        connection.execute("set TimeZone = 'UTC'")
        stage(connection)
        yield connection


def stage(con: duckdb.DuckDBPyConnection) -> None:
    """What dbt would make of the raw rows."""
    con.execute("create schema if not exists staging")
    con.execute(
        f"""
        create or replace table staging.stg_{STREAM} as
        select source_file, line_no, load_id, '5m' as bot, 'r' as run_id,
               cast(emitted_at at time zone 'Asia/Kolkata' as date) as emitted_date_ist
        from raw.{STREAM}
        """
    )


def table(con: duckdb.DuckDBPyConnection) -> list[tuple]:
    return con.execute(
        "select date_ist::varchar, rows_raw, rows_staged, rows_attributed, lines_rejected, is_complete, incomplete_reason "
        "from ops.day_reconciliation order by date_ist"
    ).fetchall()


def test_a_day_is_the_ist_day_of_emission_and_only_days_in_the_window_are_written(
    con: duckdb.DuckDBPyConnection,
) -> None:
    replace_days(con, [STREAM], days("2025-11-21", "2025-11-22"), SINCE)
    first = ("2025-11-21", 2, 2, 2, 0, True, None)
    assert table(con) == [first]
    replace_days(con, [STREAM], days("2025-11-22", "2025-11-23"), SINCE)
    assert table(con) == [first, ("2025-11-22", 2, 2, 2, 1, False, "rejected lines")]


def test_a_range_in_one_run_equals_the_days_one_by_one_and_again(con: duckdb.DuckDBPyConnection) -> None:
    for _ in range(2):
        replace_days(con, [STREAM], days("2025-11-21", "2025-11-24"), SINCE)
    assert [row[:2] for row in table(con)] == [("2025-11-21", 2), ("2025-11-22", 2)]


def test_a_row_missing_in_staging_makes_its_day_incomplete(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(f"delete from staging.stg_{STREAM} where line_no = 2 and source_file like '%11-21%'")
    replace_days(con, [STREAM], days("2025-11-21", "2025-11-22"), SINCE)
    assert table(con) == [("2025-11-21", 2, 1, 1, 0, False, "raw rows and staged rows differ")]


def test_a_day_that_lost_its_rows_is_emptied(con: duckdb.DuckDBPyConnection) -> None:
    replace_days(con, [STREAM], days("2025-11-21", "2025-11-23"), SINCE)
    con.execute(f"delete from raw.{STREAM} where source_file like '%11-21%'")
    stage(con)
    replace_days(con, [STREAM], days("2025-11-21", "2025-11-22"), SINCE)
    assert [row[0] for row in table(con)] == ["2025-11-22"]


def test_a_failing_rewrite_leaves_the_days_as_they_were(con: duckdb.DuckDBPyConnection) -> None:
    replace_days(con, [STREAM], days("2025-11-21", "2025-11-23"), SINCE)
    before = table(con)
    con.execute(f"drop table staging.stg_{STREAM}")
    with pytest.raises(duckdb.CatalogException):
        replace_days(con, [STREAM], days("2025-11-21", "2025-11-23"), SINCE)
    assert table(con) == before


def test_a_load_stays_unreconciled_until_all_of_its_days_were_written(con: duckdb.DuckDBPyConnection) -> None:
    (touched,) = unreconciled_days(con, [STREAM]).values()
    assert touched == {dt.date(2025, 11, 21), dt.date(2025, 11, 22)}
    replace_days(con, [STREAM], days("2025-11-21", "2025-11-22"), SINCE)
    assert unreconciled_days(con, [STREAM])
    replace_days(con, [STREAM], days("2025-11-21", "2025-11-23"), SINCE)
    assert not unreconciled_days(con, [STREAM])


def test_a_rewritten_file_touches_the_days_it_no_longer_has_rows_on(
    con: duckdb.DuckDBPyConnection, landing: Path, tmp_path: Path
) -> None:
    replace_days(con, [STREAM], days("2025-11-21", "2025-11-23"), SINCE)
    con.close()
    put(landing, FILLS.replace("11-21", "11-22"), emitted(9, "2025-11-22T05:00:00"))
    load_landing(landing, tmp_path / "w.duckdb")
    with duckdb.connect(str(tmp_path / "w.duckdb")) as again:
        stage(again)
        assert set().union(*unreconciled_days(again, [STREAM]).values()) >= {
            dt.date(2025, 11, 21),
            dt.date(2025, 11, 22),
        }


def test_a_load_is_reconciled_day_by_day_when_its_days_lie_apart(con: duckdb.DuckDBPyConnection) -> None:
    """The days between are not touched: to replace those two is all there is to do."""
    for first, end in (("2025-11-22", "2025-11-23"), ("2025-11-21", "2025-11-22")):
        assert unreconciled_days(con, [STREAM])
        replace_days(con, [STREAM], days(first, end), SINCE)
    assert not unreconciled_days(con, [STREAM])


@pytest.mark.parametrize(
    ("file", "more", "touched"),
    [
        (FILLS, member(b"[]\n"), {21}),  # only a refused line, in a file of one day
        (FILLS, b"\x1f\x8bnothing", {21}),  # only damage
        (None, b"", {21, 22}),  # a file written anew that holds nothing of what it held
    ],
    ids=["refused", "damaged", "rewritten"],
)
def test_a_load_touches_days_without_bringing_a_row(
    con: duckdb.DuckDBPyConnection, landing: Path, tmp_path: Path, file: str | None, more: bytes, touched: set[int]
) -> None:
    replace_days(con, [STREAM], days("2025-11-21", "2025-11-23"), SINCE)
    con.close()
    name = file or FILLS.replace("11-21", "11-22")
    put(landing, name, (landing / name).read_bytes() + more if file else emitted(9, "2025-11-30T05:00:00"))
    load_landing(landing, tmp_path / "w.duckdb")
    put(landing, name, (landing / name).read_bytes() + emitted(10, "2025-11-30T06:00:00"))
    load_landing(landing, tmp_path / "w.duckdb")  # the file bears the number of this load now
    with duckdb.connect(str(tmp_path / "w.duckdb")) as again:
        again.execute("set TimeZone = 'UTC'")
        first, _ = unreconciled_days(again, [STREAM]).values()
        assert {day.day for day in first if day.day != 30} == touched


def test_refused_lines_and_damage_in_a_file_of_all_days_touch_the_day_of_the_record_before(tmp_path: Path) -> None:
    whole = line({"timestamp": "2025-11-21T00:00:00+00:00"})
    put(tmp_path / "landing", SIGNALS, b"[]\n" + whole)
    load_landing(tmp_path / "landing", tmp_path / "w.duckdb")
    with duckdb.connect(str(tmp_path / "w.duckdb")) as con:
        (load,) = unreconciled_days(con, ["signals"])
        con.execute("create schema staging")
        con.execute(
            f"create table staging.stg_signals as select '{SIGNALS}' as source_file, unnest([0, 9]) as line_no, 'x' as load_id, "
            "unnest([date '2025-11-20', date '2025-11-23']) as emitted_date_ist"
        )
        assert unreconciled_days(con, ["signals"]) == {load: {dt.date(2025, 11, 20)}}
        con.execute(f"insert into raw.damaged_ranges values ('{SIGNALS}', 'signals', 0, 1, 'torn', 1, 0, '{load}')")
        assert unreconciled_days(con, ["signals"]) == {load: {dt.date(2025, 11, 20), dt.date(2025, 11, 23)}}
