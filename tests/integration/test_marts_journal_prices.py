"""Forward prices of decisions against exact arithmetic on random tapes: gaps, unfinished bars, late decisions, several runs."""

import datetime as dt
import random
from fractions import Fraction

import duckdb
import pytest

from dbt_commands import compile_sql

HORIZONS = [1, 3, 6, 12]
START = dt.datetime(2025, 11, 21, 10, tzinfo=dt.UTC)
BAR = dt.timedelta(minutes=5)
TABLES = {
    "fct_decisions": "decision_id VARCHAR, run_id VARCHAR, bot VARCHAR, symbol VARCHAR, bar_open_at TIMESTAMPTZ, "
    "bar_close_at TIMESTAMPTZ, decided_at TIMESTAMPTZ, bar_occurrence BIGINT, code_version VARCHAR, is_blocked BOOLEAN, "
    "blocked_side VARCHAR, blocked_side_method VARCHAR, organic_direction INTEGER",
    "int_decisions": "decision_id VARCHAR, run_id VARCHAR, first_seen_at TIMESTAMPTZ, feature_mom_1 DOUBLE",
    "int_bar_closes": "decision_id VARCHAR, run_id VARCHAR, bar_close_px DECIMAL(28, 10)",
    "bot_cost_model": "code_version VARCHAR, fee_bps DOUBLE, slippage_bps DOUBLE, impact_k DOUBLE, assumed_notional_usd DOUBLE",
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """SQL of int_shadow_prices over tables of those names."""
    folder = tmp_path_factory.mktemp("compiled")
    sql = compile_sql(folder, "int_shadow_prices", "--full-refresh")["int_shadow_prices"]
    for name in TABLES:
        for schema in ("marts", "intermediate", "staging", "reference"):
            sql = sql.replace(f'"warehouse"."{schema}"."{name}"', name)
    return sql


def random_tape(dice: random.Random) -> list[dict[str, object]]:
    """Decisions of two runs on bars of five minutes, some missing, some decided before they were over or long after."""
    tape = []
    for run in ("r", "s"):
        for bar in range(dice.randrange(2, 30)):
            if dice.random() < 0.07:
                continue
            opened = START + bar * BAR
            lag = dice.choice([-60, 10, 10, 10, 10, 10, 10, 10, 10, 400])
            tape.append(
                {
                    "decision_id": f"{run}{bar}", "run_id": run, "bot": "5m", "symbol": "S", "bar_open_at": opened,
                    "bar_close_at": opened + BAR, "decided_at": opened + BAR + dt.timedelta(seconds=lag + 1),
                    "first_seen_at": opened + BAR + dt.timedelta(seconds=lag), "bar_occurrence": 1, "code_version": "A",
                    "is_blocked": dice.random() < 0.7, "blocked_side": dice.choice(["BUY", "SELL", None]),
                    "blocked_side_method": "chosen_arm", "organic_direction": dice.choice([1, -1]),
                    "feature_mom_1": None if dice.random() < 0.03 else dice.randrange(-64, 65) / 4096, "bar_close_px": 100000,
                }
            )  # fmt: skip
    return tape


def prices(model: str, tape: list[dict[str, object]]) -> dict[tuple, dict[str, object]]:
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        for name, columns in TABLES.items():
            connection.execute(f"create table {name} ({columns})")
            keys = [column.strip().split()[0] for column in columns.replace("(28, 10)", "").split(",")]
            records = [{"code_version": "A", "fee_bps": 5, "slippage_bps": 2, "impact_k": 0.5, "assumed_notional_usd": 1000}]
            if name != "bot_cost_model":
                records = tape
            places = ", ".join("?" for _ in keys)
            for record in records:
                connection.execute(f"insert into {name} values ({places})", [record[key] for key in keys])
        cursor = connection.execute(model)
        names = [column[0] for column in cursor.description]
        found = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return {(row["decision_id"], row["horizon_bars"]): row for row in found}


def expected(tape: list[dict[str, object]]) -> dict[tuple, Fraction | None]:
    """Gross return in bps by exact arithmetic, None where no verdict may be given; written from the definition."""
    closed = {(row["run_id"], row["bar_open_at"]): row for row in tape if row["first_seen_at"] >= row["bar_close_at"]}
    answers = {}
    for row in tape:
        side = {"BUY": 1, "SELL": -1, None: None}[row["blocked_side"]] if row["is_blocked"] else row["organic_direction"]
        if side is None:
            continue
        for horizon in HORIZONS:
            path = [closed.get((row["run_id"], row["bar_open_at"] + step * BAR)) for step in range(horizon + 1)]
            returns = [None if bar is None else bar["feature_mom_1"] for bar in path[1:]]
            end = row["bar_close_at"] + horizon * BAR
            if None in path or None in returns or row["decided_at"] >= end:
                answers[row["decision_id"], horizon] = None
                continue
            growth = Fraction(1)
            for value in returns:
                growth *= 1 + Fraction(value)
            answers[row["decision_id"], horizon] = side * (growth - 1) * 10000
    return answers


@pytest.mark.parametrize("seed", range(12))
def test_prices_are_those_of_exact_arithmetic(model: str, seed: int) -> None:
    tape = random_tape(random.Random(seed))
    found, answers = prices(model, tape), expected(tape)
    assert set(found) == set(answers)
    for key, answer in answers.items():
        row = found[key]
        if answer is None:
            assert row["unresolved_reason"] is not None
            assert row["net_bps"] is None
        else:
            assert row["unresolved_reason"] is None
            assert float(row["gross_bps"]) == pytest.approx(float(answer), abs=2e-6)
            assert row["net_bps"] == row["gross_bps"] - 10 - 4 - 100
            assert row["label_known_at"] >= row["label_ended_at"] > row["decided_at"]


@pytest.mark.parametrize("seed", range(100, 106))
def test_a_shorter_tape_only_takes_verdicts_away(model: str, seed: int) -> None:
    tape = random_tape(random.Random(seed))
    cut = START + 12 * BAR
    whole, shorter = prices(model, tape), prices(model, [row for row in tape if row["bar_open_at"] < cut])
    assert shorter
    for key, row in shorter.items():
        if row["unresolved_reason"] is None:
            assert (row["gross_bps"], row["net_bps"]) == (whole[key]["gross_bps"], whole[key]["net_bps"])
            assert row["label_ended_at"] <= cut
        elif whole[key]["unresolved_reason"] != row["unresolved_reason"]:
            assert row["unresolved_reason"] == "no_later_bar"


def test_a_constant_price_costs_its_costs_and_sides_mirror(model: str) -> None:
    tape = [row | {"feature_mom_1": 0.0} for row in random_tape(random.Random(7))]
    flat = [row for row in prices(model, tape).values() if row["unresolved_reason"] is None]
    assert flat
    assert {row["net_bps"] for row in flat} == {-114}
    tape = random_tape(random.Random(8))
    mirrored = [
        row
        | {
            "blocked_side": {"BUY": "SELL", "SELL": "BUY", None: None}[row["blocked_side"]],
            "organic_direction": -row["organic_direction"],
        }
        for row in tape
    ]
    one, other = prices(model, tape), prices(model, mirrored)
    resolved = [key for key, row in one.items() if row["unresolved_reason"] is None]
    assert resolved
    assert all(one[key]["gross_bps"] == -other[key]["gross_bps"] for key in resolved)
