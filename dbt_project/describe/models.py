"""dbt property files of the staging models and of the raw sources, made from the stream dictionary."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from raw_loaders.dictionary import Dictionary, Stream

HERE = Path(__file__).parent
PROJECT = HERE.parent
HEADER = "# Made from raw_loaders/streams/*.yml by `python -m dbt_project.describe`; do not edit.\n"

RAW_COLUMNS = {
    "source_file": "Landed file of the record, relative to the landing folder; with line_no the key.",
    "line_no": "Line of the record in the decompressed file, from 1.",
    "byte_offset": "Offset of the line's first byte in the decompressed text.",
    "member_no": "Gzip member of the line, from 0; 0 for plain files.",
    "member_offset": "Offset of that member's first byte in the file; 0 for plain files.",
    "record": "The whole line, as JSON.",
    "key_hash": "Hash of the record's list of top-level keys; changes when the format drifts.",
    "emitted_at": "When the process wrote the record (wall clock); NULL for streams that log no emission time.",
    "bar_open_at": "Opening of the record's bar, for streams that log no other clock; NULL for all others.",
    "load_id": "Load that brought the record in (raw.loads).",
}


def _dump(document: Mapping[str, object]) -> str:
    return HEADER + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=140)


def final_columns(model: Path) -> list[str]:
    """Column names of the last select list of a staging model, in order."""
    select = re.split(r"^select\n", model.read_text(), flags=re.MULTILINE)[-1].split("\nfrom ")[0]
    items = [line.strip().rstrip(",") for line in select.splitlines() if line.strip()]
    return [re.split(r"\s+as\s+|\.", item)[-1] for item in items]


def known_columns(stream: Stream) -> dict[str, Mapping[str, object]]:
    """Name -> {name, type, unit, meaning, ...} of every column a staging model of `stream` may have."""
    shared = yaml.safe_load((HERE / "common_columns.yml").read_text())
    own = {str(column["name"]): column for column in stream.columns}
    # the stream's own word on a shared column wins (e.g. what its emitted_at is), its constraints stay
    return own | {c["name"]: {**c, "meaning": own.get(c["name"], c)["meaning"]} for c in shared}


def describe_column(column: Mapping[str, object]) -> dict[str, object]:
    """One dbt column entry: data type, meaning with unit, where it comes from in the record."""
    unit = f" Unit: {column['unit']}." if column["unit"] not in ("none", "flag", "utc") else ""
    entry: dict[str, object] = {
        "name": column["name"],
        "data_type": column["type"],
        "description": f"{column['meaning']}{unit}",
    }
    if "path" in column:
        entry["config"] = {"meta": {"record_path": str(column["path"])}}
    if column.get("not_null"):
        entry["constraints"] = [{"type": "not_null"}]
    return entry


def staging_yaml(model: Path, stream: Stream, grain: str, tests: Sequence[object]) -> str:
    """Property file of one staging model. Raises KeyError when the model has a column that nothing describes."""
    known = known_columns(stream)
    columns = [describe_column(known[name]) for name in final_columns(model)]
    entry = {"name": model.stem, "description": grain, "data_tests": list(tests), "columns": columns}
    return _dump({"version": 2, "models": [entry]})


def staging_files(dictionary: Dictionary) -> dict[Path, str]:
    """Path -> text of the property files of all staging models."""
    folder = PROJECT / "models" / "staging"
    texts = {}
    for stream in dictionary.streams.values():
        shapes = sorted({str(c["shape"]) for c in stream.columns if "shape" in c})
        for suffix in ["", *(f"_{shape}" for shape in shapes)]:
            model = folder / f"stg_{stream.name}{suffix}.sql"
            what = f"of the {suffix[1:]} shape" if suffix else "that was accepted"
            done = "typed" if stream.is_optional else "typed and attributed to bot and run"
            grain = f"One row per {stream.name} record {what}, {done}. Record: {stream.grain}."
            key = {"name": f"{model.stem}_key_is_unique", "arguments": {"columns": ["source_file", "line_no"]}}
            raw = {"stream": stream.name} | ({"shape": suffix[1:]} if suffix else {})
            whole = {"name": f"{model.stem}_holds_every_raw_row_once", "arguments": raw}
            texts[model.with_suffix(".yml")] = staging_yaml(
                model, stream, grain, [{"unique_key": key}, {"same_rows_as_raw": whole}]
            )
    return texts


def sources_file(dictionary: Dictionary) -> dict[Path, str]:
    """Path -> text of the property file of the raw tables."""
    ledger = yaml.safe_load((HERE / "ledger_tables.yml").read_text())
    tables = [
        _source_table(s.name, f"One row per accepted line of {s.name}. Record: {s.grain}.", RAW_COLUMNS)
        for s in dictionary.streams.values()
    ] + [_source_table(name, table["description"], table["columns"]) for name, table in ledger.items()]
    source = {
        "name": "raw",
        "schema": "raw",
        "description": "Files as they landed, line by line; written by raw_loaders.",
        "tables": tables,
    }
    return {PROJECT / "models" / "raw_sources.yml": _dump({"version": 2, "sources": [source]})}


def _source_table(name: str, description: str, columns: Mapping[str, str]) -> dict[str, object]:
    return {
        "name": name,
        "description": description,
        "config": {"meta": {"dagster": {"asset_key": ["raw", name]}}},
        "columns": [{"name": key, "description": text} for key, text in columns.items()],
    }
