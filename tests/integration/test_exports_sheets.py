"""Mirrors of the bot's sheets, and their cross-check with sheets laid out as the bot lays them out."""

import csv
import datetime as dt
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from contract_marts import make_marts
from exports.errors import SelectionError, SourceError
from exports.marts import Window
from exports.sheets.crosscheck import Comparison, cross_check
from exports.sheets.mirror import SHEETS, export_sheets

DAY = dt.date(2025, 11, 21)
WINDOW = Window(DAY, DAY + dt.timedelta(days=1))
NOON = dt.datetime(2025, 11, 21, 6, 30, tzinfo=dt.UTC)  # 12:00 IST
BARS = [NOON + dt.timedelta(minutes=5 * n) for n in range(4)]
SYMBOL = "BTCUSDT"

# the columns the bot gives each of its sheets
LAYOUTS = {
    "signals": "ts_iso ts open high low close volume S_top S_bot S_mood p_down p_neutral p_up s_model s_model_meta s_model_bma "
    "model_source bma_w_base bma_w_prob pred_bma_bps dir alpha funding funding_stale position exec_resp",
    "executions_paper": "ts_iso ts side qty mid_price fill_price notional_usd intended_notional target_pos paper_qty "
    "paper_avg_px realized_pnl unrealized_pnl fee impact equity raw",
    "equity": "ts_iso ts last_price paper_qty paper_avg_px realized unrealized equity",
    "bandit": "ts_iso ts event chosen raw dir alpha eligible_pros eligible_amateurs eligible_model_meta eligible_model_bma "
    "reward counts means variances",
    "overlay": "ts_iso ts dir alpha confidence alignment_rule chosen_timeframes individual_signals",
    "kpi": "ts_iso ts sharpe_1w max_dd_pct turnover_bps_day in_band_share gate_sharpe gate_dd gate_cost gate_turnover summary",
    "health": "ts_iso ts recent_bars mean_p_down mean_p_up mean_s_model exec_count_recent funding_stale equity ws_queue_drops "
    "ws_reconnects ws_staleness_ms Sharpe_roll_1d Sharpe_roll_1w Sortino_1w max_dd_to_date time_in_mkt hit_rate_w "
    "turnover_bps_day capacity_participation ic_drift calibration_drift leakage_flag same_bar_roundtrip_flag in_band_share",
    "hyperliquid": "ts_iso ts address coin side price size",
    "log_mirror": "ts_iso ts dir alpha price notional_usd intended_notional target_pos current_pos exch_qty_before "
    "exch_qty_after reconciled exec_resp",
}
# a column of each sheet that is compared, and is no part of its key
CHANGED = {
    "signals": ("p_up", "p_up_prob"), "executions_paper": ("paper_avg_px", "avg_px"), "equity": ("equity", "equity_usd"),
    "bandit": ("chosen", "chosen_arm"), "overlay": ("alpha", "intent_strength"), "kpi": ("gate_dd", "is_drawdown_gate_passed"),
    "health": ("mean_p_up", "mean_p_up_prob"), "hyperliquid": ("price", "price"), "log_mirror": ("alpha", "decision_strength"),
}  # fmt: skip
# buy 0.5 at 100, buy 0.5 at 110, sell 0.4 at 120, sell 1.1 at 90 (through flat): average 105, then short at 90
FILLS = [
    ("BUY", 0.5, 100.0, 0.0, 0.5),
    ("BUY", 0.5, 110.0, 0.5, 1.0),
    ("SELL", 0.4, 120.0, 1.0, 0.6),
    ("SELL", 1.1, 90.0, 0.6, -0.5),
]
AVERAGES = [100.0, 105.0, 105.0, 90.0]
FEES = [qty * price * 5 / 1e4 for _, qty, price, *_ in FILLS]
IMPACTS = [0.5 * qty * qty * price for _, qty, price, *_ in FILLS]
GROSS = [0.0, 0.0, 0.4 * (120 - 105), 0.4 * (120 - 105) + 0.6 * (90 - 105)]
REALIZED = [GROSS[n] - sum(FEES[: n + 1]) - sum(IMPACTS[: n + 1]) for n in range(4)]


def logged(stream: str, line: int, **metrics: float | None) -> list[dict[str, object]]:
    """The rows of one record in mart_logged_vs_recomputed."""
    record = {
        "stream": stream, "source_file": "f", "line_no": line, "bot": "5m", "run_id": "r", "symbol": SYMBOL,
        "bar_open_at": BARS[line], "emitted_at": BARS[line], "emitted_date_ist": DAY, "is_canonical": True,
    }  # fmt: skip
    return [record | {"metric": metric, "logged_value": value} for metric, value in metrics.items()]


@pytest.fixture(scope="module")
def marts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four bars of bot 5m with a fill each, one bar of bot 1h with an overlay, records of health, and fills of others."""
    identity = {"run_id": "r", "symbol": SYMBOL, "is_canonical": True}
    decisions = [
        identity | {
            "decision_id": f"d{n}", "bot": "5m", "bar_open_at": bar, "decided_at": bar + dt.timedelta(minutes=6),
            "decided_date_ist": DAY, "p_down_prob": 0.2, "p_neutral_prob": 0.3, "p_up_prob": 0.5 + n / 100, "s_model": 0.3,
            "decision_direction": 1, "decision_strength": 0.5 + n / 10, "intent_side": "BUY", "intent_strength": 0.5,
            "chosen_arm": "model_meta", "chosen_arm_value": 0.25, "has_overlay": False, "target_position_fraction": 0.1,
        }
        for n, bar in enumerate(BARS)
    ]  # fmt: skip
    overlays = [
        decision | {"decision_id": f"o{n}", "bot": "1h", "has_overlay": True, "overlay_alignment_rule": "fallback"}
        | {"overlay_confidence": 0.4, "intent_side": "SELL" if n == 1 else "HOLD"}
        for n, decision in enumerate(decisions)
    ]  # fmt: skip
    fills = [
        identity | {
            "fill_id": f"f{n}", "book_id": "b", "decision_id": f"d{n}", "bot": "5m", "bar_open_at": BARS[n], "fill_no": n + 1,
            "filled_at": BARS[n] + dt.timedelta(minutes=6), "filled_date_ist": DAY, "side": side, "qty": Decimal(str(qty)),
            "price": Decimal(str(price)), "notional_usd": Decimal(str(qty * price)), "decision_px": Decimal(str(price)),
            "fee_bps": 5.0, "impact_k": 0.5, "fee_usd": Decimal(str(round(FEES[n], 2))),
            "impact_usd": Decimal(str(round(IMPACTS[n], 2))),
            "position_before_qty": Decimal(str(before)), "position_after_qty": Decimal(str(after)), "is_forced": False,
        }
        for n, (side, qty, price, before, after) in enumerate(FILLS)
    ]  # fmt: skip
    equity = [
        identity | {"decision_id": f"d{n}", "bot": "5m", "point_no": n + 1, "bar_open_at": bar, "emitted_at": bar}
        | {"emitted_date_ist": DAY, "equity_usd": Decimal(10000 + n), "pnl_total_usd": Decimal(n), "position_qty": Decimal("0.5")}
        | {"bar_close_px": Decimal("100")}
        for n, bar in enumerate(BARS)
    ]  # fmt: skip
    others = [
        {"fill_id": f"h{n}", "filled_at": bar, "filled_date_ist": DAY, "coin": "BTC", "wallet_address": "0xA", "side_raw": "B"}
        | {"qty": Decimal("0.1"), "price": Decimal("100.5")}
        for n, bar in enumerate(BARS)
    ]  # fmt: skip
    records = [
        row
        for n in range(4)
        for row in (
            *logged(
                "kpi_scorecard", n, sharpe_1w=None, max_drawdown_pct=0.0, is_sharpe_gate_passed=0.0, is_drawdown_gate_passed=1.0
            ),
            *logged(
                "health", n, recent_bar_count=60.0, mean_p_up_prob=0.25, is_funding_stale=0.0, equity_usd=10000.0, ic_drift=None
            ),
        )
    ]
    rows = {
        "fct_decisions": decisions + overlays, "fct_fills": fills, "fct_equity": equity, "fct_cohort_fills": others,
        "mart_logged_vs_recomputed": records,
    }  # fmt: skip
    return make_marts(tmp_path_factory.mktemp("marts") / "served.duckdb", rows)


def bots_own_rows(sheet: str) -> list[dict[str, object]]:
    """What the bot would have written into its sheet for the same four bars."""
    rows = []
    for n, bar in enumerate(BARS):
        side, qty, price, _, after = FILLS[n]
        values = {
            "signals": {"close": 100.0, "p_down": 0.2, "p_neutral": 0.3, "p_up": 0.5 + n / 100, "s_model": 0.3, "dir": 1}
            | {"alpha": 0.5 + n / 10, "position": 0.1},
            "executions_paper": {"side": side, "qty": qty, "mid_price": price, "fill_price": price, "notional_usd": qty * price}
            | {"target_pos": 0.1, "paper_qty": after, "paper_avg_px": AVERAGES[n], "realized_pnl": REALIZED[n], "fee": FEES[n]}
            | {"impact": IMPACTS[n], "equity": 10000.0 + n},
            "equity": {"last_price": 100.0, "paper_qty": 0.5, "equity": 10000.004 + n},
            "bandit": {"event": "select", "chosen": "model_meta", "raw": 0.25, "dir": 1, "alpha": 0.5},
            "overlay": {"dir": -1 if n == 1 else 0, "alpha": 0.5, "confidence": 0.4, "alignment_rule": "fallback"},
            "kpi": {"max_dd_pct": 0.0, "gate_sharpe": 0, "gate_dd": 1},
            "health": {"recent_bars": 60, "mean_p_up": 0.25, "funding_stale": 0, "equity": 10000.0},
            "hyperliquid": {"address": "0xa", "coin": "BTC", "side": "B", "price": 100.5, "size": 0.1},
            "log_mirror": {"dir": 1, "alpha": 0.5 + n / 10, "price": price, "notional_usd": qty * price, "target_pos": 0.1},
        }[sheet]
        rows.append({"ts_iso": bar.isoformat(), "ts": int(bar.timestamp() * 1000)} | values)
    return rows


def compared(marts: Path, folder: Path, sheet: str, rows: Sequence[dict[str, object]]) -> Comparison:
    """The cross-check of a sheet in the bot's own layout."""
    path = folder / f"{sheet}.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, LAYOUTS[sheet].split())
        writer.writeheader()
        writer.writerows(rows)
    bot = None if sheet == "hyperliquid" else "1h" if sheet == "overlay" else "5m"
    return cross_check(marts, sheet, path, WINDOW, bot)


@pytest.mark.parametrize("sheet", LAYOUTS)
def test_a_faithful_sheet_is_equal_and_one_change_is_named(marts: Path, tmp_path: Path, sheet: str) -> None:
    """The bot's layout and clock; then a changed value, a missing row, a row too many, each named and nothing else."""
    rows = bots_own_rows(sheet)
    result = compared(marts, tmp_path, sheet, rows)
    assert (result.is_equal, result.matched, result.differences) == (True, 4, [])

    column, ours = CHANGED[sheet]
    changed = [
        row | {column: "other" if column == "chosen" else float(row[column]) + 7} if n == 2 else row for n, row in enumerate(rows)
    ]
    result = compared(marts, tmp_path, sheet, changed)
    assert [(difference[0].split()[0], difference[1]) for difference in result.differences] == [
        ("2025-11-21T12:10:00+05:30", ours)
    ]
    assert (result.difference_count, result.only_theirs, result.only_ours, result.is_equal) == (1, 0, 0, False)

    result = compared(marts, tmp_path, sheet, rows[:1] + rows[2:])
    assert [key.split()[0] for key in result.missing_there] == ["2025-11-21T12:05:00+05:30"]
    assert (result.only_ours, result.only_theirs, result.difference_count, result.is_equal) == (1, 0, 0, False)

    late = BARS[-1] + dt.timedelta(minutes=30)  # after our last row, and still in the window
    extra = rows[3] | {"ts_iso": late.isoformat(), "ts": int(late.timestamp() * 1000)}
    result = compared(marts, tmp_path, sheet, [*rows, extra])
    assert [key.split()[0] for key in result.missing_here] == ["2025-11-21T12:45:00+05:30"]
    assert (result.only_theirs, result.only_ours, result.difference_count, result.is_equal) == (1, 0, 0, False)


def test_every_sheet_is_compared_or_refused_with_its_reason(marts: Path, tmp_path: Path) -> None:
    assert {*LAYOUTS, "alerts"} == set(SHEETS)
    (tmp_path / "alerts.csv").write_text("ts_iso,ts,type,staleness_ms,reconnects,queue_drops,payload_json\n")
    with pytest.raises(SelectionError, match=r"sheet alerts cannot be compared: .* stale connections"):
        cross_check(marts, "alerts", tmp_path / "alerts.csv", WINDOW)


def test_replicas_are_paired_with_what_they_resemble(marts: Path, tmp_path: Path) -> None:
    """Processes deciding the same bar write rows with the same clock in any order: multiplicity counts, order does not."""
    rows = bots_own_rows("equity")
    result = compared(marts, tmp_path, "equity", [rows[0] | {"equity": 1.0}, *rows])
    assert (result.matched, result.only_theirs, result.difference_count) == (4, 1, 0)
    assert result.missing_here == ["2025-11-21T12:00:00+05:30"]


def test_rewards_of_the_bandit_are_set_aside_and_counted(marts: Path, tmp_path: Path) -> None:
    rows = bots_own_rows("bandit")
    result = compared(marts, tmp_path, "bandit", [*rows, rows[0] | {"event": "update", "reward": 0.1}])
    assert (result.is_equal, result.set_aside_rows) == (True, 1)


def test_the_bot_of_a_sheet_must_be_named(marts: Path, tmp_path: Path) -> None:
    path = tmp_path / "signals.csv"
    path.write_text("ts,s_model\n1763706600000,0.3\n")
    with pytest.raises(SelectionError, match=r"name its bot with --bot \(1h, 5m\)"):
        cross_check(marts, "signals", path, WINDOW)
    with pytest.raises(SelectionError, match="no row of bot 24h"):
        cross_check(marts, "signals", path, WINDOW, "24h")


def test_what_is_no_sheet_is_one_sentence(marts: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n")
    refused: list[tuple[Callable[[], object], str]] = [
        (lambda: cross_check(marts, "no_such", path, WINDOW), "No cross-check is known"),
        (lambda: cross_check(marts, "executions_paper", path, WINDOW), "no column of the clock"),
        (lambda: cross_check(marts, "executions_paper", tmp_path / "none.csv", WINDOW), "cannot be read as CSV"),
        (lambda: export_sheets(marts, tmp_path, WINDOW, sheets=["no_such"]), "No sheet is called"),
    ]
    for call, sentence in refused:
        with pytest.raises(SelectionError, match=sentence):
            call()
    with pytest.raises(SourceError, match="There is no file"):
        export_sheets(tmp_path / "none.duckdb", tmp_path, WINDOW)


def test_sheets_are_mirrored_as_csv_and_parquet(marts: Path, tmp_path: Path) -> None:
    mirrors = {mirror.sheet: mirror for mirror in export_sheets(marts, tmp_path, WINDOW)}
    assert set(mirrors) == set(SHEETS) and len(SHEETS) == 10
    with mirrors["executions_paper"].csv.open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["avg_px"]) for row in rows] == pytest.approx(AVERAGES)
    assert [float(row["realized_pnl_usd"]) for row in rows] == pytest.approx(REALIZED)
    for mirror in mirrors.values():
        count = duckdb.sql(f"select count(*) from read_parquet('{mirror.parquet}', hive_partitioning = false)").fetchone()[0]
        assert count == mirror.rows
    before = mirrors["signals"].csv.read_bytes()
    export_sheets(marts, tmp_path, WINDOW, sheets=["signals"])
    assert mirrors["signals"].csv.read_bytes() == before
    for sheet in LAYOUTS:
        assert cross_check(marts, sheet, mirrors[sheet].csv, WINDOW).is_equal, sheet
