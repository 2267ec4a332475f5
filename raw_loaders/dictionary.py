"""The stream dictionary: which streams exist, where their files lie, what each record must hold."""

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import yaml

from raw_loaders.errors import DictionaryError

HERE = Path(__file__).parent
REQUIRED_TYPES = frozenset({"text", "integer", "number", "object", "list"})
CLOCKS = frozenset({"emitted_at", "bar_open_at"})
BOTS = "metastacker"

_HIVE_LEVEL = r"(?:date=\d{4}-\d{2}-\d{2}|hour=\d{2}|asset=[^/=]+)"
_HIVE_KEY = re.compile(r"(?:^|/)(date|hour|asset)=([^/]+)(?=/)")


@dataclass(frozen=True)
class Strict:
    """Rules of a closed format: its one version, allowed values by key, and which of two instants must not come first."""

    version_field: str
    version: int
    values: Mapping[str, Sequence[str]]
    earlier: str | None = None
    later: str | None = None
    order_reason: str | None = None


@dataclass(frozen=True)
class Stream:
    """One entry of the dictionary. `required` maps a top-level key to its JSON type.

    `source_system` is metastacker for what the bots write; streams of another system are optional and may be strict.
    """

    name: str
    grain: str
    envelope: str
    paths: tuple[str, ...]
    clock_field: str
    clock: str
    required: Mapping[str, str]
    columns: tuple[Mapping[str, object], ...]
    source_system: str = BOTS
    strict: Strict | None = None

    @property
    def is_optional(self) -> bool:
        """True for streams that no bot writes: nothing is missing where they are absent."""
        return self.source_system != BOTS

    @property
    def known_keys(self) -> frozenset[str]:
        """Top-level keys a record may have without being reported as drift."""
        documented = {str(column["path"]).split(".")[0].split("[")[0] for column in self.columns}
        return frozenset(documented | set(self.required) | {self.clock_field})


@dataclass(frozen=True)
class PathFacts:
    """What the path of a landed file says. `stream` is None for junk and unknown files; `reason` then says why."""

    stream: str | None
    kind: str  # 'stream', 'junk' or 'unknown'
    reason: str | None = None
    path_bot: str | None = None
    path_owner: str | None = None
    partition_date: str | None = None
    partition_hour: str | None = None
    partition_asset: str | None = None
    is_gzip: bool = False


@dataclass(frozen=True)
class Dictionary:
    """All streams and the rules for paths."""

    streams: Mapping[str, Stream]
    bots: Mapping[str, int]
    junk: tuple[tuple[str, str], ...]
    synthetic_marker: str

    @property
    def bot_streams(self) -> tuple[str, ...]:
        """Names of the streams that bots write; the others are optional."""
        return tuple(name for name, stream in self.streams.items() if not stream.is_optional)

    def classify(self, source_file: str) -> PathFacts:
        """Say what `source_file` (path relative to the landing, '/' separated) is: a stream's file, declared junk, or unknown."""
        if source_file == self.synthetic_marker:
            return PathFacts(None, "junk", "marks this landing as written by the simulator")
        for pattern, reason in self.junk:
            # a leading **/ also stands for "no folder at all"
            if fnmatchcase(source_file, pattern) or fnmatchcase("/" + source_file, pattern):
                return PathFacts(None, "junk", reason)
        for regex, name in self._path_regexes():
            match = regex.fullmatch(source_file)
            if match:
                return _facts(source_file, name, match)
        return PathFacts(None, "unknown", "matches no path pattern of the stream dictionary")

    def _path_regexes(self) -> tuple[tuple[re.Pattern[str], str], ...]:
        return _compile_paths(tuple((stream.name, stream.paths) for stream in self.streams.values()), tuple(self.bots))


@functools.cache
def _compile_paths(
    streams: tuple[tuple[str, tuple[str, ...]], ...], bots: tuple[str, ...]
) -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((_path_regex(path, name, bots), name) for name, paths in streams for path in paths)


def _path_regex(template: str, stream: str, bots: tuple[str, ...]) -> re.Pattern[str]:
    """Turn a path template of the dictionary into a regular expression (placeholders: see landing.yml)."""
    bot_names = "|".join(map(re.escape, bots))
    name = re.escape(stream)
    parts = {
        "{stream}": name,
        "{owner}": rf"(?P<owner>{bot_names})",
        "{hive}": rf"(?={_ANY_ORDER_DATE}){_HIVE_LEVEL}(?:/{_HIVE_LEVEL}){{0,2}}",
        "{file}": rf"{name}\.jsonl(?:_\d{{8}}_\d{{6}})?(?P<gz>\.gz)?",
    }
    pattern = ""
    bot_seen = False
    for piece in re.split(r"(\{\w+\})", template):
        if piece == "{bot}":
            pattern += "(?P=bot)" if bot_seen else rf"(?P<bot>{bot_names})"
            bot_seen = True
        elif piece.startswith("{"):
            if piece not in parts:
                raise DictionaryError(f"Stream {stream} has a path with the unknown placeholder {piece}: {template}.")
            pattern += parts[piece]
        else:
            pattern += re.escape(piece)
    return re.compile(pattern)


_ANY_ORDER_DATE = r"(?:(?:hour|asset)=[^/]+/)*date="


def _facts(source_file: str, stream: str, match: re.Match[str]) -> PathFacts:
    groups = match.groupdict()
    hive = dict(_HIVE_KEY.findall(source_file))
    return PathFacts(
        stream=stream,
        kind="stream",
        path_bot=groups.get("bot"),
        path_owner=groups.get("bot") or groups.get("owner"),
        partition_date=hive.get("date"),
        partition_hour=hive.get("hour"),
        partition_asset=hive.get("asset"),
        is_gzip=groups.get("gz") is not None,
    )


def _strict(document: Mapping[str, object], file: Path) -> Strict | None:
    rules = document.get("strict")
    if rules is None:
        return None
    order = rules.get("order", {})
    strict = Strict(
        rules["version"]["field"], rules["version"]["is"], rules.get("values", {}),
        order.get("earlier"), order.get("later"), order.get("reason"),
    )  # fmt: skip
    ruled = {strict.version_field, *strict.values, *filter(None, (strict.earlier, strict.later))}
    if not ruled <= set(document["required"]):
        missing = sorted(ruled - set(document["required"]))
        raise DictionaryError(f"{file.name}: keys with a strict rule must be required, which {missing} are not.")
    return strict


def _stream(document: Mapping[str, object], file: Path) -> Stream:
    clock = document["clock"]
    stream = Stream(
        name=document["stream"],
        grain=document["grain"],
        envelope=document["envelope"],
        paths=tuple(document["paths"]),
        clock_field=clock["field"],
        clock=clock["is"],
        required=dict(document["required"]),
        columns=tuple(document["columns"]),
        source_system=document.get("source_system", BOTS),
        strict=_strict(document, file),
    )
    if stream.name != file.stem:
        raise DictionaryError(f"{file.name} describes the stream {stream.name}: the file must bear the stream's name.")
    if stream.clock not in CLOCKS:
        raise DictionaryError(f"{file.name}: clock.is must be one of {sorted(CLOCKS)}, not {stream.clock}.")
    wrong = set(stream.required.values()) - REQUIRED_TYPES
    if wrong:
        raise DictionaryError(f"{file.name}: required types must be among {sorted(REQUIRED_TYPES)}, not {sorted(wrong)}.")
    return stream


@functools.cache
def load_dictionary(folder: Path = HERE) -> Dictionary:
    """Read streams/*.yml and landing.yml below `folder`. Raises DictionaryError when an entry contradicts itself."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml: ten times faster, same result
    landing = yaml.load((folder / "landing.yml").read_text(), loader)
    files = sorted((folder / "streams").glob("*.yml"))
    streams = [_stream(yaml.load(file.read_text(), loader), file) for file in files]
    return Dictionary(
        streams={stream.name: stream for stream in streams},
        bots=landing["bots"],
        junk=tuple((entry["pattern"], entry["reason"]) for entry in landing["junk"]),
        synthetic_marker=landing["synthetic_marker"],
    )
