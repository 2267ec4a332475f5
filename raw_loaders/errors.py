"""Faults a person can act on. Each message is one sentence: what happened, to which file, what to do."""

import re
from pathlib import Path


class LoaderError(Exception):
    """Base of every expected fault; `exit_code` is what the command line returns for it."""

    exit_code = 1


class LandingError(LoaderError):
    """The landing folder is missing, is no folder, or holds no file of any known stream."""

    exit_code = 2


class FilesUnreadableError(LoaderError):
    """Some landed files could not be read; every other file was loaded."""

    exit_code = 3


class WarehouseLockedError(LoaderError):
    """Another process holds the warehouse file for longer than we were told to wait."""

    exit_code = 4


class WarehouseGoneError(LoaderError):
    """The warehouse file is missing where one was made before."""

    exit_code = 2


class TurnError(LoaderError):
    """The lock file by which writers take turns cannot be made or written."""


class DiskFullError(LoaderError):
    """The disk that holds the warehouse has no room left; the transaction at hand was rolled back."""

    exit_code = 5


class WarehouseVersionError(LoaderError):
    """The warehouse file was written by a newer release, or is no warehouse of ours."""

    exit_code = 6


class WarehouseNameError(LoaderError):
    """The warehouse file has a name that DuckDB would confuse with one of our schemas."""

    exit_code = 6


class DictionaryError(LoaderError):
    """The stream dictionary contradicts itself."""

    exit_code = 7


class FileChangedError(LoaderError):
    """A landed file was cut or rewritten in the middle of being read; it is read anew by the next load."""

    exit_code = 3


class LinesTooWideError(LoaderError):
    """The lines of a landed file are too long to be loaded in the memory there is; the other files are loaded."""

    exit_code = 3


_LOCK_HOLDER = re.compile(r"Conflicting lock is held in (?P<process>.+?) \(PID (?P<pid>\d+)\)")
_LOCKED_FILE = re.compile(r'Could not set lock on file "(?P<file>.+?)"')


def is_lock_conflict(error: object) -> bool:
    """True when `error`, or a text, is DuckDB's refusal to open a file that another process has open."""
    return "Could not set lock on file" in str(error)


def locked(warehouse: Path, error: object, waited_s: float) -> WarehouseLockedError:
    """The sentence for a warehouse held by somebody else; names file, process and PID where DuckDB knows them.

    `error` is DuckDB's error or its text: the file may be the one with the marts, which lies beside the warehouse.
    """
    holder, file = _LOCK_HOLDER.search(str(error)), _LOCKED_FILE.search(str(error))
    who = f"{holder['process']} (PID {holder['pid']})" if holder else "another process"
    return WarehouseLockedError(
        f"The warehouse {file['file'] if file else warehouse} is open in {who} and was still locked after {waited_s:.0f} s: "
        "close that program or wait for it, then run the same command again; nothing was changed."
    )


def check_is_there(warehouse: Path) -> None:
    """Raise WarehouseGoneError when the file is missing: to open it would make an empty one in its place."""
    if not warehouse.is_file():
        raise WarehouseGoneError(
            f"The warehouse {warehouse} is gone: put it back; or, where there never was one, load a landing into it first; "
            "nothing was made in its place."
        )


def is_disk_full(error: BaseException) -> bool:
    """True when an operating system or DuckDB error says that no room is left on the device."""
    text = str(error)
    return "No space left on device" in text or "Disk quota exceeded" in text or "no space left" in text.lower()


def disk_full(warehouse: Path) -> DiskFullError:
    """The sentence for a full disk."""
    return DiskFullError(
        f"The disk that holds {warehouse} is full: free some room and run the same command again; "
        "the file at hand was rolled back and every file loaded before it is kept."
    )
