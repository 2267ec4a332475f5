"""Faults a person can act on. Each message is one sentence: what happened, to which file or partition, what to do."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb


class ExportError(Exception):
    """Base of every expected fault; `exit_code` is what the command line returns for it."""

    exit_code = 1


class SelectionError(ExportError):
    """What was asked for does not exist, or its arguments contradict each other."""

    exit_code = 2


class SourceError(ExportError):
    """The warehouse or the published file cannot be read, or lacks a table."""

    exit_code = 4


class NoSpaceError(ExportError):
    """The destination has no room left; what was being written was taken back."""

    exit_code = 5


class DestinationError(ExportError):
    """The destination is missing, vanished in between, or refuses to be written."""

    exit_code = 9


class CorruptArchiveError(ExportError):
    """An archived copy does not hold what it was verified to hold."""

    exit_code = 10


class NotArchivedError(ExportError):
    """A landing file may not be deleted, because no verified copy of all of it exists."""

    exit_code = 11


class ConflictError(ExportError):
    """A file that is there already differs from the one to be written."""

    exit_code = 12


_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def writing_to(destination: str) -> Iterator[None]:
    """Turn what an operating system or DuckDB says while writing below `destination` into one sentence.

    Raises NoSpaceError when no room is left, DestinationError for every other refusal.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise no_space(destination) from error
        raise DestinationError(_refused(destination, error.strerror or str(error))) from error
    except duckdb.IOException as error:
        if "no space left" in str(error).lower() or "quota exceeded" in str(error).lower():
            raise no_space(destination) from error
        raise DestinationError(_refused(destination, str(error).splitlines()[0])) from error


def no_space(destination: str) -> NoSpaceError:
    """The sentence for a full destination."""
    return NoSpaceError(
        f"The destination {destination} has no room left: free some and run the same command again; "
        "nothing half written was left behind and every source stays as it was."
    )


def _refused(destination: str, reason: str) -> str:
    return (
        f"The destination {destination} cannot be used ({reason}): make it available or writable and run the same command "
        "again; every source stays as it was."
    )
