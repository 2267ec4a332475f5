"""Traces, shadow trades and registry of a simulated tree, row by row against what the simulator noted while it wrote it."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from raw_loaders.load import load_landing
from raw_loaders.simulate.__main__ import main as simulate
from staged import build, open_warehouse

MARTS = ["fct_decision_traces", "fct_shadow_trades", "dim_models", "fct_model_lineage", "fct_config_changes"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with `w.duckdb`, a built simulation that trades much and loses records, `truth/` and `manifest.json`."""
    folder = tmp_path_factory.mktemp("truth")
    arguments = ["--seed", "31", "--days", "2", "--trading", "active", "--third-party-fills", "20", "--trace-faults", "0.1"]
    arguments += ["--volatility", "5"]
    places = ["--truth", str(folder / "truth"), "--manifest", str(folder / "manifest.json")]
    assert simulate(["--out", str(folder / "landing"), "--second-system", *arguments, *places]) == 0
    load_landing(folder / "landing", folder / "w.duckdb")
    selection = ["--select", *(f"+{mart}" for mart in MARTS), "+stg_gate_decision"]
    build(folder / "w.duckdb", "--exclude-resource-type", "unit_test", "test", selection=selection)
    return folder


@pytest.fixture
def con(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_warehouse(folder / "w.duckdb") as connection:
        yield connection


def compared(con: duckdb.DuckDBPyConnection, mart: str, truth: str) -> tuple[int, list[tuple], list[tuple]]:
    """Rows of the truth, and up to five rows that only the mart has and that only the truth has."""
    count = con.execute(f"select count(*) from ({truth})").fetchone()[0]
    extra = con.execute(f"({mart}) except all ({truth}) limit 5").fetchall()
    return count, extra, con.execute(f"({truth}) except all ({mart}) limit 5").fetchall()


def bursts(folder: Path, truth: str) -> str:
    """A table of the truth with the decision each row belongs to."""
    return f"'{folder}/truth/{truth}.parquet' inner join '{folder}/truth/bursts.parquet' as bursts using (burst)"


def test_traces_are_those_that_the_simulator_timed(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    mart = """
        select bot, run_id, symbol, epoch_ms(bar_open_at), epoch_us(scored_at), epoch_us(recorded_at), total_ms, step_count,
            slowest_step, slowest_ms, round(slowest_share, 12), bottleneck_steps, total_null_reason
        from marts.fct_decision_traces
        """
    truth = f"""
        select bot, run_id, symbol, bar_open_ms, ensemble_us, ensemble_us + total_us, cast(total_us * 0.001 as decimal(18, 3)),
            step_count, slowest_step, cast(slowest_us * 0.001 as decimal(18, 3)), round(slowest_us / total_us, 12),
            bottleneck_steps, case when total_us is null then 'record_lost' end
        from {bursts(folder, "traces")}
        """
    count, extra, missing = compared(con, mart, truth)
    assert (extra, missing) == ([], [])
    lost, bottlenecks = con.execute(
        f"select count(*) filter (where total_us is null), count(distinct bottleneck_steps) from {bursts(folder, 'traces')}"
    ).fetchone()
    assert count > 1000
    assert lost > 5
    assert bottlenecks > 5


def test_steps_of_traces_are_those_that_the_simulator_timed(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    mart = """
        select bot, run_id, symbol, epoch_ms(bar_open_at), step_no, step, after_step, epoch_us(started_at), epoch_us(ended_at),
            offset_ms, duration_ms, round(duration_share, 12), is_bottleneck
        from marts.fct_decision_trace_steps
        """
    truth = f"""
        select bot, run_id, symbol, bar_open_ms, step_no, step, after_step, started_us, started_us + duration_us,
            cast((started_us - ensemble_us) * 0.001 as decimal(18, 3)), cast(duration_us * 0.001 as decimal(18, 3)),
            round(duration_share, 12), coalesce(duration_share > 0.2, false)
        from {bursts(folder, "trace_steps")}
        """
    count, extra, missing = compared(con, mart, truth)
    assert (extra, missing) == ([], [])
    assert count > 6000


def test_faults_of_the_tree_are_there(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Records left out, written twice and landed late: without them the two tests above would prove little."""
    lines = f"'{folder}/truth/lines.parquet'"
    for stream in ("calibration_log", "sizing_risk_log", "signals"):
        (missing,) = con.execute(
            f"select count(*) from '{folder}/truth/bursts.parquet' where kind = 'decision' and burst not in (select burst from "
            f"{lines} where stream = '{stream}')"
        ).fetchone()
        assert missing > 5, stream
    for stream in ("calibration_log", "sizing_risk_log"):
        doubled, late = con.execute(
            f"""
            select count(*) filter (where is_twice), count(*) filter (where is_late) from (
                select count(*) over (partition by record) > 1 as is_twice,
                    emitted_at < lag(emitted_at) over (partition by source_file order by line_no) as is_late
                from raw.{stream}
            )
            """
        ).fetchone()
        assert doubled > 5
        assert late > 5


def test_verdicts_on_held_back_trades_are_those_of_the_simulator(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Every trade that a guard stood against, at every horizon: side, result, verdict or why there is none."""
    mart = "marts.fct_shadow_trades where side_method = 'chosen_arm'"
    key, said = "bot, run_id, symbol", "horizon_bars, side, verdict, unresolved_reason, gross_bps"

    def by_trade(query: str) -> dict[tuple, tuple]:
        found = con.execute(query).fetchall()
        of_trade = {row[:5]: row[5:] for row in found}
        assert len(of_trade) == len(found)
        return of_trade

    expected = by_trade(f"select {key}, bar_open_ms, {said}, net_bps from {bursts(folder, 'shadow_trades')}")
    found = by_trade(f"select {key}, epoch_ms(bar_open_at), {said}, cf_net_bps from {mart}")
    assert set(found) == set(expected)
    for trade, true in expected.items():
        assert found[trade][:3] == true[:3], trade
        for value, true_value in zip(found[trade][3:], true[3:], strict=True):
            assert (value is None) == (true_value is None), trade
            assert value is None or float(value) == pytest.approx(true_value, abs=1e-4), trade
    assert {row[1] for row in expected.values()} == {"good", "neutral", "bad", "unresolved"}
    assert {row[2] for row in expected.values()} == {None, "no_later_bar", "bar_missing", "entry_price_unknown"}
    assert len(expected) > 400


def test_gate_verdicts_of_the_second_system_are_those_of_the_manifest(con: duckdb.DuckDBPyConnection, folder: Path) -> None:
    verdicts = json.loads((folder / "manifest.json").read_text())["second_system"]["verdicts"]
    expected = Counter(tuple(row[name] for name in ("signal_id", "gate", "mode", "verdict")) for row in verdicts)
    assert Counter(con.execute("select signal_id, gate, mode, verdict from staging.stg_gate_decision").fetchall()) == expected
    assert len(expected) > 400
