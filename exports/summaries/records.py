"""Turns rows of a query into flat JSON lines as a schema wants them."""

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from zoneinfo import ZoneInfo

from exports.errors import SourceError
from exports.marts import TIME_ZONE
from exports.summaries.rounding import rounded
from exports.summaries.schema import Field, Schema

_ZONE = ZoneInfo(TIME_ZONE)


def json_line(record: dict[str, object]) -> bytes:
    """One line of JSON: no spaces, keys in their order, and no way to say what JSON has no word for."""
    return json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def records(schema: Schema, names: Sequence[str], rows: Sequence[tuple]) -> Iterator[dict[str, object]]:
    """The rows as records of `schema`. Raises SourceError when the columns are not its fields."""
    wanted = [field.name for field in schema.fields]
    if list(names) != wanted:
        differing = sorted(set(names) ^ set(wanted)) or ["their order"]
        raise SourceError(f"The query of {schema.name} does not give the fields of its schema ({', '.join(differing)}).")
    for row in rows:
        values = dict(zip(names, row, strict=True))
        yield {"record": schema.name, **{field.name: _plain(field, values) for field in schema.fields}}


def _plain(field: Field, values: dict[str, object]) -> object:
    value = values[field.name]
    if value is None:
        return None
    if isinstance(value, dt.datetime):
        return value.astimezone(_ZONE).isoformat(timespec="milliseconds")
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, float | Decimal) and field.type == "number":
        boundaries = [values[b] if isinstance(b, str) else b for b in field.boundaries]
        return rounded(value, 15 if field.decimals is None else field.decimals, boundaries)
    return value
