"""One query for scripts: its rows as a table, CSV, JSON or Parquet."""

import datetime as dt
import json
import math
import os
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow.csv
import pyarrow.parquet

from serving.errors import PublicationError, QueryError
from serving.reading import as_query_error

# rows of a table that is meant to be looked at
_SHOWN_ROWS = 1000
_ROWS_AT_ONCE = 10_000


def _table(relation: duckdb.DuckDBPyRelation, target: Path | None) -> None:
    relation.show(max_rows=_SHOWN_ROWS, max_width=_width()) if target is None else target.write_text(str(relation) + "\n")


def _width() -> int:
    try:
        return os.get_terminal_size().columns
    except OSError:
        return 200


def _csv(relation: duckdb.DuckDBPyRelation, target: Path | None) -> None:
    with _opened(target) as out:
        pyarrow.csv.write_csv(_flat(relation).to_arrow_table(), out)


def _flat(relation: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """CSV has no lists, maps and structs: they are written as JSON."""
    columns = [
        f'to_json("{name}")::varchar as "{name}"' if kind.id in ("list", "map", "struct", "array", "union") else f'"{name}"'
        for name, kind in zip(relation.columns, relation.types, strict=True)
    ]
    return relation.project(", ".join(columns))


def _json(relation: duckdb.DuckDBPyRelation, target: Path | None) -> None:
    """One array of objects, a line each; instants in ISO form, decimals as numbers with all their digits, NaN as null."""
    names = [json.dumps(name) for name in relation.columns]
    with _opened(target) as out:
        before = b"["
        while rows := relation.fetchmany(_ROWS_AT_ONCE):
            for row in rows:
                fields = ",".join(f"{name}:{_json_value(value)}" for name, value in zip(names, row, strict=True))
                out.write(before + f"{{{fields}}}".encode())
                before = b",\n "
        out.write(b"]\n" if before != b"[" else b"[]\n")


def _json_value(value: object) -> str:
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else "null"
    if isinstance(value, float) and not math.isfinite(value):
        return "null"
    if isinstance(value, list | tuple):
        return f"[{','.join(_json_value(item) for item in value)}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(str(key))}:{_json_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return json.dumps(value.isoformat())
    return json.dumps(value, default=str)


def _parquet(relation: duckdb.DuckDBPyRelation, target: Path | None) -> None:
    if target is None and sys.stdout.isatty():
        raise QueryError("Parquet is no text: name a file with --output, or redirect the output into one.")
    with _opened(target) as out:
        pyarrow.parquet.write_table(relation.to_arrow_table(), out, compression="zstd")


def _opened(target: Path | None):
    return target.open("wb") if target else _Standard()


class _Standard:
    """Standard output as a binary file that is not closed at the end."""

    def __enter__(self):
        return sys.stdout.buffer

    def __exit__(self, *_: object) -> None:
        sys.stdout.buffer.flush()


FORMATS: dict[str, Callable[[duckdb.DuckDBPyRelation, Path | None], None]] = {
    "table": _table,
    "csv": _csv,
    "json": _json,
    "parquet": _parquet,
}


def write_result(relation: duckdb.DuckDBPyRelation, form: str, target: Path | None = None) -> None:
    """Write the rows of `relation` in a form of FORMATS to the file `target`, or to standard output.

    Raises QueryError when the rows cannot be computed, PublicationError when the file cannot be written.
    """
    try:
        FORMATS[form](relation, target)
    except duckdb.Error as error:
        raise as_query_error(error) from error
    except BrokenPipeError:
        # whoever read our output has seen enough; nothing may be flushed into the closed pipe at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        raise PublicationError(f"{target} could not be written ({error.strerror or error}): choose another file.") from error
