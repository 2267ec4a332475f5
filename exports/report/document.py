"""Runs the queries of the audit document and keeps what they gave."""

import datetime as dt
import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import yaml

from exports.marts import TIME_ZONE, Window, open_marts, query
from exports.report.charts import bar_chart, heat_map, line_chart

HERE = Path(__file__).parent
SHOWN_ROWS = 200


@dataclass(frozen=True)
class Section:
    """A part of the document: a table of `rows` (as text), the query it came from, and a chart as SVG where there is one."""

    id: str
    title: str
    text: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    row_count: int
    sql: str
    chart: str | None


@dataclass(frozen=True)
class Conclusion:
    """What a rule says, and the query its numbers came from."""

    id: str
    sentences: Sequence[str]
    sql: str


@dataclass(frozen=True)
class Document:
    """The audit document of a window."""

    title: str
    facts: Mapping[str, str]
    conclusions: Sequence[Conclusion]
    sections: Sequence[Section]


def audit_document(marts: Path, window: Window) -> Document:
    """Ask every question of sections.yml and conclusions.yml. The same marts give the same document. Raises SourceError."""
    with open_marts(marts) as connection:
        conclusions = []
        for rule in yaml.safe_load((HERE / "conclusions.yml").read_text()):
            sql = _dated(rule["sql"], window)
            names, rows = query(connection, sql)
            sentences = [rule["says"].format(**dict(zip(names, row, strict=True))) for row in rows]
            if sentences:
                conclusions.append(Conclusion(rule["id"], sentences, sql))
        sections = []
        for part in yaml.safe_load((HERE / "sections.yml").read_text()):
            sql = _dated(part["sql"], window)
            names, rows = query(connection, sql)
            shown = rows[: part.get("rows", SHOWN_ROWS)]
            chart = _chart(part["chart"], names, rows) if "chart" in part else None
            text = [[spoken(value) for value in row] for row in shown]
            sections.append(Section(part["id"], part["title"], part["text"], names, text, len(rows), sql, chart))
    last = window.end - dt.timedelta(days=1)
    facts = {
        "Period": f"{window.first} to {last} (IST dates, both included)",
        "Time zone": TIME_ZONE,
        "Made by": f"bandit-warehouse {importlib.metadata.version('bandit-warehouse')}",
        "Source": "the schema marts; every number stands beside its query",
    }
    return Document(f"Audit of {window.first}" + ("" if last == window.first else f" to {last}"), facts, conclusions, sections)


def _dated(sql: str, window: Window) -> str:
    """The query with the dates of the window in place, as one can run it."""
    for name, value in window.parameters().items():
        sql = sql.replace(f"${name}", f"date '{value}'")
    return sql.strip()


def spoken(value: object) -> str:
    """A value as it stands in a table."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float | Decimal):
        return f"{float(value):,.6g}" if abs(value) < 1e6 else f"{float(value):,.0f}"
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return str(value)


def _chart(spec: Mapping[str, str], names: Sequence[str], rows: Sequence[tuple]) -> str:
    records = [dict(zip(names, row, strict=True)) for row in rows]
    if spec["kind"] == "bars":
        return bar_chart([(str(r[spec["label"]]), float(r[spec["value"]])) for r in records])
    if spec["kind"] == "heat":
        cells = {(str(r[spec["row"]]), str(r[spec["column"]])): float(r[spec["value"]]) for r in records}
        hours = [f"{hour:02d}" for hour in range(24)]
        return heat_map(cells, sorted({row for row, _ in cells}), hours)
    series: dict[str, list[tuple[float, float]]] = {}
    labels: dict[float, str] = {}
    for r in records:
        if r[spec["x"]] is not None and r[spec["y"]] is not None:
            x, label = _place(r[spec["x"]])
            if label:
                labels[x] = label
            series.setdefault(str(r[spec["series"]]), []).append((x, float(r[spec["y"]])))
    if spec["kind"] == "reliability":
        return line_chart(series, y_unit="happened", diagonal=True)
    return line_chart(series, x_labels=_thinned(labels), y_unit=spec["unit"])


def _place(value: object) -> tuple[float, str | None]:
    """Where a value lies on the x axis, and its label when it is a date or an instant."""
    if isinstance(value, dt.datetime):
        return value.timestamp() / 86400, f"{value.astimezone(dt.UTC):%m-%d %H}h"
    if isinstance(value, dt.date):
        return float(value.toordinal()), f"{value:%m-%d}"
    return float(value), None


def _thinned(labels: Mapping[float, str], most: int = 7) -> dict[float, str]:
    """At most `most` labels, evenly taken."""
    places = sorted(labels)
    step = max(1, -(-len(places) // most))
    return {x: labels[x] for x in places[::step]}
