"""Each reconciliation check passes on sound data, fails on data broken on purpose, and says what it examined."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from dagster_project.checks.landed import landed_partitions
from dagster_project.checks.raw import check_bytes, check_lines, check_partitions, unreadable_files
from dagster_project.checks.scope import Scope
from dagster_project.checks.staging import check_attributed, check_staged
from raw_loaders.dictionary import load_dictionary
from raw_loaders.load import load_landing, newest_scan
from raw_tables import FILLS, fill, line, member, put

STREAM = "hyperliquid_fills"
KEY = dg.AssetKey(["staging", f"stg_{STREAM}"])
LATER = FILLS.replace("2025-11-21", "2025-11-22")


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    """Three whole records and a stray byte on one day, two records and a refused line on the next."""
    folder = tmp_path / "landing"
    put(folder, FILLS, member(line(fill(1))) + b"x" + member(line(fill(2))) + member(line(fill(3))))
    put(folder, LATER, member(line(fill(4))) + member(b"[1]\n") + member(line(fill(5))))
    return folder


@pytest.fixture
def con(landing: Path, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse of that landing with a staging table as the dbt model would make it."""
    warehouse = tmp_path / "warehouse.duckdb"
    load_landing(landing, warehouse)
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("create schema staging")
        connection.execute(
            f"""
            create table staging.stg_{STREAM} as
            select source_file, line_no, load_id, '5m' as bot, record ->> 'run_id' as run_id,
                   date '2025-11-21' as emitted_date_ist
            from raw.{STREAM}
            """
        )
        yield connection


def partitions(con: duckdb.DuckDBPyConnection, landing: Path) -> dg.AssetCheckResult:
    found = landed_partitions(landing, load_dictionary(), not_after_s=float("inf"))
    return check_partitions(con, STREAM, found.get(STREAM, ()))


def examined(result: dg.AssetCheckResult) -> int:
    return result.metadata["rows_examined"].value


def test_sound_data_pass_every_check(con: duckdb.DuckDBPyConnection, landing: Path) -> None:
    results = [
        check_lines(con, STREAM),
        check_bytes(con, STREAM),
        partitions(con, landing),
        check_staged(con, STREAM, KEY),
        check_attributed(con, STREAM, KEY),
    ]
    assert all(result.passed for result in results)
    assert [examined(result) for result in results] == [2, 2, 2, 5, 5]


@pytest.mark.parametrize(
    "damage",
    [
        "delete from raw.hyperliquid_fills where line_no = 2",
        "insert into raw.hyperliquid_fills from raw.hyperliquid_fills where line_no = 3",
        "update raw.hyperliquid_fills set source_file = 'elsewhere' where line_no = 3",
        "delete from raw.rejected_lines",
        "update raw.files set lines = lines + 1 where rejected = 1",
        "update raw.loads set lines = lines - 1",
    ],
)
def test_a_lost_doubled_or_misplaced_line_fails(con: duckdb.DuckDBPyConnection, damage: str) -> None:
    con.execute(damage)
    result = check_lines(con, STREAM)
    assert not result.passed
    assert result.severity == dg.AssetCheckSeverity.ERROR
    assert "make run" in result.metadata["what_to_do"].value


def test_reading_the_files_anew_is_the_way_out(con: duckdb.DuckDBPyConnection, landing: Path, tmp_path: Path) -> None:
    con.execute("delete from raw.hyperliquid_fills where line_no = 2")
    assert not check_lines(con, STREAM).passed
    con.close()
    load_landing(landing, tmp_path / "warehouse.duckdb", reread=True)
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as again:
        assert check_lines(again, STREAM).passed


@pytest.mark.parametrize(
    "damage",
    [
        "delete from raw.damaged_ranges",
        "update raw.files set bytes_read = bytes_read - 1",
        "update raw.damaged_ranges set byte_end = byte_end + 1",
        "update raw.damaged_ranges set min_lost_records = 0",
    ],
)
def test_a_byte_neither_read_nor_damaged_fails(con: duckdb.DuckDBPyConnection, damage: str) -> None:
    con.execute(damage)
    assert not check_bytes(con, STREAM).passed


def test_a_landed_partition_that_was_not_loaded_fails_and_is_named(con: duckdb.DuckDBPyConnection, landing: Path) -> None:
    put(landing, FILLS.replace("2025-11-21", "2025-11-25"), member(line(fill(6))))
    result = partitions(con, landing)
    assert not result.passed
    assert "date=2025-11-25" in result.description


def test_a_partition_the_path_patterns_do_not_know_fails_too(con: duckdb.DuckDBPyConnection, landing: Path) -> None:
    put(landing, "7m/new_place/hyperliquid_fills/date=2025-11-25/hyperliquid_fills.jsonl", line(fill(6)))
    assert "not in raw.files" in partitions(con, landing).description


def test_an_unreadable_file_fails_with_its_reason(con: duckdb.DuckDBPyConnection, landing: Path) -> None:
    con.execute("update raw.files set status = 'unreadable', status_reason = 'Permission denied' where rejected = 0")
    assert "Permission denied" in partitions(con, landing).description


def of_scan(con: duckdb.DuckDBPyConnection, landing: Path, *, newest_dates: int | None = None) -> dg.AssetCheckResult:
    """The check as a run makes it, by what the warehouse remembers of the newest scan."""
    found = landed_partitions(
        landing,
        load_dictionary(),
        not_after_s=newest_scan(con).timestamp(),
        newest_dates=newest_dates,
        also=unreadable_files(con),
    )
    return check_partitions(con, STREAM, found.get(STREAM, ()))


@pytest.mark.parametrize("age_s", [0, 86_400])  # `rsync -t` and `cp -p` keep the time of the original
def test_a_file_that_came_after_the_newest_scan_waits_for_the_next_load(
    con: duckdb.DuckDBPyConnection, landing: Path, age_s: int
) -> None:
    time.sleep(0.1)
    late = put(landing, FILLS.replace("11-21", "11-20"), member(line(fill(6))))
    os.utime(late, (time.time() - age_s,) * 2)
    waits = of_scan(con, landing)
    assert waits.passed
    assert examined(waits) == 2


def test_a_file_that_lay_there_at_the_newest_scan_and_is_not_in_the_ledger_fails(
    con: duckdb.DuckDBPyConnection, landing: Path, tmp_path: Path
) -> None:
    later = landing / LATER
    con.close()
    time.sleep(0.1)
    load_landing(landing, tmp_path / "warehouse.duckdb")  # finds nothing new, and is remembered all the same
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as again:
        assert of_scan(again, landing).passed
        assert newest_scan(again).timestamp() > later.stat().st_ctime
        again.execute("delete from raw.files where source_file = ?", [LATER])
        lost = of_scan(again, landing)
    assert not lost.passed
    assert "when it was last listed, and is not in raw.files" in lost.description
    assert LATER in lost.description


def test_a_file_in_a_place_that_no_pattern_knows_fails_also_while_it_grows(
    con: duckdb.DuckDBPyConnection, landing: Path, tmp_path: Path
) -> None:
    con.close()
    stray = put(landing, "7m/new_place/hyperliquid_fills/date=2025-11-25/hyperliquid_fills.jsonl", line(fill(6)))
    load_landing(landing, tmp_path / "warehouse.duckdb")
    stray.write_bytes(line(fill(6)) + line(fill(7)))
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as again:
        found = of_scan(again, landing)
    assert not found.passed
    assert "matches no path pattern" in found.description


def test_the_load_of_an_older_release_is_taken_for_the_newest_scan(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("delete from raw.meta where key = 'newest_scan_began_at'")
    assert newest_scan(con) == con.sql("select min(started_at) from raw.loads").fetchone()[0]
    con.execute("delete from raw.loads")
    assert newest_scan(con) is None


def test_a_tick_sees_an_unreadable_file_in_a_folder_of_long_ago_until_it_is_mended(
    con: duckdb.DuckDBPyConnection, landing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    con.close()
    for day in range(1, 6):
        put(landing, FILLS.replace("11-21", f"10-{day:02d}"), member(line(fill(day))))
    put(landing, FILLS.replace("2025-11-21", "2025-05-05"), member(line(fill(9))))
    warehouse = tmp_path / "warehouse.duckdb"
    real = os.open

    def refuse(path: Path, *rest: object) -> int:
        if "2025-05-05" in str(path):
            raise PermissionError(13, "Permission denied")  # rights stop nobody who runs the tests as root
        return real(path, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        assert len(load_landing(landing, warehouse).unreadable) == 1
    with duckdb.connect(str(warehouse)) as again:
        failed = of_scan(again, landing, newest_dates=3)
    assert not failed.passed
    assert "2025-05-05" in failed.description
    assert "Permission denied" in failed.description
    load_landing(landing, warehouse)
    with duckdb.connect(str(warehouse)) as again:
        assert of_scan(again, landing, newest_dates=3).passed


@pytest.mark.parametrize(
    "damage",
    [
        "delete from staging.stg_hyperliquid_fills where line_no = 1",
        "insert into staging.stg_hyperliquid_fills from staging.stg_hyperliquid_fills where line_no = 1",
        "update staging.stg_hyperliquid_fills set source_file = 'invented' where line_no = 1",
    ],
)
def test_a_record_not_staged_staged_twice_or_invented_fails(con: duckdb.DuckDBPyConnection, damage: str) -> None:
    con.execute(damage)
    assert not check_staged(con, STREAM, KEY).passed


def test_a_row_without_bot_fails_unless_records_were_lost_that_day(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("update staging.stg_hyperliquid_fills set bot = null where line_no = 1")
    con.execute("update raw.files set lines = lines + 100")
    explained = check_attributed(con, STREAM, KEY)
    con.execute("update raw.files set bytes_damaged = 0, rejected = 0")
    unexplained = check_attributed(con, STREAM, KEY)
    assert not explained.passed
    assert explained.severity == dg.AssetCheckSeverity.WARN
    assert not unexplained.passed
    assert unexplained.severity == dg.AssetCheckSeverity.ERROR


COSTS = "5m/logs/costs/costs.jsonl"  # of all days
COST = b'{"ts":1763683200000,"symbol":"BTCUSDT","costs":{"event_id":"e","trade_notional":1.0},"ts_ist":"2025-11-%s:00+05:30"}\n'


@pytest.mark.parametrize(
    ("costs", "severity"),
    [
        ([b"19T12:00", None, b"19T12:05", b"21T09:00"], "ERROR"),  # lost on the 19th: no excuse for the 21st
        ([b"19T12:00", b"21T09:00", None, b"21T12:05"], "WARN"),
        ([b"20T23:59", None, b"22T00:01"], "WARN"),  # on any day from the 20th to the 22nd
        ([b"19T12:00", None], "ERROR"),
        ([b"20T12:00", None], "WARN"),  # nothing after it: it may be of the next day
        ([None, b"24T12:00"], "ERROR"),
        ([None], "WARN"),  # nothing says of which day it was
    ],
)
@pytest.mark.parametrize("is_damage", [False, True])
def test_a_loss_in_a_file_of_all_days_excuses_rows_of_the_days_around_it_only(
    tmp_path: Path, costs: list[bytes | None], severity: str, is_damage: bool
) -> None:
    landing, warehouse = tmp_path / "landing", tmp_path / "w.duckdb"
    put(landing, FILLS, b"".join(member(line(fill(i))) for i in range(200)))
    lost = b"\0" * 40 + b"\n" if is_damage else b"[1]\n"
    put(landing, COSTS, b"".join(lost if when is None else COST % when for when in costs))
    load_landing(landing, warehouse)
    with duckdb.connect(str(warehouse)) as con:
        con.execute("set TimeZone = 'UTC'; create schema staging")
        assert con.sql("select count(*) from raw.costs").fetchone()[0] == sum(when is not None for when in costs)
        if is_damage:  # bytes instead of lines
            con.execute(
                "insert into raw.damaged_ranges select source_file, stream, byte_offset, byte_offset + text_bytes, 'nul_bytes', "
                "1, member_no, load_id from raw.rejected_lines; delete from raw.rejected_lines; "
                "update raw.files set rejected = 0, bytes_damaged = 41 where stream = 'costs'"
            )
        con.execute(
            "create table staging.stg_hyperliquid_fills as select source_file, line_no, load_id, if(line_no > 9, '5m', null) "
            "as bot, 'r' as run_id, (emitted_at at time zone 'Asia/Kolkata')::date as emitted_date_ist from raw.hyperliquid_fills"
        )
        found = check_attributed(con, STREAM, KEY)
    assert not found.passed
    assert (found.severity.name, found.metadata["failing_rows"].value) == (severity, 9)


def test_a_row_without_day_and_bot_is_of_the_days_of_its_neighbours(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("update raw.files set lines = lines + 100")
    con.execute("update raw.files set rejected = 0, bytes_damaged = 0 where source_file like '%11-21%'")  # a loss on the 22nd
    con.execute("update staging.stg_hyperliquid_fills set bot = null, emitted_date_ist = null where line_no = 2")
    assert check_attributed(con, STREAM, KEY).severity == dg.AssetCheckSeverity.ERROR
    con.execute("update staging.stg_hyperliquid_fills set emitted_date_ist = '2025-11-22' where line_no = 3")
    assert check_attributed(con, STREAM, KEY).severity == dg.AssetCheckSeverity.WARN


def test_a_row_without_bot_at_the_end_of_a_file_fails_only_after_the_next_load(
    con: duckdb.DuckDBPyConnection, landing: Path, tmp_path: Path
) -> None:
    con.execute("update staging.stg_hyperliquid_fills set bot = null where line_no = 3")
    con.execute("update raw.files set bytes_damaged = 0, rejected = 0")
    assert check_attributed(con, STREAM, KEY).severity == dg.AssetCheckSeverity.WARN
    con.close()
    put(landing, FILLS.replace("11-21", "11-23"), member(line(fill(6))))
    load_landing(landing, tmp_path / "warehouse.duckdb")
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as again:
        again.execute("update raw.files set bytes_damaged = 0, rejected = 0")
        later = check_attributed(again, STREAM, KEY)
    assert not later.passed
    assert later.severity == dg.AssetCheckSeverity.ERROR


def test_a_check_shows_ten_failing_rows_at_most_and_counts_them_all(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("insert into staging.stg_hyperliquid_fills select 'x' || i, 1, '', '5m', 'r', null from range(25) t(i)")
    result = check_staged(con, STREAM, KEY)
    assert result.metadata["failing_rows"].value == 25
    assert len(result.metadata["examples"].records) == 10


def test_a_stream_that_has_not_landed_is_skipped_with_the_reason(
    con: duckdb.DuckDBPyConnection,
) -> None:
    result = check_lines(con, "signals")
    assert result.passed
    assert "no file of the stream signals" in result.metadata["skipped"].value


def test_a_check_that_examined_nothing_although_records_were_accepted_fails(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("delete from staging.stg_hyperliquid_fills")
    result = check_attributed(con, STREAM, KEY)
    assert examined(result) == 0
    assert not result.passed


def last_load(con: duckdb.DuckDBPyConnection) -> Scope:
    return Scope((con.sql("select load_id from raw.loads order by finished_at desc limit 1").fetchone()[0],))


@pytest.fixture
def grown(con: duckdb.DuckDBPyConnection, landing: Path, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The same warehouse after a second load of one new file, staged as dbt would."""
    con.close()
    put(landing, FILLS.replace("11-21", "11-23"), member(line(fill(6))) + member(line(fill(7))))
    load_landing(landing, tmp_path / "warehouse.duckdb")
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as again:
        again.execute(
            f"insert into staging.stg_{STREAM} select source_file, line_no, load_id, '5m', 'r', date '2025-11-23' "
            f"from raw.{STREAM} where {last_load(again).where()}"
        )
        yield again


def test_a_tick_looks_at_what_its_loads_brought_and_at_nothing_else(grown: duckdb.DuckDBPyConnection) -> None:
    scope = last_load(grown)
    assert [examined(check_lines(grown, STREAM, scope)), examined(check_bytes(grown, STREAM, scope))] == [1, 1]
    assert [examined(check_staged(grown, STREAM, KEY, scope)), examined(check_attributed(grown, STREAM, KEY, scope))] == [2, 2]
    grown.execute(f"delete from raw.{STREAM} where {scope.where()} is not true and line_no = 1")
    assert check_lines(grown, STREAM, scope).passed
    assert not check_lines(grown, STREAM).passed  # the daily run sees it


@pytest.mark.parametrize(
    "damage",
    [
        "delete from raw.{stream} where line_no = 2 and {scope}",
        "insert into raw.{stream} from raw.{stream} where line_no = 2 and {scope}",
        "update raw.files set accepted = accepted + 1, lines = lines + 1 where source_file like '%11-23%'",
        "insert into raw.rejected_lines by name select stream, source_file, load_id, 9 as line_no, 0 as byte_offset, "
        "0 as member_no, 0 as member_offset, 'x' as reason, '' as text, 0 as text_bytes from raw.loads where {scope}",
    ],
)
def test_a_tick_sees_a_fault_in_what_its_loads_brought(grown: duckdb.DuckDBPyConnection, damage: str) -> None:
    scope = last_load(grown)
    assert check_lines(grown, STREAM, scope).passed
    grown.execute(damage.format(stream=STREAM, scope=scope.where()))
    assert not check_lines(grown, STREAM, scope).passed


def test_rows_that_a_rewritten_file_left_behind_in_staging_are_seen(
    grown: duckdb.DuckDBPyConnection, landing: Path, tmp_path: Path
) -> None:
    grown.close()
    put(landing, FILLS.replace("11-21", "11-23"), member(line(fill(8, address="0x1"))))
    load_landing(landing, tmp_path / "warehouse.duckdb")
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as again:
        scope = last_load(again)
        # dbt has staged the new row and forgotten to take the old ones out
        again.execute(
            f"insert into staging.stg_{STREAM} select source_file, line_no, load_id, '5m', 'r', date '2025-11-23' "
            f"from raw.{STREAM} where {scope.where()}"
        )
        assert not check_staged(again, STREAM, KEY, scope).passed


def test_the_newest_folders_are_looked_into_on_every_tick_and_old_ones_once_a_day(landing: Path) -> None:
    for day in range(1, 11):
        put(landing, FILLS.replace("11-21", f"10-{day:02d}"), member(line(fill(day))))
    dictionary = load_dictionary()
    every = landed_partitions(landing, dictionary, not_after_s=float("inf"))[STREAM]
    newest = landed_partitions(landing, dictionary, not_after_s=float("inf"), newest_dates=3)[STREAM]
    assert len(every) == 12
    assert [partition.name[-5:] for partition in newest] == ["10-10", "11-21", "11-22"]
