"""What is made from the stream dictionary is up to date, and the names in it mean what they hold."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from raw_loaders.dictionary import load_dictionary

STREAMS = load_dictionary().streams
SUFFIXES = {
    "bps": r"_bps(_per_day)?$",
    "usd": r"_usd$",
    "qty": r"_qty$",
    "px": r"_px$",
    "prob": r"_prob$",
    "pct": r"_pct$",
    "ms": r"_ms$",
    "share": r"_share$",
    "count": r"_count$",
}
LYING_NAMES = {
    "feature_log": {"spread_bps": "bar_range_bps", "adv20": "mean_bar_volume_20_qty"},
    "order_intent": {"intent_qty": "intent_strength", "reason_codes.spread_guard": "is_spread_guard_passed"},
    "calibration": {"in_band_flag": "is_in_no_trade_band"},
    "calibration_log": {"in_band_flag": "is_in_no_trade_band"},
    "market_ingest_log": {"mid": "bar_close_px", "range_bps": "bar_range_bps"},
    "costs": {"costs.adv_ref": "mean_bar_volume_usd"},
    "ensemble_log": {"bar_id": "llm_bar_id"},
    "overlay_status": {"bar_id": "bar_counter"},
}


def name_faults(column: dict[str, object]) -> list[str]:
    """What is wrong with a column's name, given its unit and type."""
    name, unit, kind = str(column["name"]), column["unit"], str(column["type"])
    faults = [f"unit {unit} needs a name like {SUFFIXES[unit]}" for _ in [0] if unit in SUFFIXES]
    faults = [fault for fault in faults if not re.search(SUFFIXES[unit], name)]
    faults += [f"named as {u}, unit is {unit}" for u, suffix in SUFFIXES.items() if re.search(suffix, name) and u != unit]
    if (kind == "BOOLEAN") != bool(re.match(r"(is|has)_", name)):
        faults.append("is_ and has_ are for booleans, and booleans need them")
    if (kind == "TIMESTAMPTZ") != name.endswith("_at"):
        faults.append("_at is for instants, and instants need it")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        faults.append("not snake case")
    return faults


@pytest.mark.parametrize("stream", STREAMS)
def test_every_column_of_the_dictionary_is_well_named_and_described(stream: str) -> None:
    columns = STREAMS[stream].columns
    assert columns
    assert len({c["name"] for c in columns}) == len({c["path"] for c in columns}) == len(columns)
    for column in columns:
        assert not name_faults(column), (column["name"], name_faults(column))
        assert str(column["meaning"]).endswith("."), column["name"]


@pytest.mark.parametrize(
    "column",
    [
        {"name": "spread", "unit": "bps", "type": "DOUBLE"},
        {"name": "fee_usd", "unit": "bps", "type": "DOUBLE"},
        {"name": "adv_cap_hit", "unit": "flag", "type": "BOOLEAN"},
        {"name": "ts_ist", "unit": "utc", "type": "TIMESTAMPTZ"},
        {"name": "is_late_at", "unit": "utc", "type": "TIMESTAMPTZ"},
        {"name": "Sharpe_1w", "unit": "none", "type": "DOUBLE"},
    ],
)
def test_a_bad_name_is_refused(column: dict[str, object]) -> None:
    assert name_faults(column)


def test_names_that_lie_in_the_source_are_renamed() -> None:
    for stream, names in LYING_NAMES.items():
        renamed = {c["path"]: c["name"] for c in STREAMS[stream].columns}
        assert {path: renamed[path] for path in names} == names


def test_sources_models_and_page_follow_the_dictionary(repository: Path) -> None:
    command = [sys.executable, "-m", "dbt_project.describe", "--check"]
    done = subprocess.run(command, cwd=repository, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_stream_is_a_source_and_a_model_with_all_its_columns(repository: Path) -> None:
    models = repository / "dbt_project" / "models"
    tables = yaml.safe_load((models / "raw_sources.yml").read_text())["sources"][0]["tables"]
    assert set(STREAMS) <= {table["name"] for table in tables}
    for name, stream in STREAMS.items():
        (model,) = yaml.safe_load((models / "staging" / f"stg_{name}.yml").read_text())["models"]
        assert {c["name"] for c in stream.columns} <= {c["name"] for c in model["columns"]}, name
        assert model["description"].startswith("One row per ")
        assert all(c["description"] and c["data_type"] for c in model["columns"])


def test_hand_written_models_are_described(repository: Path) -> None:
    folder = repository / "dbt_project" / "models"
    described = {}
    for file in folder.rglob("*.yml"):
        described |= {m["name"]: m for m in yaml.safe_load(file.read_text()).get("models", [])}
    assert {file.stem for file in folder.rglob("*.sql")} == set(described)
    # a view that only lays tables side by side: their keys are tested where the rows are made
    passed_on = {file.stem for file in folder.rglob("int_*.sql") if "config(materialized='view')" in file.read_text()}
    for name, model in described.items():
        assert model["description"].startswith("One row per "), name
        assert name in passed_on or "unique" in str(model["data_tests"]), name
        assert name.startswith("int_") or model["columns"], f"{name} is public: its columns must be described"
        assert all(c.get("description") for c in model.get("columns", [])), name
