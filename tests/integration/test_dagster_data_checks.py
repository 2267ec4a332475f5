"""Checks of what the data say: each passes on sound data, fails on data broken on purpose, and is idle only with a reason."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from dagster_project.checks.freshness import check_fresh, check_loaded
from dagster_project.checks.history import state_of
from dagster_project.checks.records import EVENT_IDS, Hashed, check_event_ids, check_range, mark_hashed
from dagster_project.checks.scope import WHOLE, Scope
from dagster_project.checks.streams import check_clocks, check_keys, check_volume, judged_hours, volume_by_day
from dagster_project.checks.tables import check_constants, check_orphans
from dagster_project.partitions import IST, Window, days_window
from raw_loaders.dictionary import load_dictionary
from raw_loaders.load import load_landing
from raw_loaders.simulate.third_party import fill_middle
from raw_tables import FILLS, fill, line, member, put

DICTIONARY = load_dictionary()
STREAM = DICTIONARY.streams["hyperliquid_fills"]
MART = dg.AssetKey(["marts", "fct_fills"])
DAY = dt.date(2025, 11, 21)


def check_key(name: str, model: str) -> dg.AssetCheckKey:
    return dg.AssetCheckKey(dg.AssetKey(["staging", model]), name)


def examined(result: dg.AssetCheckResult) -> int:
    return result.metadata["rows_examined"].value


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    folder = tmp_path / "landing"
    put(folder, FILLS, b"".join(member(line(fill(i))) for i in range(5)))
    return folder


@pytest.fixture
def con(landing: Path, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    load_landing(landing, tmp_path / "w.duckdb")
    with duckdb.connect(str(tmp_path / "w.duckdb")) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("create schema staging")
        connection.execute("attach ':memory:' as serve; create schema serve.marts")
        yield connection


def load_of(con: duckdb.DuckDBPyConnection) -> str:
    return con.sql("select load_id from raw.loads order by finished_at desc limit 1").fetchone()[0]


# ---- numbers that must agree ------------------------------------------------------------------------------------------
RANGE_CASES = [  # check, stream, a sound row, what breaks it
    (
        "probabilities_sum_to_one",
        "signals",
        "0.2e0 as p_down_prob, 0.5e0 as p_neutral_prob, 0.3e0 as p_up_prob",
        "p_up_prob = 0.31",
    ),
    (
        "score_is_the_difference_of_probabilities",
        "signals",
        "0.1 as s_model, 0.3 as p_up_prob, 0.2 as p_down_prob",
        "s_model = 0.2",
    ),
    ("equity_is_10000_plus_pnl", "pnl_equity_log", "10001.25 as equity_usd, 1.25 as pnl_total_usd", "equity_usd = 10001.26"),
]


@pytest.mark.parametrize(("name", "stream", "row", "damage"), RANGE_CASES)
def test_numbers_that_disagree_fail(con: duckdb.DuckDBPyConnection, name: str, stream: str, row: str, damage: str) -> None:
    model = f"staging.stg_{stream}"
    con.execute(f"create table {model} as select 'f' as source_file, i as line_no, 'l' as load_id, {row} from range(12) t(i)")
    key = check_key(name, f"stg_{stream}")
    assert state_of(check_range(con, key, stream)) == "passed"
    con.execute(f"update {model} set {damage} where line_no < 11")
    broken = check_range(con, key, stream)
    assert (state_of(broken), examined(broken), broken.metadata["failing_rows"].value) == ("failed", 12, 11)
    assert len(broken.metadata["examples"].records) == 10
    assert state_of(check_range(con, key, stream, Scope(("another load",)))) == "skipped"


def sound_fill(size: int) -> bytes:
    """A fill whose event id is right."""
    middle = fill_middle(1763683200000, "BTCUSDT", "0xab", "buy", 85000.5, size / 1000)
    return f'{{"run_id":"r",{middle},"ts_ist":"2025-11-21T12:00:00.000001+05:30","schema_v":"1","bar_id":4}}\n'.encode()


HASHED_KEY = check_key(EVENT_IDS, "stg_hyperliquid_fills")


def hashed_run(con: duckdb.DuckDBPyConnection, scope: Scope = WHOLE, **options: int) -> tuple[str, int, int, int]:
    """A run of the check that remembers what it did: state, records examined, in scope, never examined."""
    hashed: list[Hashed] = []
    found = check_event_ids(con, HASHED_KEY, STREAM.name, scope, hashed=hashed, **options)
    mark_hashed(con, hashed)
    counts = (found.metadata[name].value for name in ("rows_examined", "records_in_scope", "records_never_examined"))
    return (state_of(found), *counts)


def test_an_event_id_is_computed_from_the_record_as_the_bot_does(tmp_path: Path) -> None:
    put(tmp_path / "landing", FILLS, member(sound_fill(1) + sound_fill(1).replace(b"85000.5", b"85000.6")))
    load_landing(tmp_path / "landing", tmp_path / "w.duckdb")
    with duckdb.connect(str(tmp_path / "w.duckdb")) as con:
        altered = check_event_ids(con, HASHED_KEY, STREAM.name)
    assert (state_of(altered), examined(altered), altered.metadata["failing_rows"].value) == ("warned", 2, 1)
    (row,) = altered.metadata["examples"].records
    assert (row.data["line_no"], row.data["source_file"]) == ("2", FILLS)


def test_event_ids_that_a_run_did_not_come_to_are_told_and_examined_by_the_next_ones(tmp_path: Path) -> None:
    landing, warehouse = tmp_path / "landing", tmp_path / "w.duckdb"
    for day in (21, 22, 23):
        altered = sound_fill(9).replace(b"85000.5", b"85000.6") if day == 22 else sound_fill(9)
        put(landing, FILLS.replace("11-21", f"11-{day}"), member(b"".join(map(sound_fill, range(1, 9))) + altered))
    load_landing(landing, warehouse)
    with duckdb.connect(str(warehouse)) as con:
        first = Scope((load_of(con),))
        assert hashed_run(con, first, at_most=10) == ("passed", 9, 27, 18)
        assert hashed_run(con, first, at_most=5) == ("warned", 9, 27, 9)  # a file larger than the limit is examined, and alone
        # what was found wrong is told again without being computed again, and the rest comes before what was examined
        assert hashed_run(con, at_most=10) == ("warned", 9, 27, 0)
        assert hashed_run(con) == ("warned", 27, 27, 0)
        assert con.sql("select sum(records), sum(wrong_records) from ops.hashed_files").fetchall() == [(27, 1)]
    put(landing, FILLS.replace("11-21", "11-24"), member(sound_fill(10)))
    load_landing(landing, warehouse)
    with duckdb.connect(str(warehouse)) as con:
        second = Scope((load_of(con),))
        assert hashed_run(con, second) == ("passed", 1, 1, 0)
        assert hashed_run(con, Scope(())) == ("skipped", 0, 0, 0)
        found = check_event_ids(con, HASHED_KEY, STREAM.name, at_most=9)
    assert found.metadata["examined"].value == "9 of 28 records"
    assert "11-22" in found.description


def test_every_event_id_of_the_real_logs_is_right(real_logs: Path, tmp_path: Path) -> None:
    load_landing(real_logs, tmp_path / "real.duckdb")
    with duckdb.connect(str(tmp_path / "real.duckdb")) as con:
        for stream in ("hyperliquid_fills", "pnl_equity_log", "overlay_status", "costs"):
            found = check_event_ids(con, check_key(EVENT_IDS, f"stg_{stream}"), stream)
            records = con.sql(f"select count(*) from raw.{stream}").fetchone()[0]
            assert (state_of(found), examined(found)) == ("passed", records)


# ---- streams ------------------------------------------------------------------------------------------------------------
def volume(con: duckdb.DuckDBPyConnection, window: Window) -> dg.AssetCheckResult:
    return check_volume(STREAM, judged_hours(con, STREAM, window))


@pytest.mark.parametrize(("records", "state"), [(101, "passed"), (140, "passed"), (10, "warned"), (400, "warned")])
def test_an_hour_far_from_the_same_hour_of_the_days_before_warns(
    con: duckdb.DuckDBPyConnection, records: int, state: str
) -> None:
    counts(con, "if(h = 12, 100 + d % 3, 0)", f"if(h = 12, {records}, 0)", days=10)
    assert state_of(volume(con, days_window(DAY, DAY))) == state


def counts(con: duckdb.DuckDBPyConnection, past: str, today: str, days: int = 14) -> None:
    """Records of each hour: `past` on `days` days before the 21st and `today` on the 21st, SQL of d (days ago) and h (hour)."""
    con.execute("delete from raw.hyperliquid_fills")
    con.execute(
        f"""
        insert into raw.hyperliquid_fills by name
        select 'f' as source_file, row_number() over () as line_no, 0 as byte_offset, 0 as member_no, 0 as member_offset,
               '{{}}'::json as record, 0 as key_hash, 'l' as load_id,
               timestamptz '2025-11-21 00:10:00+05:30' + h * interval 1 hour - d * interval 1 day as emitted_at
        from range({days} + 1) t(d), range(24) v(h), range(3000) u(i)
        where i < case when d = 0 then {today} else {past} end
        """
    )


SCATTERED = "(hash(d * 100 + h) % 1000)"  # of an hour of a day: a number below 1000, as if by chance


@pytest.mark.parametrize(
    ("past", "today", "unusual"),
    [
        ("12", "12", 0),
        ("12", "case when h = 9 then 1 else 12 end", 1),  # a bot of 12 bars an hour died
        ("13", "case when h = 9 then 26 else 13 end", 1),  # it was started twice
        ("12 + d % 2", "case when h = 9 then 0 else 12 end", 1),
        ("12 + d % 2", "case when h >= 9 then 0 else 12 end", 15),
        ("3", "case when h = 9 then 0 else 3 end", 1),
        ("12", "case when h = 9 then 7 else 12 end", 0),  # less than half of it is gone
        ("1000 + d % 7", "case when h = 9 then 0 else 1001 end", 1),
        # half a day of outage in the history neither hides the next one nor makes the usual unusual
        ("case when d = 3 and h > 12 then 0 else 12 end", "case when h = 9 then 1 else 12 end", 1),
        ("case when d = 3 and h > 12 then 0 else 12 end", "12", 0),
        # fills: nothing for hours, then a dozen or five; as many in other hours today, or none all day
        (f"if({SCATTERED} < 60, 12 + {SCATTERED} % 30, 0)", "if(h in (2, 7, 8), 45, 0)", 0),
        (f"if({SCATTERED} < 60, 12 + {SCATTERED} % 30, 0)", "0", 0),
        # ... but a thousand in an hour
        (f"if({SCATTERED} < 60, 12 + {SCATTERED} % 30, 0)", "if(h = 7, 1000, 0)", 1),
        # errors: one now and then
        (f"if({SCATTERED} < 10, 1, 0)", "if(h in (4, 5), 3, 0)", 0),
        (f"if({SCATTERED} < 10, 1, 0)", "if(h = 4, 60, 0)", 1),
    ],
)
def test_a_count_warns_where_it_cannot_be_chance_and_a_bursty_stream_does_not_cry(
    con: duckdb.DuckDBPyConnection, past: str, today: str, unusual: int
) -> None:
    counts(con, past, today)
    found = volume(con, days_window(DAY, DAY))
    assert (state_of(found), examined(found)) == ("warned" if unusual else "passed", 24)
    assert not unusual or found.metadata["failing_rows"].value == unusual


def test_chance_alone_raises_no_alarm_in_three_weeks(con: duckdb.DuckDBPyConnection) -> None:
    counts(con, "1200", "1200", days=28)
    con.execute("delete from raw.hyperliquid_fills where hash(line_no) % 100 > 0")  # leaves Poisson counts of mean 12
    window = days_window(DAY - dt.timedelta(days=20), DAY)
    found = volume(con, window)
    assert (state_of(found), examined(found)) == ("passed", 21 * 24)


def test_each_day_of_a_range_has_its_own_answer(con: duckdb.DuckDBPyConnection) -> None:
    counts(con, "12", "12", days=28)
    con.execute(
        "delete from raw.hyperliquid_fills where date_trunc('hour', emitted_at + interval 30 minutes) = '2025-11-19 07:00:00+00'"
    )
    by_day = volume_by_day(STREAM, judged_hours(con, STREAM, days_window(DAY - dt.timedelta(days=4), DAY)))
    assert [(day.day, state_of(result), examined(result)) for day, result in by_day] == [
        (day, "warned" if day == 19 else "passed", 24) for day in range(17, 22)
    ]


def test_an_hour_that_was_not_over_when_the_landing_was_listed_is_not_judged(con: duckdb.DuckDBPyConnection) -> None:
    counts(con, "12", "case when h < 9 then 12 else 0 end")
    listed = "update raw.meta set value = '2025-11-21T09:{minute}:00+05:30' where key = 'newest_scan_began_at'"
    con.execute(listed.format(minute=59))
    assert examined(volume(con, days_window(DAY, DAY))) == 9
    con.execute(listed.format(minute=59).replace("T09", "T10"))
    found = volume(con, days_window(DAY, DAY))
    assert (examined(found), found.metadata["failing_rows"].value) == (10, 1)
    con.execute("update raw.files set is_synthetic = true")  # what the simulator wrote ends with its newest event
    assert examined(volume(con, days_window(DAY, DAY))) == 8


def test_without_a_week_of_history_volume_is_skipped_and_says_so(con: duckdb.DuckDBPyConnection) -> None:
    counts(con, "12", "0", days=7)  # the hour it began with is cut: six whole days of it and seven of each later one
    found = volume(con, days_window(DAY, DAY))
    assert examined(found) == 23
    counts(con, "12", "0", days=6)
    found = volume(con, days_window(DAY, DAY))
    assert state_of(found) == "skipped"
    assert "7 days of history" in found.description


def test_an_unknown_key_and_a_value_of_another_type_warn(con: duckdb.DuckDBPyConnection, landing: Path, tmp_path: Path) -> None:
    assert state_of(check_keys(con, STREAM, WHOLE)) == "passed"
    con.close()
    later = FILLS.replace("11-21", "11-22")
    put(landing, later, member(line(fill(7, coin=5))) + member(line(fill(8, venue="elsewhere"))))
    load_landing(landing, tmp_path / "w.duckdb")
    with duckdb.connect(str(tmp_path / "w.duckdb")) as again:
        found = check_keys(again, STREAM, Scope((load_of(again),)))
    assert (state_of(found), examined(found)) == ("warned", 2)
    assert {(row.data["fault"], row.data["path"]) for row in found.metadata["examples"].records} == {
        ("unknown key", "venue"),
        ("not VARCHAR", "coin"),
    }


@pytest.mark.parametrize("damage", ["emitted_at = now() + interval 1 hour", "emitted_at = timestamptz '2025-11-21 23:59:59+00'"])
def test_a_record_from_the_future_or_in_the_folder_of_another_day_warns(con: duckdb.DuckDBPyConnection, damage: str) -> None:
    assert state_of(check_clocks(con, STREAM, WHOLE)) == "passed"
    con.execute(f"update raw.hyperliquid_fills set {damage} where line_no = 1")
    assert state_of(check_clocks(con, STREAM, WHOLE)) == "warned"


# ---- tables -------------------------------------------------------------------------------------------------------------
def test_a_column_that_never_varies_warns_unless_that_is_documented(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        "create table staging.stg_hyperliquid_fills as select date '2025-11-21' as emitted_date_ist, '1' as schema_version, "
        "i::varchar as run_id, i::double as fill_px, i as fill_qty from range(200) t(i)"
    )
    key = dg.AssetKey(["staging", "stg_hyperliquid_fills"])
    assert state_of(check_constants(con, key, STREAM, days_window(DAY, DAY))) == "passed"
    con.execute("update staging.stg_hyperliquid_fills set fill_px = 7")
    found = check_constants(con, key, STREAM, days_window(DAY, DAY))
    assert (state_of(found), found.metadata["examples"].records[0].data["column"]) == ("warned", "fill_px")
    con.execute("delete from staging.stg_hyperliquid_fills where fill_qty >= 99")
    assert state_of(check_constants(con, key, STREAM, days_window(DAY, DAY))) == "skipped"


def test_a_row_whose_run_is_unknown_fails(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("create table serve.marts.dim_runs as select 'r' as run_id")
    con.execute("create table serve.marts.fct_fills as select '5m' as bot, 'r' as run_id from range(3)")
    assert state_of(check_orphans(con, MART, "fct_fills")) == "passed"
    con.execute("insert into serve.marts.fct_fills values ('5m', 'ghost'), ('5m', 'ghost')")
    found = check_orphans(con, MART, "fct_fills")
    assert (state_of(found), found.metadata["failing_rows"].value) == ("failed", 2)


# ---- freshness ----------------------------------------------------------------------------------------------------------
NOON = dt.datetime(2025, 11, 21, 12, 0, tzinfo=IST)


def decided(con: duckdb.DuckDBPyConnection, bot: str, asset: str, at: dt.datetime, *, folder_of_asset: bool = True) -> None:
    """A decision of a bot on an asset, in a file of its own, as if loaded a minute later."""
    file = f"{bot}/date={at:%Y-%m-%d}/{asset if folder_of_asset else ''}/{at:%H%M}"
    con.execute(
        "insert or replace into raw.files by name select * replace ($file as source_file, 'ensemble_log' as stream, $bot as "
        "path_bot, $day as partition_date, $asset as partition_asset, 1 as accepted, $at + interval 1 minute as loaded_at) "
        "from raw.files where stream = 'hyperliquid_fills'",
        {"file": file, "bot": bot, "day": f"{at:%Y-%m-%d}", "asset": asset if folder_of_asset else None, "at": at},
    )
    con.execute(
        "insert into raw.ensemble_log by name select $file as source_file, 1 as line_no, 0 as byte_offset, 0 as member_no, "
        "0 as member_offset, json_object('asset', $asset) as record, 0 as key_hash, $at as emitted_at, 'l' as load_id",
        {"file": file, "asset": asset, "at": at},
    )


def test_a_bot_that_fell_silent_warns_and_synthetic_data_have_no_present(con: duckdb.DuckDBPyConnection) -> None:
    decided(con, "5m", "BTCUSDT", NOON)
    assert state_of(check_fresh(con, DICTIONARY, NOON + dt.timedelta(minutes=69))) == "passed"
    assert state_of(check_fresh(con, DICTIONARY, NOON + dt.timedelta(minutes=71))) == "warned"
    assert state_of(check_fresh(con, DICTIONARY, NOON + dt.timedelta(days=99))) == "warned"
    con.execute("update raw.files set is_synthetic = true")
    assert state_of(check_fresh(con, DICTIONARY, NOON + dt.timedelta(days=9))) == "skipped"
    assert state_of(check_loaded(con, DICTIONARY, NOON + dt.timedelta(days=9))) == "skipped"


@pytest.mark.parametrize("folder_of_asset", [True, False])
@pytest.mark.parametrize("silent", ["BTCUSDT", "ETHUSDT"])
def test_freshness_is_of_each_bot_on_each_asset(con: duckdb.DuckDBPyConnection, silent: str, folder_of_asset: bool) -> None:
    alive = {"BTCUSDT": "ETHUSDT", "ETHUSDT": "BTCUSDT"}[silent]
    for hours in (19, 20):
        decided(con, "5m", silent, NOON - dt.timedelta(hours=hours), folder_of_asset=folder_of_asset)
    decided(con, "5m", alive, NOON - dt.timedelta(minutes=10), folder_of_asset=folder_of_asset)
    decided(con, "24h", "BTCUSDT", NOON - dt.timedelta(hours=19), folder_of_asset=folder_of_asset)
    found = check_fresh(con, DICTIONARY, NOON)
    assert (state_of(found), examined(found)) == ("warned", 3)
    (row,) = found.metadata["examples"].records
    assert (row.data["bot"], row.data["asset"], row.data["event_age_h"]) == ("5m", silent, "19.0")


def test_an_asset_that_a_bot_gave_up_stops_warning_after_a_week_and_a_bot_never(con: duckdb.DuckDBPyConnection) -> None:
    decided(con, "5m", "ETHUSDT", NOON - dt.timedelta(days=7, minutes=10))
    decided(con, "5m", "BTCUSDT", NOON - dt.timedelta(minutes=10))
    found = check_fresh(con, DICTIONARY, NOON)
    assert (state_of(found), examined(found), found.metadata["given_up"].value) == ("passed", 1, "5m ETHUSDT")
    assert state_of(check_fresh(con, DICTIONARY, NOON + dt.timedelta(days=30))) == "warned"


def test_a_newest_load_that_is_old_warns_whatever_the_events_say(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("update raw.loads set finished_at = $at", {"at": NOON})
    decided(con, "5m", "BTCUSDT", NOON + dt.timedelta(hours=2))  # the clock of the bot is ahead
    just, late = (check_loaded(con, DICTIONARY, NOON + dt.timedelta(minutes=minutes)) for minutes in (120, 121))
    assert (state_of(just), just.metadata["load_age_h"].value, just.metadata["event_age_h"].value) == ("passed", 2.0, 0.0)
    assert state_of(late) == "warned"
    assert "delivered into the landing folder" in late.description
    con.execute("delete from raw.ensemble_log")
    decided(con, "24h", "BTCUSDT", NOON)  # nothing is written for hours
    assert state_of(check_loaded(con, DICTIONARY, NOON + dt.timedelta(hours=48))) == "passed"
    assert state_of(check_loaded(con, DICTIONARY, NOON + dt.timedelta(hours=50))) == "warned"
    con.execute("delete from raw.loads")
    assert state_of(check_loaded(con, DICTIONARY, NOON)) == "skipped"
