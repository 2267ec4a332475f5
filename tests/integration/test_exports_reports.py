"""The audit report: its numbers are what their printed queries give."""

import datetime as dt
import re
import xml.etree.ElementTree as ElementTree
from decimal import Decimal
from pathlib import Path

import pytest

from contract_marts import make_marts
from exports.marts import Window, open_marts
from exports.report.charts import bar_chart, heat_map, line_chart
from exports.report.document import audit_document, spoken
from exports.report.render import export_audit

DAY = dt.date(2025, 11, 21)
WINDOW = Window(DAY, DAY + dt.timedelta(days=1))
NOON = dt.datetime(2025, 11, 21, 6, 30, tzinfo=dt.UTC)


def decision(n: int, **changes: object) -> dict[str, object]:
    return {
        "decision_id": f"d{n}", "bot": "5m", "run_id": f"r{n % 4}", "symbol": "BTCUSDT", "bar_open_at": NOON, "decided_at": NOON,
        "decided_date_ist": DAY, "is_canonical": n == 0, "intent_side": "HOLD", "final_side": "HOLD", "is_blocked": True,
        "is_forced": False, "execution_count": 0, "is_eligibility_reproduced": True, "is_synthetic": False,
    } | changes  # fmt: skip


def evaluation(n: int, **changes: object) -> dict[str, object]:
    return {
        "decision_id": f"d{n}", "bot": "5m", "decided_date_ist": DAY, "stream": "order_intent", "flag": "spread_guard",
        "guard": "spread_guard", "stage": "advisory", "polarity": "pass_when_true", "verdict": "UNKNOWN",
        "logged_verdict": "PASS", "unknown_reason": "input_never_sent", "is_causal": False, "seed_veto": True,
    } | changes  # fmt: skip


@pytest.fixture(scope="module")
def marts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight replicas of one bar that held for lack of confidence, two fills of one run."""
    confidence = {
        "stream": "signals",
        "flag": None,
        "guard": "confidence",
        "stage": "arm",
        "polarity": "not_logged",
        "seed_veto": False,
    }
    confidence |= {
        "verdict": "VETO",
        "logged_verdict": None,
        "unknown_reason": None,
        "is_causal": True,
        "input_value": 0.5,
        "limit_lo": 0.55,
    }
    fill = {
        "bot": "5m",
        "run_id": "r0",
        "symbol": "BTCUSDT",
        "filled_date_ist": DAY,
        "is_forced": False,
        "price": Decimal("85000.5"),
        "qty": Decimal("0.5"),
    }
    later = NOON + dt.timedelta(minutes=5)
    rows = {
        "fct_decisions": [decision(n) for n in range(8)],
        "fct_guard_evaluations": [evaluation(n) for n in range(8)] + [evaluation(n, **confidence) for n in range(8)],
        "fct_guard_rejections": [
            {"decision_id": f"d{n}", "bot": "5m", "decided_at": NOON, "decided_date_ist": DAY, "is_canonical": n == 0}
            | {"veto_reason_primary": "CONFIDENCE", "margin_abs": -0.05}
            for n in range(8)
        ],
        "fct_fills": [
            fill | {"fill_id": "f1", "fill_no": 1, "filled_at": NOON, "side": "BUY", "position_after_qty": Decimal("0.5")},
            fill | {"fill_id": "f2", "fill_no": 2, "filled_at": later, "side": "SELL", "position_after_qty": Decimal("0")},
        ],
        "fct_round_trip_legs": [{"trade_id": "t", "leg_no": 1, "exit_fill_id": "f2", "gross_pnl_usd": Decimal("-3.25")}],
        "mart_stream_volume": [
            {"stream": stream, "date_ist": DAY, "record_count": 8, "text_bytes": 800, "damaged_bytes": 0}
            for stream in ("signals", "a|b<c>")
        ],
    }  # fmt: skip
    return make_marts(tmp_path_factory.mktemp("marts") / "served.duckdb", rows)


def test_every_number_is_what_its_printed_query_gives(marts: Path) -> None:
    """Take the queries out of the Markdown, run them, and find each value in the table beside it."""
    document = audit_document(marts, WINDOW)
    assert sum(len(section.rows) for section in document.sections) > 10
    with open_marts(marts) as connection:
        for section in document.sections:
            rows = connection.execute(section.sql).fetchall()
            assert len(rows) == section.row_count
            assert [[spoken(value) for value in row] for row in rows[: len(section.rows)]] == section.rows
        for conclusion in document.conclusions:
            cursor = connection.execute(conclusion.sql)
            assert len(cursor.fetchall()) == len(conclusion.sentences) > 0


def test_no_conclusion_knows_a_number() -> None:
    """A digit in a template would be a result somebody wrote down."""
    import yaml

    import exports.report.document as document

    for rule in yaml.safe_load((document.HERE / "conclusions.yml").read_text()):
        said = re.sub(r"\{[^}]*\}", "", rule["says"])
        assert not re.search(r"\d", said), said


def test_conclusions_follow_the_rows(marts: Path, tmp_path: Path) -> None:
    said = {c.id: list(c.sentences) for c in audit_document(marts, WINDOW).conclusions}
    assert said["flag_polarity"][0].startswith("The flag spread_guard is true in 8 of 8 order intents. True means passed")
    assert "does not follow from these logs" in said["audits_reading"][0]
    assert said["true_cause"] == [
        "What blocked most decisions is CONFIDENCE: first reason of 8 of 8 blocked decisions (100.0 %), on 1 bars."
    ]
    assert said["confidence"] == [
        "Bot 5m: 8 of 8 decisions lack confidence (best 0.500, needed 0.55); 0 of these also lack strength."
    ]
    assert "organic_trades" not in said and "synthetic" not in said
    # an input that does arrive, and an execution: two conclusions vanish, one appears
    changed = make_marts(
        tmp_path / "changed.duckdb",
        {
            "fct_decisions": [decision(0, execution_count=1, final_side="BUY", intent_side="BUY", is_synthetic=True)],
            "fct_guard_evaluations": [evaluation(0, verdict="PASS", unknown_reason=None)],
        },
    )
    said = {c.id: list(c.sentences) for c in audit_document(changed, WINDOW).conclusions}
    assert not {"flag_polarity", "audits_reading", "true_cause"} & set(said)
    assert said["organic_trades"][0].startswith("1 decisions of 1 processes led to executions of their own, on 1 bars")
    assert "simulator" in said["synthetic"][0]


def test_report_files_are_whole_and_the_same_again(marts: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in export_audit(marts, tmp_path, WINDOW)}
    assert {
        "audit.md",
        "audit.html",
        "equity.svg",
        "funnel.svg",
        "rejections_by_hour.svg",
        "reliability.svg",
        "volume.svg",
    } == set(before)
    assert {path.name: path.read_bytes() for path in export_audit(marts, tmp_path, WINDOW)} == before
    for name, data in before.items():
        if name.endswith(".svg"):
            ElementTree.fromstring(data)
    html, markdown = before["audit.html"].decode(), before["audit.md"].decode()
    assert html.count("<svg") == 5
    assert "a|b&lt;c&gt;" in html and "<c>" not in html
    assert "a\\|b<c>" in markdown
    assert markdown.count("```sql") == html.count("<summary>Query</summary>") > 12


def test_an_empty_period_is_a_report_too(marts: Path, tmp_path: Path) -> None:
    later = Window(DAY + dt.timedelta(days=400), DAY + dt.timedelta(days=402))
    export_audit(marts, tmp_path, later)
    text = (tmp_path / later.name / "audit.md").read_text()
    assert "No rule found anything to say" in text and "Nothing in this period." in text


def test_charts_of_nothing_one_point_and_extremes() -> None:
    for chart in (
        line_chart({}), bar_chart([]), heat_map({}, [], []), line_chart({"a": [(1.0, 5.0)]}), bar_chart([("zero", 0.0)]),
        line_chart({"<a&b>": [(0.0, -1e12), (1.0, 1e12)]}, y_unit="USD"), heat_map({("r", "1"): 3.0}, ["r"], ["0", "1"]),
    ):  # fmt: skip
        root = ElementTree.fromstring(chart)
        assert root.tag.endswith("svg") and "nan" not in chart and "inf" not in chart
