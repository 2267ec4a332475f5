"""Operations marts against references in plain Python, over a simulated tree that lost records."""

import gzip
import math
import shutil
import subprocess
import sys
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import empyrical
import numpy as np
import pytest

from raw_loaders.load import load_landing
from staged import build, differences, open_warehouse

MARTS = "+path:models/marts/operations"
IST = timedelta(hours=5, minutes=30)
LOST = {"feature_log": 7, "health": 2, "sizing_risk_log": 5}


@pytest.fixture(scope="module")
def landing(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """A simulated tree of two symbols that trades much."""
    folder = tmp_path_factory.mktemp("simulated_operations") / "landing"
    command = [
        sys.executable, "-m", "raw_loaders.simulate", "--out", str(folder), "--seed", "31", "--days", "2", "--runs", "3",
        "--assets", "BTCUSDT,ETHUSDT", "--trading", "active", "--third-party-fills", "100",
    ]  # fmt: skip
    subprocess.run(command, cwd=repository, check=True, capture_output=True)
    return folder


def lose_records(warehouse: Path) -> None:
    """Delete some records of some streams, always the same ones, as if their lines had been damaged."""
    with duckdb.connect(str(warehouse)) as connection:
        for stream, count in LOST.items():
            connection.execute(
                f"""
                delete from raw.{stream} where (source_file, line_no) in (
                    select (source_file, line_no) from raw.{stream} order by hash(cast(record as varchar)), line_no limit {count}
                )
                """
            )


@pytest.fixture(scope="module")
def simulated(landing: Path) -> Path:
    """The simulated tree with a few records lost, built."""
    warehouse = landing.parent / "warehouse.duckdb"
    load_landing(landing, warehouse)
    lose_records(warehouse)
    build(warehouse, MARTS, "--exclude-resource-type", "unit_test")
    return warehouse


def rows(warehouse: Path, query: str) -> list[tuple]:
    with open_warehouse(warehouse) as connection:
        return connection.execute(query).fetchall()


def records(warehouse: Path, query: str) -> list[dict]:
    with open_warehouse(warehouse) as connection:
        result = connection.execute(query)
        names = [column[0] for column in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def hour_ist(instant: datetime) -> datetime:
    local = instant.astimezone(UTC) + IST
    return local.replace(minute=0, second=0, microsecond=0) - IST


def test_coverage_finds_exactly_the_records_that_were_lost(simulated: Path) -> None:
    missing = rows(
        simulated,
        "select stream, sum(missing_count) from marts.mart_stream_coverage group by stream having sum(missing_count) > 0",
    )
    assert {stream: int(count) for stream, count in missing} == LOST


def test_every_record_counts_once_in_volume_and_coverage(simulated: Path, landing: Path) -> None:
    volume = dict(rows(simulated, "select stream, sum(record_count) from marts.mart_stream_volume group by stream"))
    coverage = dict(rows(simulated, "select stream, sum(present_count) from marts.mart_stream_coverage group by stream"))
    lines: Counter[str] = Counter()
    text: Counter[str] = Counter()
    for file in landing.rglob("*.jsonl*"):
        stream = file.name.split(".jsonl")[0]
        content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        lines[stream] += content.count(b"\n")
        text[stream] += len(content) - content.count(b"\n")
    assert {stream: int(count) for stream, count in volume.items()} == {s: n - LOST.get(s, 0) for s, n in lines.items()}
    assert {stream: int(count) for stream, count in coverage.items()} == {s: int(n) for s, n in volume.items()}
    measured = dict(rows(simulated, "select stream, sum(text_bytes) from marts.mart_stream_volume group by stream"))
    assert {s: int(n) for s, n in measured.items() if s not in LOST} == {s: n for s, n in text.items() if s not in LOST}


def test_risk_budget_follows_the_equity_records(simulated: Path) -> None:
    books: dict[tuple, list] = defaultdict(list)
    for point in records(
        simulated, "select * from staging.stg_pnl_equity_log where run_id is not null order by bar_open_at, emitted_at"
    ):
        books[point["bot"], point["run_id"], point["symbol"]].append(point)
    fills: dict[tuple, Decimal] = defaultdict(Decimal)
    for fill in records(simulated, "select * from staging.stg_execution_log"):
        day = (fill["filled_at"].astimezone(UTC) + IST).date()
        fills[fill["bot"], fill["run_id"], fill["symbol"], day] += fill["fill_px"] * fill["fill_qty"]
    expected = {}
    for book, points in books.items():
        before = peak = points[0]["equity_usd"] - points[0]["pnl_total_usd"]
        opened: dict = {}
        for point in points:
            day = (point["emitted_at"].astimezone(UTC) + IST).date()
            opened.setdefault(day, before)
            before = point["equity_usd"]
            peak = max(peak, before)
            loss = max(opened[day] - before, Decimal(0))
            worst = max(expected[(*book, day)][1] if (*book, day) in expected else loss, loss)
            remaining = peak * Decimal("0.015") - loss
            expected[(*book, day)] = (loss, worst, remaining, fills.get((*book, day), Decimal(0)))
    found = {
        tuple(row[:4]): tuple(row[4:])
        for row in rows(
            simulated,
            """
            select bot, run_id, symbol, date_ist,
                daily_loss_usd, worst_daily_loss_usd, daily_risk_remaining_usd, executed_notional_usd
            from marts.mart_risk_budget_daily
            """,
        )
    }
    assert found == expected
    assert any(worst > 0 for _, worst, _, _ in expected.values())


def test_trailing_windows_of_health_hold_what_a_scan_finds(simulated: Path) -> None:
    decisions: dict[str, list] = defaultdict(list)
    for decision in records(simulated, "select * from marts.fct_decisions where is_canonical order by decided_at"):
        decisions[decision["bot"]].append(decision)
    buckets = records(simulated, "select * from marts.mart_health_5m")
    assert len(buckets) > 1000
    for bucket in buckets:
        mine = decisions[bucket["bot"]]
        times = [decision["decided_at"] for decision in mine]
        end = bucket["bucket_end_at"]
        window = mine[bisect_left(times, end - timedelta(hours=1)) : bisect_left(times, end)]
        known = [decision for decision in window if decision["is_blocked"] is not None]
        rate = sum(decision["is_blocked"] for decision in known) / len(known) if known else None
        assert bucket["order_reject_rate_1h"] == rate
        throttled = sum(decision["guard_token"] == "throttle_guard" for decision in window)
        assert bucket["throttle_events_1h"] == (throttled if window else None)


def test_hours_and_days_of_health_end_and_peak_with_their_five_minutes(simulated: Path) -> None:
    fives: dict[tuple, list] = defaultdict(list)
    for bucket in records(simulated, "select * from marts.mart_health_5m order by bucket_start_at"):
        fives[bucket["bot"], hour_ist(bucket["bucket_start_at"])].append(bucket)
    hours = records(simulated, "select * from marts.mart_health_1h")
    assert len(hours) == len(fives)
    for hour in hours:
        parts = fives[hour["bot"], hour["bucket_start_at"].astimezone(UTC)]
        for column in ("daily_loss_usd", "risk_utilization_pct", "funding_staleness_sec", "last_market_update_ms"):
            assert hour[column] == parts[-1][column]
            assert hour[f"{column}_max"] == max((p[column] for p in parts if p[column] is not None), default=None)
    days = rows(simulated, "select sum(decision_count), sum(fill_count), count(*) from marts.mart_health_24h")
    assert days[0][:2] == rows(simulated, "select sum(decision_count), sum(fill_count) from marts.mart_health_5m")[0]


def test_sessions_add_up_and_follow_the_equity(simulated: Path) -> None:
    counts = ("total_decisions", "total_trades", "total_rejections", "fill_count", "total_pnl_usd", "won_trade_count")
    sums = ", ".join(f"sum({column})" for column in counts)
    hourly, daily = (
        rows(
            simulated, f"select bot, date_ist, {sums} from marts.mart_session_summary_{grain} group by all order by bot, date_ist"
        )
        for grain in ("hourly", "daily")
    )
    assert hourly == daily and hourly
    points: dict[tuple, list] = defaultdict(list)
    for point in records(simulated, "select * from marts.fct_equity where run_kind = 'live_paper' order by point_no"):
        points[point["bot"], point["run_id"], point["symbol"]].append(point)
    pnl: dict[tuple, Decimal] = defaultdict(Decimal)
    drawdown: dict[tuple, float] = defaultdict(float)
    for (bot, _, _), book in points.items():
        before = book[0]["start_equity_usd"]
        session, peak = None, before
        for point in book:
            if hour_ist(point["emitted_at"]) != session:
                session, peak = hour_ist(point["emitted_at"]), before
            pnl[bot, session] += point["equity_usd"] - before
            before = point["equity_usd"]
            peak = max(peak, before)
            drawdown[bot, session] = min(drawdown[bot, session], float(before) / float(peak) - 1)
    found = records(simulated, "select * from marts.mart_session_summary_hourly where total_pnl_usd is not null")
    assert {(row["bot"], row["session_start_at"].astimezone(UTC)): row["total_pnl_usd"] for row in found} == pnl
    for row in found:
        assert math.isclose(row["max_dd_session"], drawdown[row["bot"], row["session_start_at"].astimezone(UTC)], abs_tol=1e-12)


def test_recomputed_ratios_equal_empyrical(simulated: Path) -> None:
    points: dict[tuple, list] = defaultdict(list)
    for point in records(simulated, "select * from marts.fct_equity order by emitted_at"):
        points[point["bot"], point["run_id"], point["symbol"]].append(point)
    compared = records(
        simulated,
        """
        select metric, bot, run_id, symbol, decision_id, recomputed_value from marts.mart_logged_vs_recomputed
        where stream = 'health' and recomputed_value is not null
            and metric in ('sharpe_roll_1d', 'sortino_1w', 'max_drawdown_share')
        """,
    )
    assert {row["metric"] for row in compared} == {"sharpe_roll_1d", "sortino_1w", "max_drawdown_share"}
    for row in compared:
        book = points[row["bot"], row["run_id"], row["symbol"]]
        place = next(i for i, point in enumerate(book) if point["decision_id"] == row["decision_id"])
        past, now = book[: place + 1], book[place]["emitted_at"]
        per_year = 365 * 86400 / {"5m": 300, "1h": 3600, "12h": 43200, "24h": 86400}[row["bot"]]
        if row["metric"] == "max_drawdown_share":
            curve = np.array([float(book[0]["start_equity_usd"]), *(float(point["equity_usd"]) for point in past)])
            expected = empyrical.max_drawdown(curve[1:] / curve[:-1] - 1)
        else:
            span = timedelta(days=1 if row["metric"] == "sharpe_roll_1d" else 7)
            window = past[bisect_left([point["emitted_at"] for point in past], now - span) :]
            returns = np.array([point["bar_return"] for point in window if point["bar_return"] is not None])
            ratio = empyrical.sharpe_ratio if row["metric"] == "sharpe_roll_1d" else empyrical.sortino_ratio
            expected = ratio(returns, annualization=per_year)
        assert math.isclose(row["recomputed_value"], expected, rel_tol=1e-6, abs_tol=1e-12), row


def test_staleness_is_the_age_of_the_oldest_book(simulated: Path) -> None:
    bars: dict[tuple, list] = defaultdict(list)
    for decision in records(simulated, "select * from marts.fct_decisions order by decided_at"):
        bars[decision["bot"], decision["run_id"], decision["symbol"]].append((decision["decided_at"], decision["bar_close_at"]))
    runs = {row["run_id"]: row for row in records(simulated, "select * from marts.dim_runs")}
    for row in records(simulated, "select * from marts.mart_source_staleness where source = 'market_bars' and bot = '1h'"):
        bucket = row["as_of_at"] - timedelta(minutes=5)
        alive = [
            (run["run_kind"], book)
            for book in bars
            if book[0] == "1h"
            for run in [runs[book[1]]]
            if run["last_emitted_at"] >= bucket and run["first_emitted_at"] < row["as_of_at"]
        ]
        kinds = {kind for kind, _ in alive}
        speaking = [book for kind, book in alive if kind == "live_paper" or "live_paper" not in kinds]
        ages = []
        for book in speaking:
            seen = bars[book][: bisect_right([at for at, _ in bars[book]], row["as_of_at"] - timedelta(microseconds=1))]
            ages += [(row["as_of_at"] - max(close for _, close in seen)).total_seconds()] if seen else []
        assert row["staleness_s"] == max(ages, default=None)


def test_days_of_the_audit_report_add_up_to_the_whole(simulated: Path) -> None:
    found = records(
        simulated,
        """
        select section, item,
            sum(numerator) filter (where period = 'day') as days, max(numerator) filter (where period = 'all') as whole
        from marts.mart_audit_report
        where unit = 'share' or item = 'text_volume'
        group by section, item
        """,
    )
    assert len(found) > 8
    assert all(row["days"] == row["whole"] for row in found)
    flags = rows(simulated, "select count(distinct item) from marts.mart_audit_report where section = 'guard_flags'")
    assert flags == [(6,)]


@pytest.mark.long
def test_marts_do_not_depend_on_the_order_of_rows_or_loads(simulated: Path, landing: Path, tmp_path: Path) -> None:
    part = tmp_path / "part"
    files = sorted(file for file in landing.rglob("*") if file.is_file())
    for file in files[::2]:
        target = part / file.relative_to(landing)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    warehouse = tmp_path / "warehouse.duckdb"
    shutil.copy(landing / "_SYNTHETIC.json", part / "_SYNTHETIC.json")
    load_landing(part, warehouse)
    shutil.copytree(landing, part, dirs_exist_ok=True)
    load_landing(part, warehouse)
    lose_records(warehouse)
    with duckdb.connect(str(warehouse)) as connection:
        tables = connection.execute("select table_name from duckdb_tables() where schema_name = 'raw'").fetchall()
        for (table,) in tables:
            connection.execute(f"create table raw.shuffled as select * from raw.{table} as rows order by hash(rows)")
            connection.execute(f"drop table raw.{table}")
            connection.execute(f"alter table raw.shuffled rename to {table}")
    build(warehouse, MARTS, "--threads", "1", "--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")
    assert differences(simulated, warehouse) == {}
