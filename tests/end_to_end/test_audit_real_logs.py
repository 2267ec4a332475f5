"""On the real logs the audit report concludes, by rule, what reading the bot's code showed."""

import datetime as dt
from pathlib import Path

import pytest

from exports.marts import Window
from exports.report.document import audit_document
from raw_loaders.load import load_landing
from staged import build

EVERYTHING = ["--select", "*", "--resource-type", "seed", "--resource-type", "model"]


@pytest.mark.long
@pytest.mark.timeout(600)
def test_conclusions_on_the_real_logs(tmp_path: Path, real_logs: Path) -> None:
    """Polarity, missing inputs, the one true cause, unreachable arms, tokens without effect, one trade in eleven copies."""
    warehouse = tmp_path / "w.duckdb"
    load_landing(real_logs, warehouse)
    build(warehouse, selection=EVERYTHING)
    document = audit_document(warehouse, Window(dt.date(2025, 11, 21), dt.date(2025, 11, 27)))
    said = {conclusion.id: " ".join(conclusion.sentences) for conclusion in document.conclusions}
    assert "spread_guard is true in 530 of 530" in said["flag_polarity"]
    assert "volatility_ok is true in 0 of 530" in said["flag_polarity"]
    assert "wide spreads and low volatility does not follow" in said["audits_reading"]
    assert said["true_cause"].startswith("What blocked most decisions is CONFIDENCE: first reason of 519 of 519")
    assert (
        "Bot 24h: 22 of 22 decisions lack confidence (best 0.135, needed 0.55); 0 of these also lack strength."
        in said["confidence"]
    )
    assert "eligibility of 530 of 530" in said["eligibility"]
    assert (
        "arm_pros could carry none of 530 decisions: its signal reached 0.0054 at most and needs 0.12."
        in said["unreachable_arms"]
    )
    assert "calibration_band_gate is logged 2 times and turned a decision that had a direction 0 times" in said["tokens"]
    assert said["no_risk_guard"] == "No risk guard blocked any of 530 decisions."
    assert said["organic_trades"].startswith("11 decisions of 11 processes led to executions of their own, on 1 bars")
    assert "44 executions were forced for validation (bots 24h, 5m); 44 of their intents say HOLD." in said["forced_trades"]
    assert "519 of 530 intents are HOLD (97.9 %)" in said["rejection_rate"]
