"""Guard verdicts against an independent reference, on random guards; and the catalogue's own checks on planted errors."""

import random
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from dbt_commands import compile_sql

COMPARATORS = ["ge", "gt", "le", "lt", "between"]
COLUMNS = {
    "decision_id": "VARCHAR", "run_id": "VARCHAR", "bar_open_at": "TIMESTAMPTZ",
    "guard": "VARCHAR", "stream": "VARCHAR", "flag": "VARCHAR", "polarity": "VARCHAR",
    "stage": "VARCHAR", "is_causal_guard": "BOOLEAN", "priority": "INTEGER", "veto_reason": "VARCHAR", "comparator": "VARCHAR",
    "unit": "VARCHAR", "default_input_rule": "VARCHAR", "input_value": "DOUBLE", "limit_lo": "DOUBLE", "limit_hi": "DOUBLE",
    "input_metric": "VARCHAR", "flag_value": "BOOLEAN", "logged_token": "VARCHAR", "logged_priority": "INTEGER",
    "is_gate_logged": "BOOLEAN", "has_record": "BOOLEAN", "is_seed_veto": "BOOLEAN", "arm_direction": "INTEGER",
    "direction_before_guards": "INTEGER", "decision_direction": "INTEGER", "organic_direction": "INTEGER",
    "execution_count": "BIGINT", "has_exit_order": "BOOLEAN",
}  # fmt: skip


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Model or test -> SQL, as it runs on a warehouse named `warehouse`."""
    selected = ["int_guard_verdicts", "guards,test_type:data", "guards", "eligibility_thresholds_are_valid_once"]
    return compile_sql(tmp_path_factory.mktemp("compiled"), *selected)


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("attach ':memory:' as warehouse")
    connection.execute("create schema warehouse.intermediate")
    connection.execute("create schema warehouse.staging")
    return connection


def random_guard(dice: random.Random, number: int) -> dict[str, object]:
    """A guard on a coarse grid, so that values often lie exactly on a limit."""
    low, high = sorted((dice.randrange(-8, 9) / 8, dice.randrange(-8, 9) / 8))
    row = dict.fromkeys(COLUMNS)
    return row | {
        "decision_id": f"d{number // 7}",
        "guard": f"g{number % 7}",
        "flag": "f",
        "polarity": dice.choice(["pass_when_true", "veto_when_true"]),
        "stage": "advisory",
        "is_causal_guard": False,
        "priority": number % 7,
        "comparator": dice.choice(COMPARATORS),
        "default_input_rule": dice.choice(["none", "none", "zero_is_missing", "limit_is_default"]),
        "input_value": None if dice.random() < 0.2 else dice.randrange(-10, 11) / 8,
        "limit_lo": low,
        "limit_hi": high,
        "flag_value": dice.choice([True, False, None]),
        "is_gate_logged": False,
        "has_record": True,
        "has_exit_order": False,
        "execution_count": 0,
    }


def expected(row: dict[str, object]) -> tuple[str, Fraction | None]:
    """Verdict and margin by exact arithmetic, written from the definition and not from the SQL."""
    if row["input_value"] is None or row["default_input_rule"] == "limit_is_default":
        return "UNKNOWN", None
    value, low, high = (Fraction(row[name]) for name in ("input_value", "limit_lo", "limit_hi"))
    passes, margin = {
        "ge": (value >= low, value - low),
        "gt": (value > low, value - low),
        "le": (value <= high, high - value),
        "lt": (value < high, high - value),
        "between": (low <= value <= high, min(value - low, high - value)),
    }[row["comparator"]]
    return ("PASS" if passes else "VETO"), margin


def verdicts(connection: duckdb.DuckDBPyConnection, sql: str, rows: list[dict[str, object]]) -> dict[tuple, tuple]:
    typed = ", ".join(f"cast({name} as {kind}) as {name}" for name, kind in COLUMNS.items())
    connection.register("guard_rows", pa.Table.from_pylist(rows))
    connection.execute(f"create or replace table warehouse.intermediate.int_guard_inputs as select {typed} from guard_rows")
    found = connection.execute(
        f"select decision_id, guard, verdict, margin_abs, logged_verdict, is_disagreeing, veto_count from ({sql})"
    ).fetchall()
    return {row[:2]: row[2:] for row in found}


@pytest.mark.parametrize("seed", range(4))
def test_verdict_and_margin_follow_the_definition(
    compiled: Callable[[str], str], connection: duckdb.DuckDBPyConnection, seed: int
) -> None:
    dice = random.Random(seed)
    rows = [random_guard(dice, number) for number in range(700)]
    found = verdicts(connection, compiled["int_guard_verdicts"], rows)
    assert len(found) == len(rows)
    vetoes: dict[object, int] = {}
    for row in rows:
        verdict, margin = expected(row)
        vetoes[row["decision_id"]] = vetoes.get(row["decision_id"], 0) + (verdict == "VETO")
        assert found[row["decision_id"], row["guard"]][:2] == (verdict, None if margin is None else float(margin)), row
    for row in rows:
        assert found[row["decision_id"], row["guard"]][4] == vetoes[row["decision_id"]]


def test_turning_the_polarity_gives_the_complement(compiled: Callable[[str], str], connection: duckdb.DuckDBPyConnection) -> None:
    dice = random.Random(99)
    rows = [random_guard(dice, number) for number in range(700)]
    other = {"pass_when_true": "veto_when_true", "veto_when_true": "pass_when_true"}
    turned = [row | {"polarity": other[row["polarity"]]} for row in rows]
    one = verdicts(connection, compiled["int_guard_verdicts"], rows)
    two = verdicts(connection, compiled["int_guard_verdicts"], turned)
    complement = {"PASS": "VETO", "VETO": "PASS", None: None}
    seen = set()
    for key, (verdict, _, logged, is_disagreeing, _) in one.items():
        seen.add(logged)
        assert two[key][2] == complement[logged]
        # what the numbers say does not depend on how a flag is read; whether both agree does
        assert two[key][0] == verdict
        assert two[key][3] == (None if is_disagreeing is None else not is_disagreeing)
    assert seen == {"PASS", "VETO", None}


@pytest.mark.parametrize(
    ("copied", "changes", "is_error"),
    [
        ("guard = 'confidence'", {}, True),
        ("guard = 'confidence'", {"valid_from": "2026-01-01"}, True),
        ("guard = 'confidence'", {"code_versions": "B C"}, True),
        ("guard = 'confidence'", {"code_versions": "C"}, False),
        ("guard = 'confidence'", {"guard": "another"}, False),
        ("guard = 'confidence'", {"source_system": "huracan"}, False),
        ("guard = 'confidence'", {"guard": "another", "valid_from": "2026-01-01", "valid_to": "2026-01-01"}, True),
        ("guard = 'spread_gate' and bots = 'scalp'", {"bots": "runner"}, True),
        ("guard = 'spread_gate' and bots = 'scalp'", {"bots": "swing"}, False),
        ("guard = 'cost_gate' and valid_to = date '2025-11-02'", {"valid_from": "2025-11-02", "valid_to": "2025-11-03"}, True),
    ],
)
def test_two_limits_valid_at_once_are_an_error(
    compiled: Callable[[str], str],
    connection: duckdb.DuckDBPyConnection,
    repository: Path,
    copied: str,
    changes: dict[str, str],
    is_error: bool,
) -> None:
    catalogue = repository / "dbt_project" / "seeds" / "decisions" / "guards.csv"
    kinds = "{'valid_from': 'DATE', 'valid_to': 'DATE', 'bots': 'VARCHAR', 'code_versions': 'VARCHAR'}"
    connection.execute(f"create table warehouse.staging.guards as from read_csv('{catalogue}', types = {kinds})")
    test = compiled["guards_are_valid_once"]
    assert connection.execute(test).fetchall() == []
    replaced = ", ".join(f"'{value}' as {name}" for name, value in changes.items())
    connection.execute(
        f"""
        insert into warehouse.staging.guards
        select * {f"replace ({replaced})" if replaced else ""} from warehouse.staging.guards where {copied}
        """
    )
    assert bool(connection.execute(test).fetchall()) == is_error
