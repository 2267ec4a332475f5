"""Writes all summaries of a window into one folder."""

import datetime as dt
import importlib.metadata
import json
from collections.abc import Iterable
from pathlib import Path

import duckdb

from exports.errors import SelectionError
from exports.folders import replacing
from exports.marts import TIME_ZONE, Window, open_marts, query
from exports.summaries.records import json_line, records
from exports.summaries.schema import read_schema
from exports.summaries.writer import LARGEST, WrittenFile, write_lines

SQL = Path(__file__).parent / "sql"
LINES = ("trade_summary", "session_summary", "guard_rejections_sample", "model_drift", "activity")
DOCUMENT = "metrics"
NAMES = (*LINES, DOCUMENT)
HOLD_SHARE = 0.05


def export_summaries(
    marts: Path,
    out: Path,
    window: Window,
    *,
    names: Iterable[str] = NAMES,
    hold_share: float = HOLD_SHARE,
    largest: int = LARGEST,
) -> list[WrittenFile]:
    """Write the summaries `names` of `window` below <out>/<window>, replacing them whole; other summaries there stay.

    `hold_share` of the decisions that ended in HOLD are kept, chosen by a hash of their id, so that the same ones are chosen
    wherever and whenever; each record says how many it stands for. Raises SelectionError, SourceError, NoSpaceError,
    DestinationError.
    """
    names = list(names)
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        raise SelectionError(f"No summary is called {unknown[0]}: there are {', '.join(NAMES)}.")
    if not 0 < hold_share <= 1:
        raise SelectionError(f"The share of HOLD decisions must lie above 0 and at most at 1, not at {hold_share}.")
    prefixes = tuple(f"{name}_" if name == DOCUMENT else f"{name}." for name in names)

    def replaced(file: str) -> bool:
        return file.startswith(prefixes) or names == list(NAMES)

    written = []
    with open_marts(marts) as connection, replacing(out / window.name, is_replaced=replaced) as folder:
        synthetic = _is_synthetic(connection)
        for name in names:
            if name == DOCUMENT:
                for day in window.days:
                    written.append(_write_metrics(connection, folder, day, synthetic))
                continue
            parameters = {**window.parameters(), **({"hold_share": hold_share} if name == "guard_rejections_sample" else {})}
            columns, rows = query(connection, (SQL / f"{name}.sql").read_text(), parameters)
            header = _header(name, window, synthetic)
            written += write_lines(folder, name, records(read_schema(name), columns, rows), header, largest=largest)
    return [WrittenFile(out / window.name / file.path.name, file.records, file.bytes) for file in written]


def _header(name: str, window: Window, synthetic: bool | None) -> dict[str, object]:
    return {
        "export": name,
        "schema_version": read_schema(name).version,
        "generator": f"bandit-warehouse {importlib.metadata.version('bandit-warehouse')}",
        "window_from": window.first.isoformat(),
        "window_to_before": window.end.isoformat(),
        "time_zone": TIME_ZONE,
        "is_synthetic": synthetic,
    }


def _is_synthetic(connection: duckdb.DuckDBPyConnection) -> bool | None:
    return query(connection, "select bool_or(is_synthetic) from marts.fct_decisions")[1][0][0]


def _write_metrics(connection: duckdb.DuckDBPyConnection, folder: Path, day: dt.date, synthetic: bool | None) -> WrittenFile:
    """metrics_<date>.json: one document with a header and one flat record per metric and group of that IST day."""
    window = Window(day, day + dt.timedelta(days=1))
    columns, rows = query(connection, (SQL / "metrics.sql").read_text(), window.parameters())
    found = list(records(read_schema(DOCUMENT), columns, rows))
    header = {"record": "header", **_header(DOCUMENT, window, synthetic), "row_count": len(found)}
    lines = b",\n".join(json_line(record).rstrip() for record in found)
    path = folder / f"metrics_{day}.json"
    path.write_bytes(b'{"header":' + json.dumps(header, separators=(",", ":")).encode() + b',"metrics":[\n' + lines + b"\n]}\n")
    return WrittenFile(path, len(found), path.stat().st_size)
