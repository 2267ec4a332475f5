"""Records that are valid JSON objects with the required keys, and yet not what the bot ever wrote, are staged and harm nobody."""

from pathlib import Path

import pytest

from raw_loaders.load import load_landing
from raw_tables import FILLS, SIGNALS, fill, line, member, put
from staged import build, open_warehouse

HIVE = "date=2025-11-21/asset=BTCUSDT"
CLOCK = {"ts_ist": "2025-11-21T12:00:00.000000+05:30"}
FLAT = {"run_id": "r", "asset": "BTCUSDT", **CLOCK}
SIGNAL = {"ts": 1763683200000, "symbol": "BTCUSDT", "features": [], "model_out": {}, "decision": {}, **CLOCK}


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A landing of odd records, loaded and built."""
    folder = tmp_path_factory.mktemp("odd")
    landing = folder / "landing"
    signals = [
        SIGNAL | {"ts": 9_000_000_000_000_000_000},
        SIGNAL | {"features": ["a", None, {"b": 1}], "model_out": {"s_model": "high", "p_up": [0.1]}},
        SIGNAL | {"decision": {"dir": "up", "details": {"overlay": "on", "chosen": 7}}, "cohort": 3},
    ]
    put(landing, SIGNALS, b"".join(map(line, signals)))
    fills = [fill(0, event_id="no instant"), fill(1, price=1e300, size=-0.0), fill(2, bar_id="x", side="BOTH", ts=-1)]
    put(landing, FILLS, b"".join(member(line(record)) for record in fills))
    costs = [{"ts": 0, "symbol": "X", "costs": costs, **CLOCK} for costs in ({}, {"pnl_attrib": 5}, {"trade_notional": "1e2"})]
    put(landing, "5m/logs/costs/costs.jsonl", b"".join(map(line, costs)))
    ensemble = FLAT | {"event_id": "::::", "pred_stack_bps": 1e308}
    put(landing, f"5m/logs/5m/ensemble_log/{HIVE}/ensemble_log.jsonl", line(ensemble))
    equity = FLAT | {"event_id": "99999999999999999999:X:equity:0", "equity_value": 1e25}
    put(landing, f"5m/logs/5m/pnl_equity_log/{HIVE}/pnl_equity_log.jsonl", line(equity))
    put(landing, f"5m/logs/kpi_scorecard/{HIVE}/kpi_scorecard.jsonl", line(FLAT | {"gates": [], "max_DD_pct": True}))
    load_landing(landing, folder / "warehouse.duckdb")
    build(folder / "warehouse.duckdb", "--exclude-resource-type", "unit_test")
    return folder / "warehouse.duckdb"


def test_odd_records_are_staged_with_null_where_nothing_can_be_read(warehouse: Path) -> None:
    with open_warehouse(warehouse) as connection:
        signals = connection.execute("""
            select bar_open_at is null, s_model, decision_direction, chosen_arm, bot, bot_method, is_canonical
            from staging.stg_signals order by line_no
        """).fetchall()
        assert signals == [
            (True, None, None, None, None, "unattributed", False),
            (False, None, None, None, None, "unattributed", False),
            (False, None, None, "7", None, "unattributed", False),
        ]
        fills = connection.execute("""
            select fill_px is null, fill_qty, side_raw, llm_bar_id is null, is_canonical
            from staging.stg_hyperliquid_fills order by line_no
        """).fetchall()
        assert [row[0] for row in fills] == [False, True, False]
        assert [row[2] for row in fills] == ["buy", "buy", "BOTH"]
        assert all(row[4] for row in fills)
        costs = connection.execute("""
            select shape, bot, run_method, trade_notional_usd from staging.stg_costs order by line_no
        """).fetchall()
        assert [row[:3] for row in costs] == [
            ("other", "5m", "unattributed"),
            ("attribution", "5m", "unattributed"),
            ("breakdown", "5m", "unattributed"),
        ]
        assert costs[2][3] == 100


def test_records_of_an_unreadable_bar_keep_their_bot_and_run(warehouse: Path) -> None:
    with open_warehouse(warehouse) as connection:
        for stream in ("ensemble_log", "pnl_equity_log"):
            row = connection.execute(
                f"select bot, run_id, bar_open_at, decision_id, replica_no from staging.stg_{stream}"
            ).fetchone()
            assert row == ("5m", "r", None, None, None), stream
        runs = connection.execute("select run_id, run_kind, bots, run_kind_null_reason is null from marts.dim_runs").fetchall()
        assert ("r", None, [], False) in runs
