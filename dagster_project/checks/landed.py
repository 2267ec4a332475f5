"""Finds what lies in the landing by folder and file names alone, independently of the loader's own path patterns."""

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
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


def landed_partitions(
    landing: Path, dictionary: Dictionary, *, not_after_s: float, newest_dates: int | None = None
) -> Mapping[str, list[LandedPartition]]:
    """Per stream the partitions in `landing`; files written after the Unix time `not_after_s` belong to the next run.

    A file belongs to the stream that its own name begins with. Declared junk is left out. With `newest_dates` only so many
    of the newest date= folders are looked into wherever there are some: what is older is not even listed.
    """
    sizes: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for entry, file in sorted(_walk(landing, "", newest_dates), key=lambda found: found[1]):
        stream = entry.name.split(".jsonl")[0]
        if stream not in dictionary.streams or dictionary.classify(file).kind == "junk":
            continue
        stat = entry.stat()
        if stat.st_mtime <= not_after_s:
            date = _DATE.search(file)
            partition = f"{file[: date.start()]}/date={date[1]}" if date else file
            sizes[stream, partition][file] = stat.st_size
    found: dict[str, list[LandedPartition]] = defaultdict(list)
    for (stream, name), files in sizes.items():
        found[stream].append(LandedPartition(name, tuple(files), sum(files.values())))
    return found


def _walk(folder: Path, prefix: str, newest_dates: int | None) -> Iterator[tuple[os.DirEntry, str]]:
    with os.scandir(folder) as listed:
        entries = list(listed)
    dates = sorted(entry.name for entry in entries if entry.name.startswith("date="))
    hidden = set(dates[:-newest_dates]) if newest_dates else set()
    for entry in entries:
        if entry.name in hidden:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), f"{prefix}{entry.name}/", newest_dates)
        elif ".jsonl" in entry.name:
            yield entry, prefix + entry.name
