"""Staging of the real logs: every record attributed, none twice, and the contents agree across streams."""

import json
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
import yaml

from dbt_commands import PROJECT
from raw_loaders.dictionary import load_dictionary
from raw_loaders.load import load_landing
from staged import build, open_warehouse

STREAMS = {name: load_dictionary().streams[name] for name in load_dictionary().bot_streams}
BARS = {"5m": [406, 3, 1], "1h": [62, 1, 1], "12h": [32, 1, 1], "24h": [20, 1, 1]}
HEALTH_BARS = {"5m": [20, 1, 1], "1h": [20, 1, 1], "12h": [32, 1, 1], "24h": [20, 1, 1]}
DAYS = ["2025-11-21", "2025-11-25", "2025-11-26"]
# rows per bot on each of these emission days
ROWS_PER_BOT_AND_DAY = {
    **dict.fromkeys(["ensemble_log", "pnl_equity_log", "signals", "calibration_log", "sizing_risk_log"], BARS),
    **dict.fromkeys(["feature_log", "calibration", "order_intent"], BARS),
    **dict.fromkeys(["kpi_scorecard", "market_ingest_log", "repro", "health"], HEALTH_BARS),
    "overlay_status": {bot: BARS[bot] for bot in ("1h", "12h")},
    "execution_log": {"5m": [31, 1, 1], "24h": [20, 1, 1]},
    "costs": {"5m": [62, 2, 2], "24h": [40, 2, 2]},
    "hyperliquid_fills": {"5m": [0, 293, 0], "1h": [0, 1507, 0], "12h": [0, 2644, 0], "24h": [0, 3214, 0]},
}


@pytest.fixture(scope="module")
def warehouse(real_logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real logs, loaded and built once, dbt's own tests included."""
    folder = tmp_path_factory.mktemp("real")
    load_landing(real_logs, folder / "warehouse.duckdb")
    build(folder / "warehouse.duckdb")
    return folder / "warehouse.duckdb"


@pytest.fixture
def tables(warehouse: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_warehouse(warehouse) as connection:
        yield connection


def test_every_row_is_staged_and_attributed(tables: duckdb.DuckDBPyConnection) -> None:
    rows = tables.execute("select * from intermediate.int_attribution_summary").fetchall()
    assert {row[0] for row in rows} == set(STREAMS)
    for stream, raw, staged, attributed, unattributed in rows:
        expected = sum(map(sum, ROWS_PER_BOT_AND_DAY[stream].values()))
        assert (raw, staged, attributed, unattributed) == (expected, expected, expected, 0), stream


@pytest.mark.parametrize("stream", STREAMS)
def test_bots_split_as_known(tables: duckdb.DuckDBPyConnection, stream: str) -> None:
    rows = tables.execute(f"""
        select bot, cast(emitted_date_ist as varchar), count(*) from staging.stg_{stream} group by all
    """).fetchall()
    expected = {
        (bot, day): count
        for bot, counts in ROWS_PER_BOT_AND_DAY[stream].items()
        for day, count in zip(DAYS, counts, strict=True)
        if count
    }
    assert {(bot, day): count for bot, day, count in rows} == expected


def test_a_decision_has_one_record_of_each_stream(tables: duckdb.DuckDBPyConnection) -> None:
    for stream in STREAMS.keys() - {"costs", "execution_log", "hyperliquid_fills"}:
        rows, decisions = tables.execute(f"select count(*), count(distinct decision_id) from staging.stg_{stream}").fetchone()
        assert rows == decisions > 0, stream


def test_an_execution_has_one_attribution_and_one_breakdown(tables: duckdb.DuckDBPyConnection) -> None:
    rows = tables.execute("""
        select
            executions.source_file, executions.line_no, list(costs.shape order by costs.shape),
            bool_and(costs.run_id = executions.run_id and costs.decision_id = executions.decision_id),
            bool_and(round(fill_px::double * fill_qty::double, 2) = trade_notional_usd::double)
        from staging.stg_execution_log as executions
        left join staging.stg_costs as costs
            on executions.source_file = costs.execution_source_file and executions.line_no = costs.execution_line_no
        group by all
    """).fetchall()
    assert len(rows) == 55
    assert all(row[2:] == (["attribution", "breakdown"], True, True) for row in rows)


# Facts two streams state of the same decision without naming it: where attribution is right they agree in every row.
AGREEMENTS = {
    "order_intent and signals on the score": (
        "staging.stg_order_intent as a join staging.stg_signals as b using (decision_id)",
        "a.is_band_passed = (abs(b.s_model) >= 0.12) and (a.intent_side <> 'HOLD') = (b.chosen_arm is not null)",
    ),
    "order_intent and feature_log on the volume": (
        "staging.stg_order_intent as a join staging.stg_feature_log as b using (decision_id)",
        "abs(least(1, a.bar_volume_qty::double / 1000) - (2 * b.liquidity_score - greatest(0, 1 - b.bar_range_bps / 50))) < 1e-6",
    ),
    "calibration and calibration_log on the score": (
        "staging.stg_calibration as a join staging.stg_calibration_log as b using (decision_id)",
        "abs(a.pred_cal_bps - b.pred_cal_bps) < 1e-6 and a.is_in_no_trade_band = b.is_in_no_trade_band",
    ),
    "sizing_risk_log and signals on direction": (
        "staging.stg_sizing_risk_log as a join staging.stg_signals as b using (decision_id)",
        "(a.target_position_share <> 0) = (b.decision_direction <> 0)",
    ),
    "overlay_status and signals on the overlay": (
        "staging.stg_overlay_status as a join staging.stg_signals as b using (decision_id)",
        "a.overlay_confidence = b.overlay_confidence and a.alignment_rule = b.overlay_alignment_rule",
    ),
    "market_ingest_log and feature_log on the bar": (
        "staging.stg_market_ingest_log as a join staging.stg_feature_log as b using (decision_id)",
        "a.bar_range_bps = b.bar_range_bps and a.bar_open_hour_ist = hour(b.bar_open_at at time zone 'Asia/Kolkata')",
    ),
    "health and pnl_equity_log on equity": (
        "staging.stg_health as a join staging.stg_pnl_equity_log as b using (decision_id)",
        "abs(a.equity_usd - b.equity_usd) < 0.0051",
    ),
    "repro and kpi_scorecard on the moment": (
        "staging.stg_repro as a join staging.stg_kpi_scorecard as b using (decision_id)",
        "b.emitted_at - a.emitted_at between interval 0 seconds and interval 1 second",
    ),
}


@pytest.mark.parametrize("what", AGREEMENTS)
def test_streams_agree_on_what_they_both_say(tables: duckdb.DuckDBPyConnection, what: str) -> None:
    pairs, agreement = AGREEMENTS[what]
    count, agreeing = tables.execute(
        f"select count(*), count(*) filter (a.run_id = b.run_id and a.bot = b.bot and {agreement}) from {pairs}"
    ).fetchone()
    assert count == agreeing > 90


def test_third_party_fills_count_as_an_independent_reader_counts(real_logs: Path, tables: duckdb.DuckDBPyConnection) -> None:
    seen: dict[str, Counter] = defaultdict(Counter)
    for file in real_logs.rglob("hyperliquid_fills.jsonl.gz"):
        rest = file.read_bytes()
        while rest:
            decoder = zlib.decompressobj(31)
            record = json.loads(decoder.decompress(rest))
            seen[record["event_id"]][record["run_id"], file.parts[-5]] += 1
            rest = decoder.unused_data
    expected = {event: max(polls.values()) for event, polls in seen.items()}
    staged = tables.execute("""
        select event_id, count(*) from staging.stg_hyperliquid_fills where is_canonical group by event_id
    """).fetchall()
    assert dict(staged) == expected
    assert sum(expected.values()) > len(expected), "no identical partial fills in the sample: the test proves nothing"


def test_defaults_are_null_with_a_reason_and_nothing_else_is(tables: duckdb.DuckDBPyConnection) -> None:
    for stream in ("feature_log", "order_intent", "calibration", "pnl_equity_log", "overlay_status", "health", "signals"):
        columns = {c["name"]: c["path"] for c in STREAMS[stream].columns}
        reasons = tables.execute(f"""
            select distinct unnest(map_keys(null_reasons)) from staging.stg_{stream}
        """).fetchall()
        assert reasons, stream
        for (column,) in reasons:
            path = columns[column] if "[" in columns[column] else ".".join(f'"{p}"' for p in columns[column].split("."))
            wrong = tables.execute(f"""
                select count(*)
                from staging.stg_{stream} as staged join raw.{stream} as raw using (source_file, line_no)
                where (null_reasons['{column}'] is null) <> ({column} is not null)
                and (raw.record ->> '$.{path}') is not null
            """).fetchone()[0]
            assert wrong == 0, (stream, column)


def test_first_bars_of_a_run_have_no_change_and_later_ones_do(tables: duckdb.DuckDBPyConnection) -> None:
    rows = tables.execute("""
        select bar_counter = 0, count(*), count(price_change_bps), count(mom_3) filter (bar_counter < 3)
        from staging.stg_feature_log group by all order by all
    """).fetchall()
    assert rows == [(False, 442, 442, 0), (True, 88, 0, 0)]


def test_runs(tables: duckdb.DuckDBPyConnection) -> None:
    rows = tables.execute("""
        select run_kind, count(*), sum(decision_count)::bigint, max(concurrent_run_count), list(distinct git_sha order by git_sha)
        from marts.dim_runs where len(bots) = 4 and git_sha_count = 1 group by run_kind order by run_kind
    """).fetchall()
    assert rows == [
        ("live_paper", 20, 522, 19, ["46b2827", "5092aec"]),
        ("offline_smoke", 2, 8, 1, ["4850469", "57ae17a"]),
    ]


def test_one_replica_per_bar_is_canonical_and_live_where_one_is(tables: duckdb.DuckDBPyConnection) -> None:
    bars, canonical, offline = tables.execute("""
        select count(distinct (bot, symbol, bar_open_at)), count(*) filter (is_canonical),
            count(*) filter (is_canonical and run_kind = 'offline_smoke' and replica_count > 1)
        from staging.stg_signals join intermediate.int_decisions using (decision_id, is_canonical, bot, symbol, bar_open_at)
    """).fetchone()
    assert (bars, canonical, offline) == (48, 48, 0)


def test_every_raw_column_is_described(tables: duckdb.DuckDBPyConnection) -> None:
    file = PROJECT / "models" / "raw_sources.yml"
    declared = {t["name"]: [c["name"] for c in t["columns"]] for t in yaml.safe_load(file.read_text())["sources"][0]["tables"]}
    actual: dict[str, list[str]] = defaultdict(list)
    for table, column in tables.execute("""
        select table_name, column_name from duckdb_columns()
        where schema_name = 'raw' and database_name = 'warehouse' order by column_index
    """).fetchall():
        actual[table].append(column)
    assert {t: sorted(c) for t, c in actual.items()} == {t: sorted(c) for t, c in declared.items()}
