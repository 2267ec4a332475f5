"""Compares a sheet the bot kept (a CSV file somebody has) with our mirror of it."""

import datetime as dt
import functools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import yaml

from exports.errors import SelectionError
from exports.marts import Window, open_marts, query
from exports.sheets.mirror import sheet_sql

SHOWN = 20
_WHOLE_SECONDS_FROM = 1e11  # numbers above this are milliseconds since 1970, not seconds


@dataclass
class Comparison:
    """What two sheets have in common. `differences` are (key, column, theirs, ours), at most SHOWN of `difference_count`."""

    sheet: str
    their_rows: int
    our_rows: int
    matched: int
    compared_columns: list[str]
    unknown_columns: list[str]
    difference_count: int = 0
    differences: list[tuple[str, str, str, str]] = field(default_factory=list)

    @property
    def only_theirs(self) -> int:
        """Rows of the sheet that our mirror lacks."""
        return self.their_rows - self.matched

    @property
    def only_ours(self) -> int:
        """Rows of our mirror that the sheet lacks."""
        return self.our_rows - self.matched

    @property
    def is_equal(self) -> bool:
        """Whether each row has its counterpart and all common values agree."""
        return self.their_rows == self.our_rows == self.matched and self.difference_count == 0


@functools.cache
def _rules() -> Mapping[str, Mapping[str, object]]:
    return yaml.safe_load(Path(__file__).with_name("sheets.yml").read_text())


def cross_check(marts: Path, sheet: str, csv: Path, window: Window) -> Comparison:
    """Compare `csv` with our sheet of `window`, row by row over the key of sheets.yml, with its tolerances.

    Rows with the same key are paired in their order, and their multiplicity counts. Raises SelectionError when the sheet has no
    rule, the file is no CSV, or no key column is recognised in it.
    """
    rules = _rules().get(sheet)
    if rules is None:
        raise SelectionError(f"No cross-check is known for the sheet {sheet}: there are {', '.join(sorted(_rules()))}.")
    their_names, their_rows = _read(csv)
    with open_marts(marts) as connection:
        our_names, our_rows = query(connection, sheet_sql(sheet, window))
    columns = _recognised(their_names, our_names, rules["aliases"])
    key = [name for name in rules["key"] if name in columns]
    if not key:
        raise SelectionError(
            f"{csv} has no column of the key of {sheet} ({', '.join(rules['key'])}): it has {', '.join(their_names)}."
        )
    ours = [{name: row[our_names.index(name)] for name in columns} for row in our_rows]
    theirs = [{name: row[their_names.index(source)] for name, source in columns.items()} for row in their_rows]
    theirs = _of_same_span(theirs, ours, key)
    unknown = [name for name in their_names if name not in columns.values()]
    result = Comparison(sheet, len(theirs), len(ours), 0, sorted(set(columns) - set(key)), unknown)
    waiting: dict[tuple, list[dict[str, object]]] = defaultdict(list)
    for row in ours:
        waiting[_key(row, key)].append(row)
    for row in theirs:
        if candidates := waiting.get(_key(row, key)):
            result.matched += 1
            _compare(result, _key(row, key), row, candidates.pop(0), rules["tolerance"])
    return result


def _read(csv: Path) -> tuple[list[str], list[tuple]]:
    try:
        with duckdb.connect() as connection:
            return query(
                connection,
                "select * from read_csv($path, all_varchar = true, header = true, hive_partitioning = false)",
                {"path": str(csv)},
            )
    except duckdb.Error as error:
        raise SelectionError(f"{csv} cannot be read as CSV ({str(error).splitlines()[0]}).") from error


def _recognised(their_names: Sequence[str], our_names: Sequence[str], aliases: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Our column -> the name it has in their sheet, by name or by the first alias that fits."""
    lower = {name.strip().lower(): name for name in their_names}
    found = {}
    for name in our_names:
        match = next((lower[alias] for alias in (name, *aliases.get(name, ())) if alias in lower), None)
        if match is not None:
            found[name] = match
    return found


def _number(value: object) -> float | None:
    try:
        return float(str(value))
    except ValueError:
        return None


@functools.lru_cache(maxsize=100_000)
def _second(text: str) -> int | None:
    """The instant as whole seconds since 1970: an ISO time with offset, or a number of seconds or milliseconds."""
    number = _number(text)
    if number is not None:
        return int(number / 1000) if number > _WHOLE_SECONDS_FROM else int(number)
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp())


def _normal(name: str, value: object) -> object:
    if name.endswith("_at"):
        return _second(str(value))
    number = _number(value)
    return round(number, 9) if number is not None else str(value).strip().lower()


def _key(row: Mapping[str, object], key: Sequence[str]) -> tuple:
    return tuple(_normal(name, row[name]) for name in key)


def _of_same_span(theirs: list[dict[str, object]], ours: list[dict[str, object]], key: Sequence[str]) -> list[dict[str, object]]:
    """Their rows between our first and our last: a sheet is one file for ever, ours has a window."""
    clock = next((name for name in key if name.endswith("_at")), None)
    seconds = [second for row in ours if clock and (second := _second(str(row[clock]))) is not None]
    if not seconds:
        return theirs
    first, last = min(seconds), max(seconds)
    return [row for row in theirs if (second := _second(str(row[clock]))) is None or first <= second <= last]


def _compare(
    result: Comparison, key: tuple, theirs: Mapping[str, object], ours: Mapping[str, object], tolerance: Mapping[str, float]
) -> None:
    for name in result.compared_columns:
        one, two = theirs[name], ours[name]
        if one in (None, "") and two is None:
            continue
        left, right = _normal(name, one), _normal(name, two)
        if isinstance(left, float) and isinstance(right, float):
            is_equal = abs(left - right) <= tolerance.get(name, 1e-9) + 1e-12
        else:
            is_equal = left == right
        if not is_equal:
            result.difference_count += 1
            if len(result.differences) < SHOWN:
                result.differences.append((" ".join(map(str, key)), name, str(one), str(two)))
