"""The JSON Schemas of the summaries: they say which fields a record has, in which order, and how each is rounded."""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SCHEMAS = Path(__file__).parents[1] / "schemas"


@dataclass(frozen=True)
class Field:
    """A field of a record. `decimals` is None for what is not rounded; `boundaries` are fields or numbers whose side counts."""

    name: str
    type: str
    decimals: int | None
    boundaries: tuple[str | float, ...]


@dataclass(frozen=True)
class Schema:
    """One kind of summary: its name, version and fields."""

    name: str
    version: str
    fields: tuple[Field, ...]


@functools.cache
def read_schema(name: str) -> Schema:
    """The schema exports/schemas/<name>.json. `x-decimals` and `x-not-across` of a property say how it is rounded."""
    document = json.loads((SCHEMAS / f"{name}.json").read_text())
    properties: Mapping[str, Mapping[str, object]] = document["$defs"]["record"]["properties"]
    fields = tuple(
        Field(
            key,
            next(kind for kind in ([value["type"]] if isinstance(value["type"], str) else value["type"]) if kind != "null"),
            value.get("x-decimals"),
            tuple(value.get("x-not-across", ())),
        )
        for key, value in properties.items()
        if key != "record"
    )
    return Schema(name, str(document["x-version"]), fields)
