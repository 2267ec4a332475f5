"""Finds what lies in the landing by folder and file names alone, independently of the loader's own path patterns."""

import contextlib
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from raw_loaders.dictionary import Dictionary

_DATE = re.compile(r"(?:^|/)date=([^/]+)/")


# the kernel stamps files by a clock that stands still for up to 10 ms, so a file may look that much older than it is
_CLOCK_GRAIN_S = 0.05


@dataclass(frozen=True)
class LandedPartition:
    """One date= folder of a stream, or one of its plain files; `files` are relative to the landing.

    `settled` are the files that were last changed before the moment asked for, `size_bytes` is the size of those.
    """

    name: str
    files: tuple[str, ...]
    settled: frozenset[str]
    size_bytes: int


def landed_partitions(
    landing: Path,
    dictionary: Dictionary,
    *,
    not_after_s: float,
    newest_dates: int | None = None,
    also: Iterable[str] = (),
) -> Mapping[str, list[LandedPartition]]:
    """Per stream the partitions in `landing`; files changed after the Unix time `not_after_s` (seconds) are not settled.

    A file belongs to the stream that its own name begins with. Declared junk is left out. With `newest_dates` only so many
    of the newest date= folders are looked into wherever there are some: what is older is not even listed, but for the files
    named in `also` (relative to the landing), which are looked at wherever they lie, if they are still there.

    A file was changed when its content was (mtime) or when it came to be where it is (ctime), whichever is later: tools that
    copy keep the mtime of the original.
    """
    listed = {file: Path(entry.path) for entry, file in _walk(landing, "", newest_dates)}
    found: dict[str, os.stat_result] = {}
    for file, path in ({file: landing / file for file in also} | listed).items():
        with contextlib.suppress(OSError):  # it has gone meanwhile, or its folder cannot be read, which the ledger says
            found[file] = path.stat()
    grouped: dict[tuple[str, str], dict[str, os.stat_result]] = defaultdict(dict)
    for file, stat in sorted(found.items()):
        stream = file.rpartition("/")[2].split(".jsonl")[0]
        if stream not in dictionary.streams or dictionary.classify(file).kind == "junk":
            continue
        date = _DATE.search(file)
        grouped[stream, f"{file[: date.start()]}/date={date[1]}" if date else file][file] = stat
    partitions: dict[str, list[LandedPartition]] = defaultdict(list)
    for (stream, name), stats in grouped.items():
        changed_before_s = not_after_s - _CLOCK_GRAIN_S
        settled = {file: stat for file, stat in stats.items() if max(stat.st_mtime, stat.st_ctime) <= changed_before_s}
        size = sum(stat.st_size for stat in settled.values())
        partitions[stream].append(LandedPartition(name, tuple(stats), frozenset(settled), size))
    return partitions


def _walk(folder: Path, prefix: str, newest_dates: int | None) -> Iterator[tuple[os.DirEntry, str]]:
    try:
        with os.scandir(folder) as listed:
            entries = list(listed)
    except OSError:
        return  # gone since, or unreadable: the loader has noted such a folder in raw.files, and the check reads it there
    dates = sorted(entry.name for entry in entries if entry.name.startswith("date="))
    hidden = set(dates[:-newest_dates]) if newest_dates else set()
    for entry in entries:
        if entry.name in hidden:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), f"{prefix}{entry.name}/", newest_dates)
        elif ".jsonl" in entry.name:
            yield entry, prefix + entry.name
