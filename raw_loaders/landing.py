"""Lists what lies in a landing folder."""

import contextlib
import functools
import itertools
import os
import resource
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from raw_loaders.dictionary import Dictionary, PathFacts
from raw_loaders.errors import LandingError

_READERS = 8
_AT_ONCE = 256
_FAR = 5  # on a busy machine the same work may well take twice its time


@dataclass(slots=True, frozen=True)
class LandedFile:
    """One file of the landing: its path relative to the landing ('/' separated), its stat, and what its path says."""

    source_file: str
    size: int
    mtime_ns: int
    inode: int
    facts: PathFacts


@dataclass(slots=True, frozen=True)
class Listing:
    """What a look at a landing found: `files`, sorted by path, and what could not be looked at.

    `unreadable` has the reason by path relative to the landing; the path of a folder ends with '/'.
    """

    files: list[LandedFile]
    unreadable: dict[str, str]

    def hides(self, source_file: str) -> bool:
        """Whether nobody knows if this file is still there: it lies below a folder that could not be read, or is unreadable."""
        return source_file in self.unreadable or any(
            path.endswith("/") and source_file.startswith(path) for path in self.unreadable
        )


@dataclass(slots=True, frozen=True)
class _Folder:
    """What lies in a folder: other folders (each with its last '/'), files with their stat, and what could not be looked at."""

    folders: list[str]
    files: list[tuple[str, os.stat_result]]
    unreadable: dict[str, str]


def list_landing(landing: Path, dictionary: Dictionary) -> Listing:
    """Every file below `landing`. What goes away meanwhile is gone; a folder without rights hides what is in it, and no more.

    Raises LandingError when there is no such folder, when it cannot be read itself, or when nothing to load lies in it.
    """
    _check_folder(landing)
    unreadable: dict[str, str] = {}
    files = sorted(_walk(landing, dictionary, unreadable), key=lambda file: file.source_file)
    _check_any_stream(files, landing, unreadable)
    _check_folder(landing)  # a disk taken away in the middle is no landing whose files were deleted
    return Listing(files, dict(sorted(unreadable.items())))


def scan_landing(landing: Path, dictionary: Dictionary) -> list[LandedFile]:
    """Every file below `landing`, sorted by path, where all of it can be read.

    Raises LandingError when there is no such folder, nothing to load in it, or a part of it that cannot be read.
    """
    listing = list_landing(landing, dictionary)
    for path, reason in listing.unreadable.items():
        raise LandingError(
            f"{landing / path} cannot be read ({reason}){_more(listing.unreadable)}: mend its rights; "
            "until then runs load the rest of the landing and what lies there counts as unread."
        )
    return listing.files


def check_landing(landing: Path, dictionary: Dictionary) -> None:
    """Raise what list_landing would raise, after a look at no more files than it takes."""
    _check_folder(landing)
    unreadable: dict[str, str] = {}
    _check_any_stream(_walk(landing, dictionary, unreadable), landing, unreadable)


def _check_folder(landing: Path) -> None:
    try:
        with os.scandir(landing):
            return
    except FileNotFoundError:
        what = "does not exist"
    except NotADirectoryError:
        what = "is no folder"
    except OSError as error:
        raise LandingError(
            f"The landing {landing} cannot be read ({error.strerror or error}): mend its rights and run the same command again; "
            "nothing was changed."
        ) from error
    raise LandingError(f"The landing {landing} {what}: name the folder that holds the bot's log tree.")


def _check_any_stream(files: Iterable[LandedFile], landing: Path, unreadable: Mapping[str, str]) -> None:
    others = 0
    for file in files:
        if file.facts.stream:
            return
        others += 1
    for path, reason in unreadable.items():
        raise LandingError(
            f"No file of a known stream can be read in {landing}, and {path} in it not at all ({reason})"
            f"{_more(unreadable)}: mend its rights and run the same command again; nothing was changed."
        )
    raise LandingError(f"No file of a known stream lies in {landing} ({others} other files): {_hint(landing)}.")


def _more(unreadable: Mapping[str, str]) -> str:
    return f", nor can {len(unreadable) - 1} more" if len(unreadable) > 1 else ""


def _hint(landing: Path) -> str:
    with contextlib.suppress(OSError):  # a folder beside that cannot be read is no help, and no fault
        for entry in sorted(landing.iterdir()):
            if (entry / "5m").is_dir() or (entry / "1h").is_dir():
                return f"did you mean {entry}?"
    return "the landing is the folder with the bots' folders 5m, 1h, 12h, 24h in it"


def _walk(landing: Path, dictionary: Dictionary, unreadable: dict[str, str]) -> Iterator[LandedFile]:
    """The files below a landing; what could not be looked at is added to `unreadable` on the way."""
    root, prefixes = str(landing), [""]
    is_waited_for = False
    with ThreadPoolExecutor(_READERS) as readers:
        while prefixes:
            batch, prefixes[-_AT_ONCE:] = prefixes[-_AT_ONCE:], []
            if is_waited_for:
                # some folders to each reader: to hand over a single one takes as long as to list it
                shares = readers.map(functools.partial(_list_all, root), (batch[first::_READERS] for first in range(_READERS)))
                folders = itertools.chain.from_iterable(shares)
            else:
                folders, is_waited_for = _list_and_see(root, batch)
            for found in folders:
                prefixes += found.folders
                unreadable |= found.unreadable
                for name, stat in found.files:
                    yield LandedFile(name, stat.st_size, stat.st_mtime_ns, stat.st_ino, dictionary.classify(name))


def _list_and_see(root: str, prefixes: Sequence[str]) -> tuple[list[_Folder], bool]:
    """What lies in these folders, and whether to list the next ones with several readers: where they are waited for.

    Nobody looked at them for an hour, and they are read from a disk; or they lie on another machine, and next to nothing of the
    time is work. Over folders in memory several readers would only get in each other's way, as Python lets one of them work at
    a time.
    """
    began, worked, read = time.perf_counter(), time.thread_time(), _blocks_read()
    found = _list_all(root, prefixes)
    is_read = _blocks_read() - read > len(prefixes)
    is_far = time.perf_counter() - began > _FAR * (time.thread_time() - worked)
    return found, len(prefixes) == _AT_ONCE and (is_read or is_far)


def _blocks_read() -> int:
    """Blocks of 512 bytes that this thread has had read from disks; of a system that counts none by thread, the process."""
    return resource.getrusage(getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)).ru_inblock


def _list_all(root: str, prefixes: Sequence[str]) -> list[_Folder]:
    return [_list(root, prefix) for prefix in prefixes]


def _list(root: str, prefix: str) -> _Folder:
    """What lies in a folder; as text, a Path for each takes as long."""
    found = _Folder([], [], {})
    try:
        with os.scandir(f"{root}/{prefix}") as entries:
            for entry in entries:
                name = prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    found.folders.append(name + "/")
                    continue
                try:
                    found.files.append((name, entry.stat()))
                except FileNotFoundError:  # a dangling link, or a file that went away since the folder was listed
                    continue
                except PermissionError:  # the folder may be listed and no more: that is a fault of the folder
                    raise
                except OSError as error:
                    found.unreadable[name] = error.strerror or str(error)
    except (FileNotFoundError, NotADirectoryError):  # the folder went away since the one above it was listed
        return _Folder([], [], {})
    except OSError as error:
        # what was listed of it before the fault may be half of it: all of the folder counts as unread
        return _Folder([], [], {prefix: error.strerror or str(error)})
    return found
