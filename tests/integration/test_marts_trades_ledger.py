"""The lot ledger and the risk ratios against independent references, on random tapes and random equity."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from pathlib import Path

import duckdb
import empyrical
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from dbt_commands import compile_sql
from lot_ledger import as_rows, ledger, random_tape

START = datetime(2025, 11, 21, tzinfo=UTC)
OWN = ["int_fill_parts", "fct_round_trip_legs"]
COHORT = ["fct_cohort_fills", "int_cohort_fill_parts", "fct_cohort_round_trips"]
RISK = ["mart_risk_metrics"]


@pytest.fixture(scope="module")
def fifo(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The models with lots matched first in, first out."""
    return compile_sql(tmp_path_factory.mktemp("fifo"), *OWN, *COHORT, *RISK)


@pytest.fixture(scope="module")
def average(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The models with average cost."""
    return compile_sql(tmp_path_factory.mktemp("average"), *OWN, *COHORT, *RISK, "--vars", "{lot_matching: average}")


@pytest.fixture
def bench(tmp_path: Path) -> duckdb.DuckDBPyConnection:
    """An empty warehouse."""
    connection = duckdb.connect(str(tmp_path / "warehouse.duckdb"))
    connection.execute("set timezone = 'UTC'")
    connection.execute("create schema staging; create schema intermediate; create schema marts")
    return connection


def load_cohort(bench: duckdb.DuckDBPyConnection, tapes: dict[str, list[tuple[Decimal, Decimal]]]) -> None:
    """The tapes as fills of wallets, a second apart, in random order of rows."""
    rows = [
        {
            "wallet_address": wallet, "coin": "BTC", "symbol": "BTCUSDT", "side_raw": "buy" if signed > 0 else "sell",
            "fill_px": px, "fill_qty": abs(signed), "filled_at": START + timedelta(seconds=number),
            "emitted_at": START + timedelta(days=1, microseconds=number), "event_id": f"{wallet}:{number}", "fill_ordinal": 1,
            "source_file": wallet, "line_no": number, "is_canonical": True, "is_synthetic": True,
        }
        for wallet, tape in tapes.items()
        for number, (signed, px) in enumerate(tape)
    ]  # fmt: skip
    random.Random(1).shuffle(rows)
    schema = pa.Table.from_pylist(rows).schema
    for name in ("fill_px", "fill_qty"):
        schema = schema.set(schema.get_field_index(name), pa.field(name, pa.decimal128(28, 10)))
    incoming = pa.Table.from_pylist(rows, schema=schema)
    bench.register("incoming", incoming)
    bench.execute("create table staging.stg_hyperliquid_fills as select * from incoming")


def build_cohort(bench: duckdb.DuckDBPyConnection, models: dict[str, str]) -> dict[str, list[tuple]]:
    """Wallet -> (direction, fills, entry qty, exit qty, entry vwap, exit vwap, gross) of its trips in order."""
    for name, schema in zip(COHORT, ["marts", "intermediate", "marts"], strict=True):
        bench.execute(f"create table {schema}.{name} as {models[name]}")
    trips: dict[str, list[tuple]] = {}
    for wallet, *trip in bench.execute(
        """
        select
            wallet_address, direction_raw, fill_count, entry_qty, exit_qty, entry_vwap_px, exit_vwap_px, gross_pnl_as_logged_usd
        from marts.fct_cohort_round_trips
        order by wallet_address, episode_no
        """
    ).fetchall():
        trips.setdefault(wallet, []).append(tuple(trip))
    return trips


@pytest.mark.parametrize("seed", range(3))
def test_random_tapes_equal_an_exact_ledger(bench: duckdb.DuckDBPyConnection, fifo: dict[str, str], seed: int) -> None:
    dice = random.Random(seed)
    with localcontext() as context:
        context.prec = 60
        tapes = {f"wallet{number}": random_tape(dice, dice.randrange(1, 80)) for number in range(60)}
        load_cohort(bench, tapes)
        assert build_cohort(bench, fifo) == {wallet: as_rows(ledger(tape)) for wallet, tape in tapes.items()}


def test_average_cost_moves_results_between_legs_but_not_between_trades(
    bench: duckdb.DuckDBPyConnection, average: dict[str, str]
) -> None:
    """Closed trades are exact; of a trade still open the rounded pool may be off by 1e-7 USD (doubles of 1e4 USD)."""
    dice = random.Random(4)
    with localcontext() as context:
        context.prec = 60
        tapes = {f"wallet{number}": random_tape(dice, dice.randrange(1, 60)) for number in range(40)}
        load_cohort(bench, tapes)
        mine = build_cohort(bench, average)
        for wallet, tape in tapes.items():
            for row, trip, truth in zip(mine[wallet], ledger(tape), as_rows(ledger(tape), "average_gross"), strict=True):
                assert row[:6] == truth[:6]
                assert abs(row[6] - truth[6]) < Decimal("1e-7")
                if not trip.open_qty:
                    assert row[6] == trip.gross


def test_a_mirrored_tape_mirrors_and_halved_fills_change_no_episode(
    bench: duckdb.DuckDBPyConnection, fifo: dict[str, str]
) -> None:
    dice = random.Random(9)
    tape = [(2 * signed, px) for signed, px in random_tape(dice, 60)]
    halves = [(signed / 2, px) for signed, px in tape for _ in range(2)]
    load_cohort(bench, {"plain": tape, "mirrored": [(-signed, px) for signed, px in tape], "halved": halves})
    trips = build_cohort(bench, fifo)
    turned = {"LONG": "SHORT", "SHORT": "LONG"}
    assert trips["mirrored"] == [(turned[trip[0]], *trip[1:6], -trip[6]) for trip in trips["plain"]]
    # a half may end at flat where the whole went through it; quantities, prices and results stay
    assert [(trip[0], *trip[2:]) for trip in trips["halved"]] == [(trip[0], *trip[2:]) for trip in trips["plain"]]


def test_only_orders_that_matter_are_ambiguous(bench: duckdb.DuckDBPyConnection, fifo: dict[str, str]) -> None:
    """Equal instants: two buys are clear, a buy and a sell are not, nor are two sells through flat."""
    one, two = Decimal(1), Decimal(2)
    tape = [(one, one), (one, one), (one, one), (-one, one), (-one, one), (-two, one), (-one, one)]
    load_cohort(bench, {"w": tape})
    instants = [0, 0, 1, 1, 2, 2, 3]
    for number, instant in enumerate(instants):
        bench.execute(
            "update staging.stg_hyperliquid_fills set filled_at = ? where line_no = ?",
            [START + timedelta(seconds=instant), number],
        )
    build_cohort(bench, fifo)
    flags = bench.execute("select is_order_ambiguous from marts.fct_cohort_fills order by fill_no").fetchall()
    assert [row[0] for row in flags] == [False, False, True, True, True, True, False]


def test_legs_share_every_fee_without_a_rest(bench: duckdb.DuckDBPyConnection, fifo: dict[str, str]) -> None:
    """Awkward fees over legs: pieces of a closed book add up to what was paid, and each leg has its share to 1e-10."""
    dice = random.Random(3)
    rows, position = [], Decimal(0)
    tape = random_tape(dice, 120)
    tape.append((Decimal("0.01") - sum((signed for signed, _ in tape), Decimal(0)), Decimal("85000.5")))
    tape.append((Decimal("-0.01"), Decimal("85001.5")))
    for number, (signed, px) in enumerate(tape, start=1):
        rows.append(
            {
                "fill_id": f"f{number}", "book_id": "b", "fill_no": number, "filled_at": START + timedelta(seconds=number),
                "emitted_at": START + timedelta(seconds=number), "fill_px": px, "fill_qty": abs(signed),
                "side_sign": 1 if signed > 0 else -1, "is_valid": True, "fee_usd": Decimal(dice.randrange(0, 10**13)).scaleb(-10),
                "impact_usd": Decimal("0.07"), "slippage_usd": Decimal("-0.0000000001"), "position_before_qty": position,
                "position_after_qty": position + signed, "is_order_ambiguous": False,
            }
        )  # fmt: skip
        position += signed
    decimals = ("fill_px", "fill_qty", "fee_usd", "impact_usd", "slippage_usd", "position_before_qty", "position_after_qty")
    schema = pa.Table.from_pylist(rows).schema
    for name in decimals:
        schema = schema.set(schema.get_field_index(name), pa.field(name, pa.decimal128(28, 10)))
    incoming = pa.Table.from_pylist(rows, schema=schema)
    bench.register("incoming", incoming)
    bench.execute(
        f"""
        create table intermediate.int_fills as select * from incoming;
        create table intermediate.int_fill_parts as {fifo["int_fill_parts"]};
        create table intermediate.int_trade_books as
        select 'b' as book_id, '5m' as bot, 'r' as run_id, 'S' as symbol;
        create table intermediate.int_exit_reasons as
        select '' as trade_id, '' as fill_id, '' as exit_reason, '' as exit_reason_rule, '' as exit_reason_confidence;
        create table marts.fct_round_trip_legs as {fifo["fct_round_trip_legs"]};
        """
    )
    paid, of_parts, of_legs, worst = bench.execute(
        """
        select
            (select sum(fee_usd) from intermediate.int_fills),
            (select sum(part_fee_usd) from intermediate.int_fill_parts),
            (select sum(fees_usd) from marts.fct_round_trip_legs),
            (
                select max(abs(legs.entry_fee_usd - fills.fee_usd * (legs.qty / fills.fill_qty)))
                from marts.fct_round_trip_legs as legs
                inner join intermediate.int_fills as fills on legs.entry_fill_id = fills.fill_id
            )
        """
    ).fetchone()
    assert position == 0
    assert paid == of_parts == of_legs
    assert worst < 3e-10


def test_risk_ratios_equal_empyrical(bench: duckdb.DuckDBPyConnection, fifo: dict[str, str]) -> None:
    """Sharpe, Sortino (relative 1e-9) and drawdown (1e-12) of random equity; too few or flat returns are NULL."""
    dice = np.random.default_rng(5)
    points, truth = [], {}
    for number, count in enumerate([5, 19, 20, 60, 300, 1000, 40]):
        moves = np.round(dice.normal(0.5, 20, count), 2) if number < 6 else np.zeros(count)
        equity = [Decimal(10_000)]
        for move in moves:
            equity.append(equity[-1] + Decimal(str(move)))
        values = np.array([float(value) for value in equity])
        returns = pd.Series(values[1:] / values[:-1] - 1)
        truth[f"r{number}"] = (returns, empyrical.max_drawdown(returns))
        peak = equity[0]
        for place, value in enumerate(equity[1:], start=1):
            peak = max(peak, value)
            points.append(
                {
                    "bot": "5m", "run_id": f"r{number}", "symbol": "S", "run_kind": "live_paper", "point_no": place,
                    "emitted_at": START + timedelta(minutes=5 * place), "equity_usd": value, "start_equity_usd": equity[0],
                    "peak_equity_usd": peak, "drawdown_share": float(value) / float(peak) - 1, "held_s": 300.0,
                    "bar_return": float(value) / float(equity[place - 1]) - 1, "position_qty": Decimal(place % 2),
                    "exposure_usd": Decimal(1000 * (place % 2)), "is_canonical": True, "is_synthetic": True,
                }
            )  # fmt: skip
    dice.shuffle(points)
    incoming = pa.Table.from_pylist(points)
    bench.register("incoming", incoming)
    bench.execute(
        f"""
        create table marts.fct_equity as select * from incoming;
        create table marts.mart_equity_daily as
        select distinct bot, run_id, symbol, 0.001 as day_return, 0 as fill_count, 0 as forced_fill_count, 0.0 as turnover_bps_day
        from incoming;
        create table marts.mart_risk_metrics as {fifo["mart_risk_metrics"]};
        """
    )
    year = 365 * 288
    rows = bench.execute(
        """
        select
            run_id, return_count, sharpe, sharpe_null_reason, sortino, sortino_null_reason, max_drawdown_share,
            time_in_market_share
        from marts.mart_risk_metrics where return_interval = 'bar' order by run_id
        """
    ).fetchall()
    assert len(rows) == len(truth)
    for run_id, count, sharpe, sharpe_reason, sortino, sortino_reason, drawdown, in_market in rows:
        returns, deepest = truth[run_id]
        assert count == len(returns)
        assert drawdown == pytest.approx(deepest, abs=1e-12)
        assert in_market == pytest.approx(((count + 1) // 2) / count)
        if count < 20:
            assert (sharpe, sharpe_reason, sortino, sortino_reason) == (None, "too_few_returns", None, "too_few_returns")
        elif returns.std() == 0:
            assert (sharpe, sharpe_reason, sortino, sortino_reason) == (None, "no_variation", None, "no_negative_return")
        else:
            assert (sharpe_reason, sortino_reason) == (None, None)
            assert sharpe == pytest.approx(empyrical.sharpe_ratio(returns, annualization=year), rel=1e-9)
            assert sortino == pytest.approx(empyrical.sortino_ratio(returns, annualization=year), rel=1e-9)
