"""One query for scripts: its rows as a table, CSV, JSON or Parquet, written as they come."""

import contextlib
import datetime as dt
import io
import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import IO

import duckdb
import pyarrow
import pyarrow.csv
import pyarrow.parquet

from serving.errors import PublicationError, QueryError
from serving.reading import as_query_error

_Kind = duckdb.sqltypes.DuckDBPyType
# a column (`#1`) and its type -> what is written of it, as SQL
_Expression = Callable[[str, _Kind], str]

# rows of a table that is meant to be looked at
_SHOWN_ROWS = 1000
_ROWS_AT_ONCE = 50_000
_NESTED = frozenset({"list", "map", "struct", "array", "union"})
# what CSV and Parquet have no type for, or what would lose something on the way there (an offset, the upper half of a number)
_AS_TEXT = frozenset({"interval", "bit", "bignum", "uhugeint", "time with time zone", "time_ns", "variant", "geometry", "union"})
# what Python has no value for that JSON could show: its months have 30 days, its bytes no letters
_AS_TEXT_IN_JSON = frozenset({"interval", "geometry", "blob"})


def _table(relation: duckdb.DuckDBPyRelation, out: IO[bytes]) -> None:
    text = io.StringIO()
    with contextlib.redirect_stdout(text):  # it draws to standard output and nowhere else
        relation.show(max_rows=_SHOWN_ROWS, max_width=_width())
    out.write(text.getvalue().encode())


def _width() -> int:
    try:
        return os.get_terminal_size().columns
    except OSError:
        return 200


def _csv(relation: duckdb.DuckDBPyRelation, out: IO[bytes]) -> None:
    reader = _projected(relation, _csv_expression).to_arrow_reader(_ROWS_AT_ONCE)
    with pyarrow.csv.CSVWriter(out, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)


def _projected(relation: duckdb.DuckDBPyRelation, expression: _Expression) -> duckdb.DuckDBPyRelation:
    """Every column as `expression` of it and its type says. By number: two columns may have one name."""
    columns = enumerate(zip(relation.columns, relation.types, strict=True), 1)
    return relation.project(", ".join(f"{expression(f'#{no}', kind)} as {_quoted(name)}" for no, (name, kind) in columns))


def _csv_expression(column: str, kind: _Kind) -> str:
    """CSV has no lists, maps and structs: they are written as JSON."""
    if kind.id in _NESTED:
        return f"to_json({column})::varchar"
    return f"{column}::varchar" if kind.id in _AS_TEXT else column


def _with_text(as_text: frozenset[str]) -> _Expression:
    """Casts columns whose type is one of `as_text`, or has one in it, to the same with text there."""

    def expression(column: str, kind: _Kind) -> str:
        return column if (stored := _stored(kind, as_text)) == str(kind) else f"{column}::{stored}"

    return expression


def _stored(kind: _Kind, as_text: frozenset[str]) -> str:
    if kind.id in as_text:
        return "VARCHAR"
    if kind.id not in _NESTED or kind.id == "union":
        return str(kind)
    parts = [(name, part if isinstance(part, int) else _stored(part, as_text)) for name, part in kind.children]
    if kind.id == "struct":
        return f"STRUCT({', '.join(f'{_quoted(name)} {part}' for name, part in parts)})"
    if kind.id == "map":
        return f"MAP({', '.join(part for _, part in parts)})"
    return f"{parts[0][1]}[{parts[1][1] if kind.id == 'array' else ''}]"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _json(relation: duckdb.DuckDBPyRelation, out: IO[bytes]) -> None:
    """One array of objects, a line each; instants in ISO form, decimals as numbers with all their digits, NaN as null."""
    names = [json.dumps(name) for name in relation.columns]
    relation = _projected(relation, _with_text(_AS_TEXT_IN_JSON))
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


def _parquet(relation: duckdb.DuckDBPyRelation, out: IO[bytes]) -> None:
    if out.isatty():
        raise QueryError("Parquet is no text: name a file with --output, or redirect the output into one.")
    reader = _projected(relation, _with_text(_AS_TEXT)).to_arrow_reader(_ROWS_AT_ONCE)
    with pyarrow.parquet.ParquetWriter(out, reader.schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch)


FORMATS: dict[str, Callable[[duckdb.DuckDBPyRelation, IO[bytes]], None]] = {
    "table": _table,
    "csv": _csv,
    "json": _json,
    "parquet": _parquet,
}


def write_result(relation: duckdb.DuckDBPyRelation, form: str, target: Path | None = None) -> None:
    """Write the rows of `relation` in a form of FORMATS to the file `target`, or to standard output.

    The file appears when it is whole. Raises QueryError when the rows cannot be computed, PublicationError when the file
    cannot be written.
    """
    try:
        with _opened(target) as out:
            FORMATS[form](relation, out)
    except duckdb.Error as error:
        raise as_query_error(error) from error
    except pyarrow.ArrowException as error:
        said = " ".join(str(error).split())
        raise QueryError(f"The rows cannot be written as {form} ({said}): cast the column that is meant to varchar.") from error
    except BrokenPipeError:
        raise
    except OSError as error:
        raise PublicationError(f"{target} could not be written ({error.strerror or error}): choose another file.") from error


@contextlib.contextmanager
def _opened(target: Path | None) -> Iterator[IO[bytes]]:
    if target is None:
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    elif target.exists() and not target.is_file():
        with target.open("wb") as out:  # a pipe or a device
            yield out
    else:
        part = target.with_name(target.name + ".part")
        try:
            with part.open("wb") as out:
                yield out
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
