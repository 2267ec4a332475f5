"""Shadow trades, explanations, threshold grids, journal and traces: against the simulator's own price path and manifest, and
against independent recounts; on the real logs every sentence is checked for what it says."""

import json
import re
import subprocess
import sys
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from raw_loaders.load import load_landing
from raw_loaders.simulate.market import Market
from raw_loaders.simulate.settings import BOTS, Settings
from serving.errors import QueryError
from serving.explain import explain
from serving.places import serve_file
from staged import build, copy_warehouse, differences, open_warehouse

MARTS = ["--select", "+path:models/marts/journal", "--exclude-resource-type", "unit_test"]
SEED, DAYS = 31, 2
SECONDS = {"5m": 300, "1h": 3600, "12h": 43200, "24h": 86400}
# the journal of the second system, its currency replaced
JOURNAL = {
    "trades": "trade_id ts_open ts_close symbol mode regime side entry_price size_usd size_asset exit_price exit_reason pnl_usd "
    "pnl_pct return_bps fee_entry_usd fee_exit_usd slippage_bps model_id code_git_sha status event_id tags",
    "trade_features": "trade_id ts confidence signal_strength predicted_return predicted_sharpe volatility_1h spread_bps "
    "liquidity_score recent_trend_30m volume_vs_avg order_book_imbalance meta_label_prob cost_adjusted_sharpe "
    "execution_quality features_json",
    "trade_outcomes": "trade_id ts actual_return_bps actual_duration_sec actual_sharpe predicted_return_bps "
    "prediction_error_bps max_drawdown_bps max_runup_bps hit_tp hit_sl time_to_tp_sec time_to_sl_sec execution_slippage_bps "
    "total_cost_bps net_return_bps outcome_json",
    "shadow_trades": "shadow_id ts symbol mode side entry_price blocked_by block_reason gate_inputs cf_pnl_bps cf_duration_sec "
    "cf_hit_tp cf_hit_sl was_good_block model_id event_id tags",
    "v_win_rate_by_mode": "mode total_trades wins losses win_rate total_pnl_usd avg_return_bps",
    "v_win_rate_by_regime": "regime total_trades wins win_rate total_pnl_usd",
    "v_recent_trades": "trade_id ts_open symbol mode side entry_price exit_price pnl_usd return_bps exit_reason confidence "
    "meta_label_prob",
    "v_shadow_trades_summary": "blocked_by total_blocked good_blocks bad_blocks block_accuracy missed_pnl_bps",
}


@pytest.fixture(scope="module")
def real(real_logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real logs, built up to the journal, dbt's data tests included."""
    warehouse = tmp_path_factory.mktemp("real_journal") / "warehouse.duckdb"
    load_landing(real_logs, warehouse)
    build(warehouse, selection=MARTS)
    return warehouse


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """A simulated tree that trades much, built the same way, with its manifest beside it."""
    folder = tmp_path_factory.mktemp("simulated_journal")
    command = [
        sys.executable, "-m", "raw_loaders.simulate", "--out", str(folder / "landing"), "--seed", str(SEED), "--days", str(DAYS),
        "--trading", "active", "--third-party-fills", "20", "--manifest", str(folder / "manifest.json"),
    ]  # fmt: skip
    subprocess.run(command, cwd=repository, check=True, capture_output=True)
    load_landing(folder / "landing", folder / "warehouse.duckdb")
    build(folder / "warehouse.duckdb", selection=MARTS)
    return folder / "warehouse.duckdb"


def rows(warehouse: Path, query: str) -> list[tuple]:
    with open_warehouse(warehouse) as connection:
        return connection.execute(query).fetchall()


def test_shadow_trades_follow_the_price_path_of_the_simulation(simulated: Path) -> None:
    market = Market(Settings(seed=SEED, days=DAYS, trading="active"), BOTS)
    decided = defaultdict(set)
    for run_id, bot, bar_ms, is_over in rows(
        simulated,
        "select run_id, bot, epoch_ms(bar_open_at), first_seen_at >= bar_close_at from intermediate.int_decisions",
    ):
        if is_over:
            decided[run_id, bot].add(bar_ms)
    found = rows(
        simulated,
        """
        select run_id, bot, symbol, epoch_ms(bar_open_at), horizon_bars, side, entry_px, gross_bps, cf_net_bps, verdict,
            unresolved_reason
        from marts.fct_shadow_trades
        """,
    )
    resolved = 0
    for run_id, bot, symbol, bar_ms, horizon, side, entry_px, gross_bps, net_bps, verdict, reason in found:
        bars = market.bars(symbol, bot)
        ahead = [bar_ms + step * SECONDS[bot] * 1000 for step in range(horizon + 1)]
        if not set(ahead) <= decided[run_id, bot]:
            assert (verdict, net_bps) == ("unresolved", None)
            assert reason in ("no_later_bar", "bar_not_over")
            continue
        start, end = (bars.close_ticks[bars.bar_of(bar)] for bar in (ahead[0], ahead[-1]))
        expected = (end / start - 1) * 1e4 * (1 if side == "BUY" else -1)
        assert float(gross_bps) == pytest.approx(expected, abs=1e-5)
        assert float(entry_px) == pytest.approx(start / 10, abs=1e-4)
        cost = 2 * (5 + 2 + 0.5 * 1000 / (start / 10) * 1e4)
        assert float(net_bps) == pytest.approx(expected - cost, abs=1e-4)
        assert verdict == ("good" if net_bps < -10 else "bad" if net_bps > 10 else "neutral")
        resolved += 1
    assert resolved > 1000
    assert len(found) > resolved


def test_what_the_guards_held_back_is_what_the_manifest_says(simulated: Path) -> None:
    guards = json.loads((simulated.parent / "manifest.json").read_text())["guards"]
    causal = {
        (guard["bot"], guard["run_id"], guard["symbol"], guard["bar_open_ms"]): guard for guard in guards if guard["is_causal"]
    }
    found = rows(
        simulated,
        """
        select bot, run_id, symbol, epoch_ms(bar_open_at), side, s.veto_guard_primary, e.one_change_guard, e.explanation
        from marts.fct_shadow_trades as s
        inner join marts.fct_decision_explanations as e using (decision_id, bot, run_id, symbol, bar_open_at)
        where horizon_bars = 1 and side_method = 'chosen_arm'
        """,
    )
    names = {"spread_guard": "book_spread_guard"}
    seen = set()
    for bot, run_id, symbol, bar_ms, side, primary, one_change, text in found:
        guard = causal.get((bot, run_id, symbol, bar_ms))
        if guard is None:  # a guard hidden by the gate, or an exit that the bot preferred to the trade
            continue
        name = names.get(guard["token"], guard["token"])
        assert (side, primary, one_change) == ("BUY" if guard["intended_direction"] > 0 else "SELL", name, name)
        assert f"{name} failed" in text
        seen.add((bot, run_id, symbol, bar_ms))
    assert len(seen) > 100
    assert len(seen) > 0.9 * len(causal)


def numbers(text: str | None) -> list[float]:
    return [float(number) for number in re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?(?:e-?\d+)?(?![\w])", text or "")]


@pytest.mark.parametrize("logs", ["real", "simulated"])
def test_every_sentence_says_what_is_true(logs: str, request: pytest.FixtureRequest) -> None:
    """Numbers and comparisons named in the sentences are those of the decision, read back from the text itself."""
    warehouse = request.getfixturevalue(logs)
    found = rows(
        warehouse,
        """
        select x.explanation, x.verdict, x.comparator, x.would_pass_if, x.situation, e.input_value, e.limit_lo,
            e.limit_hi, e.is_primary, d.is_blocked
        from marts.fct_gate_explanations as x inner join marts.fct_guard_evaluations as e using (decision_id, guard)
        inner join marts.fct_decisions as d using (decision_id)
        """,
    )
    ((evaluations,),) = rows(warehouse, "select count(*) from marts.fct_guard_evaluations")
    assert len(found) == evaluations > 1000
    holds = {
        "ge": lambda x, limit: x >= limit, "gt": lambda x, limit: x > limit,
        "le": lambda x, limit: x <= limit, "lt": lambda x, limit: x < limit,
    }  # fmt: skip
    phrases = {"PASS_ge": "at least", "PASS_gt": "more than", "PASS_le": "at most", "PASS_lt": "below"}
    phrases |= {"VETO_ge": "below", "VETO_gt": "not more than", "VETO_le": "above", "VETO_lt": "not below"}
    measured = 0
    for text, verdict, comparator, would_pass_if, situation, value, low, high, is_primary, is_blocked in found:
        assert text.split(" ", 1)[1].startswith({"PASS": "passed: ", "VETO": "failed: ", "UNKNOWN": "is unknown: "}[verdict])
        assert ("It decided that" in text) == is_primary
        assert not is_primary or is_blocked
        if situation not in phrases:
            continue
        measured += 1
        limit = low if comparator in ("ge", "gt") else high
        said_value, said_limit = numbers(text.split(" was ", 1)[1])[:2]
        assert said_value == pytest.approx(value, rel=1e-5, abs=1e-12)
        assert said_limit == pytest.approx(limit, rel=1e-5)
        assert phrases[situation] in text
        assert holds[comparator](value, limit) == (verdict == "PASS")
        # what is said to let it pass does let it pass
        if would_pass_if and "or the limit" in would_pass_if:
            strict = comparator in ("gt", "lt")
            assert strict or holds[comparator](value, value)
            assert numbers(would_pass_if)[0] == pytest.approx(limit, rel=1e-5)
    assert measured > 1000


def test_one_change_lets_a_decision_through_and_nothing_less_does(simulated: Path) -> None:
    """For decisions without an arm: with the named guard passing some arm passes all its gates, with none changed no arm does."""
    arms = {"confidence": "model", "model_strength": "model", "arm_pros": "pros", "arm_amateurs": "amateurs"}
    gates = defaultdict(dict)
    for decision_id, guard, verdict in rows(
        simulated, "select decision_id, guard, verdict from marts.fct_guard_evaluations where guard_role = 'causal'"
    ):
        gates[decision_id][guard] = verdict
    found = rows(
        simulated,
        """
        select e.decision_id, one_change_guard, one_change_null_reason
        from marts.fct_decision_explanations as e inner join marts.fct_decisions as d using (decision_id)
        where d.is_blocked and d.direction_before_guards = 0
        """,
    )
    reasons = set()
    for decision_id, one_change, reason in found:
        verdicts = gates[decision_id]

        def is_through(changed: str | None, verdicts: dict[str, str] = verdicts) -> bool:
            passing = {guard: verdict == "PASS" or guard == changed for guard, verdict in verdicts.items()}
            eligible = any(
                all(passing[guard] for guard, arm in arms.items() if arm == name and guard in verdicts)
                for name in set(arms.values())
            )
            return eligible and all(
                verdict != "VETO" or guard == changed for guard, verdict in verdicts.items() if guard not in arms
            )

        assert not is_through(None)
        if one_change is None:
            assert not any(is_through(guard) for guard, verdict in verdicts.items() if verdict == "VETO")
        else:
            assert is_through(one_change)
        reasons.add(reason)
    assert reasons == {None, "several_guards_failed"}


def test_threshold_grid_is_a_recount_and_looser_never_passes_less(simulated: Path) -> None:
    values = defaultdict(list)
    for guard, bot, comparator, limit, value in rows(
        simulated,
        """
        select guard, bot, comparator, coalesce(limit_lo, limit_hi), input_value
        from marts.fct_guard_evaluations
        where is_canonical and run_kind = 'live_paper' and verdict = recomputed_verdict
        """,
    ):
        values[guard, bot, comparator, limit].append(value)
    grids = defaultdict(list)
    for guard, bot, comparator, limit, factor, judged, passed, rate in rows(
        simulated,
        """
        select guard, bot, comparator, current_limit, limit_factor, judged_count, pass_count, pass_rate
        from marts.mart_threshold_whatif order by limit_factor
        """,
    ):
        seen = values[guard, bot, comparator, limit]
        assert judged == len(seen)
        assert passed == sum(
            {"ge": x >= limit * factor, "gt": x > limit * factor, "le": x <= limit * factor, "lt": x < limit * factor}[comparator]
            for x in seen
        )
        grids[guard, bot, comparator, limit].append(rate)
    assert {"confidence", "calibration_band_gate", "funding_guard", "liquidity_ok"} <= {guard for guard, *_ in grids}
    for (_, _, comparator, _), rates in grids.items():
        # raising a largest limit, or lowering a least one, never lowers the pass rate
        assert rates == sorted(rates, reverse=comparator in ("ge", "gt"))
    assert any(len(set(rates)) > 3 for rates in grids.values())


def test_gate_accuracy_adds_up_to_the_shadow_trades(simulated: Path) -> None:
    by_mart = rows(
        simulated,
        """
        select horizon_bars, sum(blocked_count - without_side_count), sum(good_count), sum(neutral_count), sum(bad_count),
            sum(unresolved_count), sum(shadow_pnl_bps)
        from marts.mart_gate_accuracy group by all order by all
        """,
    )
    by_trade = rows(
        simulated,
        """
        select horizon_bars, count(*), count(*) filter (where verdict = 'good'), count(*) filter (where verdict = 'neutral'),
            count(*) filter (where verdict = 'bad'), count(*) filter (where verdict = 'unresolved'), sum(cf_net_bps)
        from marts.fct_shadow_trades where is_canonical and run_kind = 'live_paper' group by all order by all
        """,
    )
    assert by_mart == by_trade
    assert len(by_mart) == 4
    ((blocked, without_side),) = rows(
        simulated,
        "select sum(blocked_count), sum(without_side_count) from marts.mart_gate_accuracy where horizon_bars = 1",
    )
    ((rejections, sideless),) = rows(
        simulated,
        """
        select count(*), count(*) filter (where blocked_side is null)
        from marts.fct_guard_rejections where is_canonical and run_kind = 'live_paper'
        """,
    )
    assert (blocked, without_side) == (rejections, sideless)
    assert sideless > 0


def test_the_journal_has_the_columns_of_the_second_system(simulated: Path) -> None:
    with open_warehouse(simulated) as connection:
        for view, columns in JOURNAL.items():
            names = [row[0] for row in connection.execute(f"describe marts.{view}").fetchall()]
            if view == "v_win_rate_by_regime":
                names.remove("losses")
            assert names[: len(columns.split())] == columns.split()


def test_win_rates_are_those_of_the_round_trips(simulated: Path) -> None:
    outcomes = defaultdict(list)
    for bot, outcome, net in rows(
        simulated,
        """
        select bot, outcome, net_pnl_usd from marts.fct_round_trips
        where status = 'closed' and is_canonical and run_kind = 'live_paper' and not is_forced
        """,
    ):
        outcomes[bot].append((outcome, net))
    found = rows(
        simulated, "select mode, total_trades, wins, losses, breakevens, win_rate, total_pnl_usd from marts.v_win_rate_by_mode"
    )
    assert {row[0] for row in found} == set(outcomes)
    for mode, total, wins, losses, breakevens, win_rate, pnl in found:
        kinds = [outcome for outcome, _ in outcomes[mode]]
        assert (total, wins, losses, breakevens) == (
            len(kinds),
            kinds.count("win"),
            kinds.count("loss"),
            kinds.count("breakeven"),
        )
        assert win_rate == pytest.approx(wins / (wins + losses))
        assert pnl == sum((net for _, net in outcomes[mode]), Decimal(0))


def test_steps_of_a_trace_fill_it_from_end_to_end(simulated: Path) -> None:
    found = rows(
        simulated,
        """
        select t.total_ms, sum(s.duration_ms), sum(s.duration_share), count(*) filter (where s.is_slowest),
            list(s.step order by s.step_no), t.decision_to_exchange_ms
        from marts.fct_decision_traces as t inner join marts.fct_decision_trace_steps as s using (decision_id)
        where s.phase = 'decision' group by t.decision_id, t.total_ms, t.decision_to_exchange_ms
        """,
    )
    assert len(found) > 500
    for total, summed, share, slowest, steps, to_exchange in found:
        assert total == summed
        assert share == pytest.approx(1)
        assert (slowest, steps[-1], to_exchange) == (1, "signal_record", None)


def test_shadow_trades_of_the_real_logs_resolve_only_where_bars_follow(real: Path) -> None:
    decided = defaultdict(set)
    for run_id, bot, bar_ms in rows(
        real,
        "select run_id, bot, epoch_ms(bar_open_at) from intermediate.int_decisions where first_seen_at >= bar_close_at",
    ):
        decided[run_id, bot].add(bar_ms)
    found = rows(
        real, "select run_id, bot, epoch_ms(bar_open_at), horizon_bars, verdict, unresolved_reason from marts.fct_shadow_trades"
    )
    counts = defaultdict(int)
    for run_id, bot, bar_ms, horizon, verdict, reason in found:
        has_bars = {bar_ms + step * SECONDS[bot] * 1000 for step in range(horizon + 1)} <= decided[run_id, bot]
        assert (verdict == "unresolved") == (not has_bars or reason == "label_ended_before_decision")
        counts[horizon] += verdict != "unresolved"
    assert dict(counts) == {1: 427, 3: 347, 6: 290, 12: 176}


def test_explanations_of_the_real_logs(real: Path) -> None:
    found = rows(
        real,
        """
        select outcome, veto_guard_primary, one_change_null_reason, count(*)
        from marts.fct_decision_explanations group by all order by all
        """,
    )
    assert found == [
        ("blocked", "confidence", "several_guards_failed", 2),
        ("blocked", "confidence", None, 473),
        ("forced", "confidence", None, 44),
        ("traded", None, "not_blocked", 11),
    ]


def test_explain_prints_a_decision_and_knows_no_other(real: Path) -> None:
    with open_warehouse(real) as connection:
        decision_id, failed = connection.execute(
            "select decision_id, failed_guards from marts.fct_decision_explanations where outcome = 'forced' order by all limit 1"
        ).fetchone()
        text = explain(connection, decision_id)
        positions = [text.index(f". {guard} failed:") for guard in failed]
        assert positions == sorted(positions)
        assert "its validation trade was forced: one fill" in " ".join(text.split())
        with pytest.raises(QueryError, match="no decision 'nothing'"):
            explain(connection, "nothing")


def reorder(file: Path, schemas: list[str], pattern: str) -> None:
    """Store the tables of some schemas whose name matches in an order that has nothing to do with their content's."""
    with duckdb.connect(str(file)) as connection:
        connection.execute("set timezone = 'UTC'")
        tables = connection.execute(
            """
            select schema_name || '.' || table_name from duckdb_tables()
            where list_contains(?, schema_name) and regexp_matches(table_name, ?)
            """,
            [schemas, pattern],
        ).fetchall()
        assert tables
        for (table,) in tables:
            connection.execute(f"create table memory_copy as select * from {table} as t order by md5(cast(t as varchar))")
            connection.execute(f"drop table {table}")
            connection.execute(f"create table {table} as from memory_copy")
            connection.execute("drop table memory_copy")


def test_row_order_and_threads_do_not_show(simulated: Path, tmp_path: Path) -> None:
    """The journal comes out alike when every relation it rests on is stored in another order and one thread builds it."""
    shuffled = copy_warehouse(simulated, tmp_path / "warehouse.duckdb")
    reorder(shuffled, ["staging", "intermediate"], "^(stg_|int_decisions|int_bar_closes|int_guard)")
    reorder(serve_file(shuffled), ["marts"], "^(fct_decisions|fct_guard_|fct_predictions|fct_round_trip)")
    models = ["path:models/intermediate/journal", "path:models/marts/journal"]
    build(
        shuffled, "--threads", "1",
        selection=["--select", *models, "--exclude-resource-type", "unit_test", "--exclude-resource-type", "test"],
    )  # fmt: skip
    assert differences(simulated, shuffled) == {}
