"""Lists what lies in a landing folder."""

import contextlib
import functools
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from raw_loaders.dictionary import Dictionary, PathFacts
from raw_loaders.errors import LandingError

_READERS = 8
_AT_ONCE = 64


@dataclass(slots=True, frozen=True)
class LandedFile:
    """One file of the landing: its path relative to the landing ('/' separated), its stat, and what its path says."""

    source_file: str
    size: int
    mtime_ns: int
    inode: int
    facts: PathFacts


def scan_landing(landing: Path, dictionary: Dictionary) -> list[LandedFile]:
    """Every file below `landing`, sorted by path. Raises LandingError when there is no such folder or nothing to load in it."""
    _check_folder(landing)
    files = sorted(_walk(landing, dictionary), key=lambda file: file.source_file)
    _check_any_stream(files, landing)
    return files


def check_landing(landing: Path, dictionary: Dictionary) -> None:
    """Raise what scan_landing would raise, after a look at no more files than it takes."""
    _check_folder(landing)
    _check_any_stream(_walk(landing, dictionary), landing)


def _check_folder(landing: Path) -> None:
    if not landing.is_dir():
        what = "is no folder" if landing.exists() else "does not exist"
        raise LandingError(f"The landing {landing} {what}: name the folder that holds the bot's log tree.")


def _check_any_stream(files: Iterable[LandedFile], landing: Path) -> None:
    others = 0
    for file in files:
        if file.facts.stream:
            return
        others += 1
    raise LandingError(f"No file of a known stream lies in {landing} ({others} other files): {_hint(landing)}.")


def _hint(landing: Path) -> str:
    inner = [entry.name for entry in sorted(landing.iterdir()) if (entry / "5m").is_dir() or (entry / "1h").is_dir()]
    if inner:
        return f"did you mean {landing / inner[0]}?"
    return "the landing is the folder with the bots' folders 5m, 1h, 12h, 24h in it"


def _walk(landing: Path, dictionary: Dictionary) -> Iterator[LandedFile]:
    root, prefixes = str(landing), [""]
    # a folder that nobody looked at for an hour is read from the disk: several wait for it at once
    with ThreadPoolExecutor(_READERS) as readers:
        while prefixes:
            batch, prefixes[-_AT_ONCE:] = prefixes[-_AT_ONCE:], []
            for folders, files in readers.map(functools.partial(_list, root), batch):
                prefixes += folders
                for name, stat in files:
                    yield LandedFile(name, stat.st_size, stat.st_mtime_ns, stat.st_ino, dictionary.classify(name))


def _list(root: str, prefix: str) -> tuple[list[str], list[tuple[str, os.stat_result]]]:
    """The folders in a folder, each with its last '/', and the files with their stat; as text, a Path for each takes as long."""
    folders, files = [], []
    with os.scandir(f"{root}/{prefix}") as entries:
        for entry in entries:
            name = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                folders.append(name + "/")
                continue
            with contextlib.suppress(FileNotFoundError):  # a dangling link, or a file that went away since the folder was listed
                files.append((name, entry.stat()))
    return folders, files
