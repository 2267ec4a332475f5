"""Decisions and guards: the true cause of every HOLD on the real logs, and every guard of a simulated tree."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import duckdb
import pytest
from scipy.stats import binomtest

from dbt_commands import dbt
from raw_loaders.load import load_landing
from staged import build, copy_warehouse, differences, open_warehouse

MARTS = "+path:models/marts/decisions"
QUIET = ["--exclude-resource-type", "unit_test"]


@pytest.fixture(scope="module")
def real(real_logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real logs, loaded and built up to the decision marts, dbt's data tests included."""
    warehouse = tmp_path_factory.mktemp("real_decisions") / "warehouse.duckdb"
    load_landing(real_logs, warehouse)
    build(warehouse, MARTS, *QUIET)
    return warehouse


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """A simulated tree that trades much, built the same way, with its manifest beside it."""
    folder = tmp_path_factory.mktemp("simulated_decisions")
    command = [
        sys.executable, "-m", "raw_loaders.simulate", "--out", str(folder / "landing"), "--seed", "23", "--days", "2",
        "--trading", "active", "--third-party-fills", "20", "--manifest", str(folder / "manifest.json"),
    ]  # fmt: skip
    subprocess.run(command, cwd=repository, check=True, capture_output=True)
    load_landing(folder / "landing", folder / "warehouse.duckdb")
    build(folder / "warehouse.duckdb", MARTS, *QUIET)
    return folder / "warehouse.duckdb"


def rows(warehouse: Path, query: str) -> list[tuple]:
    with open_warehouse(warehouse) as connection:
        return connection.execute(query).fetchall()


def test_every_hold_of_the_real_logs_was_too_little_confidence(real: Path) -> None:
    found = rows(
        real,
        """
        select intent_side, veto_reason_primary, is_causal, is_eligibility_reproduced, count(*)
        from marts.fct_decisions group by all order by all
        """,
    )
    assert found == [("BUY", "NONE", None, True, 11), ("HOLD", "CONFIDENCE", True, True, 519)]


def test_flags_without_input_are_unknown_and_the_audit_is_kept_apart(real: Path) -> None:
    found = rows(
        real,
        """
        select guard, verdict, unknown_reason, logged_verdict, count(*), count(*) filter (where seed_veto)
        from marts.fct_guard_evaluations where guard_role = 'advisory' group by all order by all
        """,
    )
    assert found == [
        ("band", "PASS", None, "PASS", 85, 74),
        ("band", "VETO", None, "VETO", 445, 0),
        ("liquidity_ok", "PASS", None, "PASS", 526, 0),
        ("liquidity_ok", "VETO", None, "VETO", 4, 0),
        ("risk_ok", "UNKNOWN", "limit_is_default", "PASS", 530, 0),
        # the audit's headline: a flag that says "passed" about an input nobody sent
        ("spread_guard", "UNKNOWN", "input_never_sent", "PASS", 530, 445),
        ("threshold", "PASS", None, "PASS", 11, 0),
        ("threshold", "VETO", None, "VETO", 519, 0),
        ("volatility_ok", "UNKNOWN", "input_never_sent", "VETO", 530, 0),
    ]


def test_the_band_gate_of_the_real_logs_never_was_the_cause(real: Path) -> None:
    query = (
        "select guard_token, is_guard_token_causal, count(*) from marts.fct_decisions where guard_token is not null group by all"
    )
    assert rows(real, query) == [("calibration_band_gate", False, 2)]


def test_funnel_of_the_real_logs(real: Path) -> None:
    found = rows(
        real,
        """
        select population, sum(evaluation_count), sum(eligible_count), sum(intent_count), sum(organic_order_count),
            sum(organic_fill_count), sum(forced_fill_count), sum(exit_fill_count), sum(unexplained_fill_count)
        from marts.mart_decision_funnel group by population order by population
        """,
    )
    # eleven runs traded one and the same bar of market time
    assert found == [("all_replicas", 530, 11, 11, 11, 11, 44, 0, 0), ("canonical", 48, 1, 1, 1, 1, 8, 0, 0)]


def test_guards_that_fired_are_those_of_the_manifest(simulated: Path) -> None:
    manifest = json.loads((simulated.parent / "manifest.json").read_text())
    expected = {(guard["bot"], guard["run_id"], guard["symbol"], guard["bar_open_ms"]): guard for guard in manifest["guards"]}
    found = rows(
        simulated,
        """
        select d.bot, d.run_id, d.symbol, epoch_ms(d.bar_open_at), e.flag, d.is_guard_token_causal, d.direction_before_guards
        from marts.fct_guard_evaluations as e inner join marts.fct_decisions as d using (decision_id)
        where e.polarity = 'token_present' and e.logged_verdict = 'VETO' and e.verdict = 'VETO'
        """,
    )
    assert len(found) == len(expected) > 100
    for bot, run_id, symbol, bar_open_ms, token, is_causal, direction in found:
        guard = expected[bot, run_id, symbol, bar_open_ms]
        assert token == guard["token"]
        assert direction == guard["intended_direction"]
        # a guard hidden by the gate can only be told where its input is logged
        if guard["masked_token"] in (None, "funding_guard"):
            assert is_causal == guard["is_causal"]


def test_forced_trades_and_fills_are_those_of_the_manifest(simulated: Path) -> None:
    executions = json.loads((simulated.parent / "manifest.json").read_text())["executions"]
    (counts,) = rows(
        simulated,
        """
        select sum(organic_fill_count + exit_fill_count), sum(forced_fill_count), sum(unexplained_fill_count),
            sum(unattributed_fill_count)
        from marts.mart_decision_funnel where population = 'all_replicas'
        """,
    )
    assert counts == (executions["total"] - executions["forced"], executions["forced"], 0, 0)
    assert executions["forced"] > 0


def test_eligibility_is_reproduced_and_primary_reasons_add_up(simulated: Path) -> None:
    assert rows(simulated, "select count(*) from marts.fct_decisions where is_eligibility_reproduced is not true") == [(0,)]
    ((primaries, rejections, blocked),) = rows(
        simulated,
        """
        select (select count(*) from marts.fct_guard_evaluations where is_primary),
            (select count(*) from marts.fct_guard_rejections), (select count(*) from marts.fct_decisions where is_blocked)
        """,
    )
    assert primaries == rejections == blocked > 0
    by_day = rows(
        simulated,
        "select sum(primary_veto_count) from marts.mart_guard_daily where population = 'all_replicas'",
    )
    by_funnel = rows(simulated, "select sum(rejection_count) from marts.mart_decision_funnel where population = 'all_replicas'")
    assert by_day == by_funnel == [(rejections,)]


def test_intervals_agree_with_scipy(simulated: Path) -> None:
    found = rows(
        simulated,
        "select pass_count, judged_count, pass_rate_low, pass_rate_high from marts.mart_guard_matrix where judged_count > 0",
    )
    assert len(found) > 100
    for passes, judged, low, high in found:
        interval = binomtest(passes, judged).proportion_ci(0.95, method="wilson")
        assert (low, high) == pytest.approx((interval.low, interval.high), abs=1e-12)


def test_margins_lie_on_the_side_of_the_verdict(simulated: Path) -> None:
    found = rows(
        simulated,
        "select verdict, comparator, sign(margin_abs) from marts.fct_guard_evaluations where verdict_source = 'recomputed'",
    )
    sides = Counter(found)
    assert sides
    for verdict, comparator, side in sides:
        assert (verdict == "PASS") == (side > 0 or (side == 0 and comparator in ("ge", "le", "between")))


def test_row_order_and_threads_do_not_show(simulated: Path, tmp_path: Path) -> None:
    """The marts come out alike when every relation they rest on is stored in another order and one thread builds them."""
    shuffled = copy_warehouse(simulated, tmp_path / "warehouse.duckdb")
    with duckdb.connect(str(shuffled)) as connection:
        connection.execute("set timezone = 'UTC'")
        tables = connection.execute(
            """
            select schema_name || '.' || table_name from duckdb_tables()
            where schema_name in ('staging', 'raw') or table_name in ('int_decisions', 'int_calibration_at_entry')
            """
        ).fetchall()
        for (table,) in tables:
            connection.execute(f"create table memory_copy as select * from {table} as t order by md5(cast(t as varchar))")
            connection.execute(f"drop table {table}")
            connection.execute(f"create table {table} as from memory_copy")
            connection.execute("drop table memory_copy")
    selected = ["path:models/intermediate/decisions", "path:models/marts/decisions"]
    code, said = dbt(shuffled, tmp_path / "target", "run", "--threads", "1", "--select", *selected)
    assert code == 0, said[-4000:]
    assert differences(simulated, shuffled) == {}
