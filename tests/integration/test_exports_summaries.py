"""Tiers 2 and 3: what language models and dashboards get is flat, small, valid by its schema, and says what the marts say."""

import datetime as dt
import json
import shutil
from decimal import Decimal
from pathlib import Path

import duckdb
import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract_marts import make_marts
from exports.errors import SelectionError, SourceError
from exports.health import export_health
from exports.marts import Window
from exports.summaries.rounding import rounded
from exports.summaries.run import LINES, NAMES, export_summaries
from exports.summaries.schema import SCHEMAS
from exports.summaries.writer import write_lines

DAY = dt.date(2025, 11, 21)
WINDOW = Window(DAY, DAY + dt.timedelta(days=1))
NOON = dt.datetime(2025, 11, 21, 6, 30, tzinfo=dt.UTC)


def decision(n: int, **changes: object) -> dict[str, object]:
    """A decision that ended in HOLD for lack of confidence."""
    return {
        "decision_id": f"run|5m|BTCUSDT|{n}|1",
        "bot": "5m",
        "run_id": "run",
        "symbol": "BTCUSDT",
        "bar_open_at": NOON,
        "decided_at": NOON + dt.timedelta(seconds=n),
        "decided_date_ist": DAY,
        "is_canonical": True,
        "intent_side": "HOLD",
        "final_side": "HOLD",
        "veto_reason_primary": "CONFIDENCE",
        "veto_reason_secondary": ["THRESHOLD", "BAND"],
        "p_up_prob": 0.5499996,
        "is_synthetic": False,
    } | changes


def rejection(n: int, **changes: object) -> dict[str, object]:
    """Its rejection, by so little that two decimals would make a pass of it."""
    return {
        "decision_id": f"run|5m|BTCUSDT|{n}|1",
        "decided_date_ist": DAY,
        "primary_value": 0.5499996,
        "primary_comparator": "ge",
        "primary_limit_lo": 0.55,
        "margin_abs": -0.0000004,
        "margin_pct": -0.00007,
    } | changes


def trade(n: int, **changes: object) -> dict[str, object]:
    return {
        "trade_id": f"t{n}", "bot": "5m", "run_id": "run", "symbol": "BTCUSDT", "status": "closed", "direction": "LONG",
        "opened_at": NOON, "closed_at": NOON, "opened_date_ist": DAY, "closed_date_ist": DAY, "net_pnl_usd": Decimal("12.345678"),
        "outcome": "won", "is_synthetic": False,
    } | changes  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2,000 HOLD decisions, 30 trades, and a row or two of everything else."""
    session = {
        "bot": "5m", "session_id": "20251121_12", "session_start_at": NOON, "session_end_at": NOON + dt.timedelta(hours=1),
        "date_ist": DAY, "rejection_rate": 0.99996, "rejection_breakdown": '{"CONFIDENCE":7,"BAND":2}', "is_synthetic": False,
    }  # fmt: skip
    health = {"bot": "5m", "as_of_at": NOON, "null_reasons": {"ws_staleness_ms": "not_logged"}, "is_synthetic": False}
    buckets = [
        health | {"bucket_start_at": NOON - dt.timedelta(hours=age), "bucket_end_at": NOON - dt.timedelta(hours=age, minutes=-5)}
        for age in (1, 23, 24, 25, 24 * 6, 24 * 8, 24 * 364, 24 * 366)
    ]
    rows = {
        "fct_decisions": [decision(n) for n in range(2000)]
        + [decision(n, final_side="BUY", intent_side="BUY", execution_count=1) for n in range(2000, 2030)]
        + [decision(9999, decided_date_ist=DAY + dt.timedelta(days=1))],
        "fct_guard_rejections": [rejection(n) for n in range(2000)],
        "fct_round_trips": [
            trade(1),
            trade(2, net_pnl_usd=Decimal("-0.00004"), outcome="lost"),
            trade(3, status="abandoned", closed_at=None, closed_date_ist=None, net_pnl_usd=None, net_pnl_null_reason="no_exit"),
            trade(4, closed_date_ist=DAY + dt.timedelta(days=1), closed_at=NOON + dt.timedelta(days=1)),
        ],
        "mart_session_summary_hourly": [session],
        "mart_prediction_quality": [
            {
                "grain": "day_ist", "grain_key": str(DAY), "bot": "5m", "symbol": "BTCUSDT", "population": "all_bars",
                "horizon_bars": 1, "ic_spearman": -0.000003, "model_hit_share": 0.500001, "majority_hit_share": 0.5,
            },
            {"grain": "code_version", "grain_key": "28858b5", "bot": "5m"},
        ],
        "fct_activity": [
            {"activity_id": f"fill:{n}", "happened_at": NOON, "date_ist": DAY, "kind": "fill", "priority": "normal"}
            | {"message": "BUY 0.001", "source_model": "fct_fills", "event_key": str(n)}
            for n in (2, 1)
        ],
        "metric_values": [
            {
                "metric_id": "win_rate", "source_system": "metastacker", "grain": "day", "dimension": "all",
                "dimension_value": "all", "day_ist": DAY, "value": 0.6999999, "target_min": 0.7, "is_on_target": False, "n": 3,
                "unit": "share", "owner_model": "fct_round_trips", "direction": "higher", "metric_uri": "metrics://x",
            }
        ],
        "mart_health_5m": buckets, "mart_health_1h": buckets, "mart_health_24h": buckets,
    }  # fmt: skip
    return make_marts(tmp_path_factory.mktemp("marts") / "served.duckdb", rows)


@pytest.fixture
def marts(made: Path, tmp_path: Path) -> Path:
    """A copy of `made`."""
    return Path(shutil.copy(made, tmp_path))


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def check(name: str, document: object) -> None:
    """Raise when a document is not valid by its schema."""
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())
    checker = jsonschema.Draft202012Validator
    checker.check_schema(schema)
    checker(schema, format_checker=checker.FORMAT_CHECKER).validate(document)


def test_every_record_is_valid_flat_and_counted(marts: Path, tmp_path: Path) -> None:
    files = {file.path.name: file for file in export_summaries(marts, tmp_path / "out", WINDOW)}
    assert set(files) == {*(f"{name}.jsonl" for name in LINES), "metrics_2025-11-21.json"}
    for name in LINES:
        header, *records = lines(files[f"{name}.jsonl"].path)
        assert header["row_count"] == len(records) == files[f"{name}.jsonl"].records > 0
        assert (header["window_from"], header["window_to_before"], header["time_zone"]) == (
            "2025-11-21",
            "2025-11-22",
            "Asia/Kolkata",
        )
        for record in [header, *records]:
            check(name, record)
            assert not any(isinstance(value, dict | list) for value in record.values())
    document = json.loads(files["metrics_2025-11-21.json"].path.read_text())
    check("metrics", document)
    assert document["metrics"][0]["value"] == 0.6999999  # 0.7 would be on target


def test_activity_is_in_order(marts: Path, tmp_path: Path) -> None:
    export_summaries(marts, tmp_path / "out", WINDOW, names=["activity"])
    assert [r["activity_id"] for r in lines(tmp_path / "out" / WINDOW.name / "activity.jsonl")[1:]] == ["fill:1", "fill:2"]


def test_schemas_refuse_what_is_wrong(marts: Path, tmp_path: Path) -> None:
    export_summaries(marts, tmp_path / "out", WINDOW, names=["trade_summary"])
    _, record, *_ = lines(tmp_path / "out" / WINDOW.name / "trade_summary.jsonl")
    for wrong in ({"bot": 5}, {"surplus": 1}, {"opened_at": None}):
        with pytest.raises(jsonschema.ValidationError):
            check("trade_summary", record | wrong)


def test_same_input_same_bytes_and_the_folder_is_replaced_whole(marts: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    one = {file.path.name: file.path.read_bytes() for file in export_summaries(marts, out, WINDOW)}
    (out / WINDOW.name / "left_over.txt").write_text("x")
    (out / f".{WINDOW.name}.new").mkdir()  # what a crash leaves behind
    two = {file.path.name: file.path.read_bytes() for file in export_summaries(marts, out, WINDOW)}
    assert one == two
    export_summaries(marts, out, WINDOW, names=["activity"])
    assert {path.name for path in (out / WINDOW.name).iterdir()} == set(one)
    assert {path.name for path in (out / WINDOW.name).iterdir()} == set(one)
    assert [path.name for path in out.iterdir()] == [WINDOW.name]


def test_a_failed_export_leaves_the_last_one(marts: Path, tmp_path: Path) -> None:
    export_summaries(marts, tmp_path / "out", WINDOW)
    with duckdb.connect(str(marts)) as connection:
        connection.execute("drop table marts.mart_prediction_quality")
    (tmp_path / "out" / WINDOW.name).rename(tmp_path / "out" / f".{WINDOW.name}.old")  # as a crash between two renames leaves it
    with pytest.raises(SourceError, match="make run"):
        export_summaries(marts, tmp_path / "out", WINDOW)
    assert (tmp_path / "out" / WINDOW.name / "trade_summary.jsonl").exists()
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_all_trades_and_a_weighted_share_of_holds(marts: Path, tmp_path: Path) -> None:
    """The sample is the same in any window and at any time, nested in larger ones, and its weights add up to the whole."""
    names = ["guard_rejections_sample"]
    export_summaries(marts, tmp_path / "out", WINDOW, names=names)
    _, *records = lines(tmp_path / "out" / WINDOW.name / "guard_rejections_sample.jsonl")
    holds = {r["decision_id"] for r in records if r["decision_kind"] == "hold"}
    assert sum(r["decision_kind"] == "trade" for r in records) == 30
    assert 60 <= len(holds) <= 145  # 100 expected of 2,000
    assert {r["weight"] for r in records if r["decision_kind"] == "hold"} == {20.0}
    wide = Window(DAY - dt.timedelta(days=3), DAY + dt.timedelta(days=3))
    export_summaries(marts, tmp_path / "wide", wide, names=names, hold_share=0.2)
    _, *more = lines(tmp_path / "wide" / wide.name / "guard_rejections_sample.jsonl")
    assert holds < {r["decision_id"] for r in more}


def test_rounding_keeps_signs_and_verdicts(marts: Path, tmp_path: Path) -> None:
    export_summaries(marts, tmp_path / "out", WINDOW)
    folder = tmp_path / "out" / WINDOW.name
    _, *trades = lines(folder / "trade_summary.jsonl")
    assert [(t["trade_id"], t["net_pnl_usd"]) for t in trades] == [("t1", 12.35), ("t2", -0.00004), ("t3", None)]
    _, rejected, *_ = (r for r in lines(folder / "guard_rejections_sample.jsonl") if r.get("decision_kind") != "trade")
    assert rejected["primary_value"] < rejected["primary_limit_lo"]
    assert rejected["p_up_prob"] < rejected["primary_limit_lo"]
    assert rejected["margin_abs"] < 0 and rejected["margin_pct"] < 0
    _, drift = lines(folder / "model_drift.jsonl")
    assert drift["ic_spearman"] < 0 and drift["model_hit_share"] > drift["majority_hit_share"]
    _, session = lines(folder / "session_summary.jsonl")
    assert session["rejection_rate"] < 1
    assert session["rejection_breakdown"] == "BAND=2; CONFIDENCE=7"


numbers = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e9, max_value=1e9)


@given(numbers, numbers, st.integers(0, 6))
def test_rounded_stays_on_its_side(value: float, limit: float, decimals: int) -> None:
    result = rounded(value, decimals, [limit])
    assert (result > 0, result < 0) == (value > 0, value < 0)
    assert (result > limit, result < limit) == (value > limit, value < limit)
    assert abs(result - value) <= 0.5 * 10**-decimals + 1e-6 * abs(value)


def test_what_is_no_number_is_null() -> None:
    assert [rounded(value, 2) for value in (None, float("nan"), float("inf"))] == [None, None, None]
    assert rounded(0.125, 2) == 0.12
    assert str(rounded(-0.0, 2)) == "0.0"


def test_large_exports_are_split_between_half_and_the_whole_of_the_limit(tmp_path: Path) -> None:
    records = [{"record": "x", "n": n, "text": "y" * (n % 700)} for n in range(3000)]
    written = write_lines(tmp_path, "x", records, {"export": "x"}, largest=200_000)
    assert len(written) > 3
    assert all(100_000 <= file.bytes <= 200_000 for file in written)
    headers = [lines(file.path)[0] for file in written]
    assert [h["part"] for h in headers] == list(range(1, len(written) + 1))
    assert [h["row_count"] for h in headers] == [file.records for file in written]
    assert {h["total_row_count"] for h in headers} == {3000}
    assert len({h["content_hash"] for h in headers}) == 1
    assert [r["n"] for file in written for r in lines(file.path)[1:]] == list(range(3000))
    assert len(list(tmp_path.iterdir())) == len(written)
    even = write_lines(tmp_path, "even", [{"text": "y" * 90} for _ in range(2000)], {}, largest=200_000)
    assert [file.records for file in even] == [1000, 1000]  # not one full part and a small rest


def test_health_buckets_are_kept_as_long_as_their_kind(marts: Path, tmp_path: Path) -> None:
    """Of buckets 1 h to 366 days old: 24 hours of five-minute ones, 7 days of hours, 365 days of days."""
    files = export_health(marts, tmp_path)
    assert [(file.path.name, file.records) for file in files] == [
        ("health_5m.jsonl", 3),
        ("health_1h.jsonl", 5),
        ("health_24h.jsonl", 7),
    ]
    for file in files:
        for record in lines(file.path):
            check("health", record)
    before = files[0].path.read_bytes()
    assert lines(files[0].path)[1]["null_reasons"] == "ws_staleness_ms=not_logged"
    export_health(marts, tmp_path)
    assert files[0].path.read_bytes() == before
    later = export_health(marts, tmp_path, as_of=NOON + dt.timedelta(days=2))
    assert [file.records for file in later] == [0, 4, 6]


@pytest.mark.parametrize("arguments", [{"names": ["no_such"]}, {"hold_share": 0.0}, {"hold_share": 1.5}])
def test_wrong_arguments_are_one_sentence(marts: Path, tmp_path: Path, arguments: dict[str, object]) -> None:
    with pytest.raises(SelectionError):
        export_summaries(marts, tmp_path / "out", WINDOW, **arguments)
    assert not (tmp_path / "out").exists()


def test_names_have_a_schema_and_a_query_each() -> None:
    assert {path.stem for path in SCHEMAS.glob("*.json")} == {*NAMES, "health"}
