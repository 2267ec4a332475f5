"""Finds what lies in the landing by folder and file names alone, independently of the loader's own path patterns."""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from raw_loaders.dictionary import Dictionary

_DATE = re.compile(r"(?:^|/)date=([^/]+)/")


@dataclass(frozen=True)
class LandedPartition:
    """One date= folder of a stream, or one of its plain files; `files` are relative to the landing."""

    name: str
    files: tuple[str, ...]
    size_bytes: int


def landed_partitions(landing: Path, dictionary: Dictionary, *, not_after_s: float) -> Mapping[str, list[LandedPartition]]:
    """Per stream the partitions in `landing`; files written after the Unix time `not_after_s` belong to the next run.

    A file belongs to the stream that its own name begins with. Declared junk is left out.
    """
    sizes: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for path in sorted(landing.rglob("*.jsonl*")):
        file = path.relative_to(landing).as_posix()
        stream = path.name.split(".jsonl")[0]
        if stream not in dictionary.streams or dictionary.classify(file).kind == "junk":
            continue
        stat = path.stat()
        if stat.st_mtime <= not_after_s:
            date = _DATE.search(file)
            partition = f"{file[: date.start()]}/date={date[1]}" if date else file
            sizes[stream, partition][file] = stat.st_size
    found: dict[str, list[LandedPartition]] = defaultdict(list)
    for (stream, name), files in sizes.items():
        found[stream].append(LandedPartition(name, tuple(files), sum(files.values())))
    return found
