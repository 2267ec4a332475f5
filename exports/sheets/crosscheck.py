"""Compares a sheet the bot kept (a CSV file somebody has) with our mirror of it."""

import datetime as dt
import functools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import yaml

from exports.errors import SelectionError
from exports.marts import TIME_ZONE, Window, open_marts, query
from exports.sheets.mirror import sheet_sql

SHOWN = 20
_WHOLE_SECONDS_FROM = 1e11  # numbers above this are milliseconds since 1970, not seconds
_WRITTEN_WITHIN = dt.timedelta(days=31)  # a record may be written days after what it tells of, never so many


@dataclass
class Comparison:
    """What two sheets have in common. Of each list at most SHOWN are kept; `differences` are (key, column, theirs, ours)."""

    sheet: str
    their_rows: int
    our_rows: int
    matched: int
    compared_columns: list[str]
    unknown_columns: list[str]
    set_aside_rows: int = 0
    difference_count: int = 0
    differences: list[tuple[str, str, str, str]] = field(default_factory=list)
    missing_here: list[str] = field(default_factory=list)
    missing_there: list[str] = field(default_factory=list)

    @property
    def only_theirs(self) -> int:
        """Rows of the sheet that our mirror lacks; `missing_here` names them by their keys."""
        return self.their_rows - self.matched

    @property
    def only_ours(self) -> int:
        """Rows of our mirror that the sheet lacks; `missing_there` names them by their keys."""
        return self.our_rows - self.matched

    @property
    def is_equal(self) -> bool:
        """Whether each row has its counterpart and all common values agree."""
        return self.their_rows == self.our_rows == self.matched and self.difference_count == 0


@functools.cache
def _rules() -> Mapping[str, Mapping[str, object]]:
    return yaml.safe_load(Path(__file__).with_name("sheets.yml").read_text())


def cross_check(marts: Path, sheet: str, csv: Path, window: Window, bot: str | None = None) -> Comparison:
    """Compare the rows of `csv` whose clock lies in `window` with ours of `bot`, over the key of sheets.yml, with its tolerances.

    Rows with the same key are paired with what they resemble most, and their multiplicity counts. Raises SelectionError when the
    sheet is unknown or cannot be compared, the file is no CSV, no clock is recognised in it, or `bot` is needed and not given.
    """
    rules = _rules().get(sheet)
    if rules is None:
        raise SelectionError(f"No cross-check is known for the sheet {sheet}: there are {', '.join(sorted(_rules()))}.")
    if "refused" in rules:
        raise SelectionError(f"The sheet {sheet} cannot be compared: {rules['refused']}.")
    their_names, their_rows = _read(csv)
    # ours lie in the window by when they were written, a sheet's rows by what they tell of
    around = Window(window.first - dt.timedelta(days=1), window.end + _WRITTEN_WITHIN)
    with open_marts(marts) as connection:
        our_names, our_rows = query(connection, sheet_sql(sheet, around))
    columns = _recognised(their_names, our_names, rules["aliases"], rules.get("unlike", ()))
    clock, key = rules["key"][0], [name for name in rules["key"] if name in columns]
    if clock not in key:
        raise SelectionError(f"{csv} has no column of the clock of {sheet} ({clock}): it has {', '.join(their_names)}.")
    our_records = [dict(zip(our_names, row, strict=True)) for row in our_rows]
    ours = [row for row in _of_bot(our_records, sheet, bot, "bot" in columns) if _is_in(row[clock], window)]
    their_records = [dict(zip(their_names, row, strict=True)) for row in their_rows]
    kinds = {name: value for name, value in rules.get("only", {}).items() if name in their_names}
    kept = [row for row in their_records if all(row[name] == value for name, value in kinds.items())]
    theirs = [{name: row[source] for name, source in columns.items()} for row in kept]
    theirs = [row for row in theirs if _is_in(row[clock], window)]
    unknown = [name for name in their_names if name not in columns.values()]
    result = Comparison(
        sheet, len(theirs), len(ours), 0, sorted(set(columns) - set(key)), unknown, len(their_records) - len(kept)
    )
    _pair(result, _by_key(theirs, key), _by_key(ours, key), rules["tolerance"])
    return result


def _of_bot(rows: list[dict[str, object]], sheet: str, bot: str | None, is_named: bool) -> list[dict[str, object]]:
    """Our rows of one bot. A sheet that does not name its bot is that of one; with several of ours it must be said which."""
    bots = sorted({str(row["bot"]) for row in rows if row.get("bot") is not None})
    if not bots:
        return rows
    if bot is None and len(bots) > 1 and not is_named:
        raise SelectionError(f"The sheet {sheet} does not say whose it is: name its bot with --bot ({', '.join(bots)}).")
    if bot is not None and bot not in bots:
        raise SelectionError(f"There is no row of bot {bot} for the sheet {sheet}: there are {', '.join(bots)}.")
    return rows if bot is None else [row for row in rows if row["bot"] == bot]


def _is_in(moment: object, window: Window) -> bool:
    """Whether an instant lies on a date of the window; what is no instant does, so that it is shown."""
    second = _second(str(moment))
    return second is None or window.first <= dt.datetime.fromtimestamp(second, ZoneInfo(TIME_ZONE)).date() < window.end


def _by_key(rows: list[dict[str, object]], key: Sequence[str]) -> dict[tuple, list[dict[str, object]]]:
    found: dict[tuple, list[dict[str, object]]] = defaultdict(list)
    for row in rows:
        found[tuple(_normal(name, row[name]) for name in key)].append(row)
    return found


Groups = Mapping[tuple, list[dict[str, object]]]


def _pair(result: Comparison, theirs: Groups, ours: Groups, tolerance: Mapping[str, float]) -> None:
    """Pair the rows of each key, the most alike first, and note what differs and what is left."""
    for key in sorted({*theirs, *ours}, key=str):
        waiting, left = list(ours.get(key, ())), []
        for row in theirs.get(key, ()):  # equal rows first: a changed one must not take the counterpart of another
            equal = next((n for n, other in enumerate(waiting) if not _differing(result, row, other, tolerance)), None)
            if equal is None:
                left.append(row)
            else:
                waiting.pop(equal)
                result.matched += 1
        for row in left:
            if not waiting:
                _note(result.missing_here, _spoken(key))
                continue
            nearest = min(range(len(waiting)), key=lambda n: len(_differing(result, row, waiting[n], tolerance)))
            other = waiting.pop(nearest)
            result.matched += 1
            for name in _differing(result, row, other, tolerance):
                result.difference_count += 1
                _note(result.differences, (_spoken(key), name, str(row[name]), str(other[name])))
        for _ in waiting:
            _note(result.missing_there, _spoken(key))


def _note(seen: list, entry: object) -> None:
    if len(seen) < SHOWN:
        seen.append(entry)


def _spoken(key: tuple) -> str:
    """A key for people: its instant in IST."""
    moment, *rest = key
    when = dt.datetime.fromtimestamp(moment, ZoneInfo(TIME_ZONE)).isoformat() if isinstance(moment, int) else str(moment)
    return " ".join([when, *map(str, rest)])


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


def _recognised(
    their_names: Sequence[str], our_names: Sequence[str], aliases: Mapping[str, Sequence[str]], unlike: Sequence[str]
) -> dict[str, str]:
    """Our column -> the name it has in their sheet: itself, or the first alias that fits. `unlike` means another thing there."""
    lower = {name.strip().lower(): name for name in their_names}
    found = {}
    for name in our_names:
        if name in unlike:
            continue
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


def _differing(
    result: Comparison, theirs: Mapping[str, object], ours: Mapping[str, object], tolerance: Mapping[str, float]
) -> list[str]:
    """The compared columns in which two rows differ. Empty on one side only is a difference."""
    return [name for name in result.compared_columns if not _agrees(name, theirs[name], ours[name], tolerance)]


def _agrees(name: str, one: object, two: object, tolerance: Mapping[str, float]) -> bool:
    if one in (None, "") or two is None:
        return one in (None, "") and two is None
    left, right = _normal(name, one), _normal(name, two)
    if isinstance(left, float) and isinstance(right, float):
        return abs(left - right) <= tolerance.get(name, 1e-9) + 1e-12
    return left == right
