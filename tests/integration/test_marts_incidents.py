"""Alerts and registry over scripted incidents and releases: exactly what the script says, nothing more."""

import json
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from raw_loaders.load import load_landing
from raw_loaders.simulate.__main__ import main as simulate
from staged import build, open_warehouse

COLUMNS = (
    "rule_id", "dimension", "dimension_value", "fired_at", "level", "is_escalated", "breach_started_at", "suppressed_count",
    "outcome",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with `w.duckdb`, the scripted incidents built up to the alerts, and `manifest.json`."""
    folder = tmp_path_factory.mktemp("incidents")
    arguments = ["--incidents", "--manifest", str(folder / "manifest.json")]
    assert simulate(["--out", str(folder / "landing"), *arguments]) == 0
    load_landing(folder / "landing", folder / "w.duckdb")
    marts = ["fct_alert_events", "dim_models", "fct_model_lineage", "fct_config_changes"]
    selection = ["--select", *(f"+{mart}" for mart in marts)]
    build(folder / "w.duckdb", "--exclude-resource-type", "unit_test", "test", selection=selection)
    return folder


CLOCKS = ("fired_at", "breach_started_at", "first_seen_at", "last_seen_at", "effective_at")


def with_clocks(row: dict) -> dict:
    """A row of the manifest, its times as the warehouse gives them."""
    return row | {name: datetime.fromisoformat(row[name]) for name in CLOCKS if name in row}


def told(folder: Path) -> Counter:
    """The alerts of the manifest, as rows of COLUMNS with how often each must come."""
    alerts = json.loads((folder / "manifest.json").read_text())["alerts"]
    return Counter(tuple(with_clocks(alert)[name] for name in COLUMNS) for alert in alerts)


def test_alerts_are_exactly_those_of_the_script(folder: Path) -> None:
    expected = told(folder)
    with open_warehouse(folder / "w.duckdb") as con:
        found = Counter(con.execute(f"select {', '.join(COLUMNS)} from marts.fct_alert_events").fetchall())
    assert (found - expected, expected - found) == (Counter(), Counter())
    # what the script is there for
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in expected]
    assert {row["level"] for row in rows} == {"emergency", "critical", "warning", "info"}
    assert {row["outcome"] for row in rows} == {"sent", "rate_limited_rule"}
    assert any(row["is_escalated"] for row in rows)
    assert any(row["suppressed_count"] for row in rows)
    assert len({row["rule_id"] for row in rows}) > 15


def test_no_alert_on_an_account_that_was_not_seen(folder: Path) -> None:
    """Six bars without a record, in the middle of a breach: the drawdown of that half hour is no sample."""
    seen = "{at} between timestamptz '2025-11-26 11:10:00+05:30' and timestamptz '2025-11-26 11:35:00+05:30'"
    signals = "signal in ('drawdown_share', 'day_return')"
    with open_warehouse(folder / "w.duckdb") as con:

        def count(table: str, at: str, condition: str = "true") -> int:
            return con.execute(f"select count(*) from {table} where {seen.format(at=at)} and {condition}").fetchone()[0]

        assert count("marts.mart_health_5m", "bucket_end_at") == 6  # the process lives
        assert count("intermediate.int_alert_samples", "sampled_at", signals) == 0
        assert count("marts.fct_alert_events", "fired_at", signals) == 0


@pytest.mark.parametrize(
    ("table", "kind", "order"),
    [
        ("marts.dim_models", "models", "model_id"),
        ("marts.fct_model_lineage", "versions", "version_no"),
        (
            "(from marts.fct_config_changes where evidence = 'logged' and source_system = 'metastacker')",
            "changes",
            "effective_at, parameter",
        ),
    ],
)
def test_the_registry_is_what_the_script_released(folder: Path, table: str, kind: str, order: str) -> None:
    expected = [with_clocks(row) for row in json.loads((folder / "manifest.json").read_text())["registry"][kind]]
    names = list(expected[0])
    with open_warehouse(folder / "w.duckdb") as con:
        found = con.execute(f"select {', '.join(names)} from {table} order by {order}").fetchall()
    keys = [name.strip() for name in order.split(",")]
    expected.sort(key=lambda row: [row[key] for key in keys])
    assert [dict(zip(names, row, strict=True)) for row in found] == expected
