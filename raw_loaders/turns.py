"""Who writes to a warehouse takes turns: one lock on one file beside it, for runs and for commands by hand alike.

DuckDB refuses a file that another process has open, so without turns whoever comes second fails, or comes in between two
steps of the first. The operating system releases the lock when its process ends, however it ends.
"""

import contextlib
import fcntl
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from raw_loaders.errors import TurnError

_POLL_S = 0.25
# the turns that a thread of this process holds: a run within a command of the same thread goes on in the command's turn
_held: dict[tuple[Path, int], IO[str]] = {}


def turns_folder(warehouse: Path) -> Path:
    """Where the lock files of a warehouse lie: beside it, so that its path is all one has to know."""
    return warehouse.resolve().parent / "turns"


def this_command(name: str) -> str:
    """How those who wait call this process: the command and its process id."""
    return f"`{name}` (PID {os.getpid()})"


@contextlib.contextmanager
def hold_turn(folder: Path, who: str) -> Iterator[None]:
    """Hold the one turn of the lock files in `folder` for the duration of a block; who holds it already goes on in it.

    Waits, as long as it takes, for who has it, and names that one on stderr; `who` is what others are told meanwhile.
    Raises TurnError when the lock file cannot be made or written.
    """
    key = (folder.resolve(), threading.get_ident())
    if lock := _held.get(key):
        before = _read(lock)
        _write(lock, who)
        try:
            yield
        finally:
            _write(lock, before)
        return
    with _opened(folder) as lock:
        _wait(lock)
        _write(lock, who)
        _held[key] = lock
        try:
            yield
        finally:
            del _held[key]
            _write(lock, "")


def _opened(folder: Path) -> IO[str]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return (folder / "turn.lock").open("a+")
    except OSError as error:
        raise TurnError(
            f"The lock file {folder / 'turn.lock'}, by which writers take turns, cannot be used ({error.strerror or error}): "
            "see that the folder may be written, then run the same command again; nothing was changed."
        ) from error


def _wait(lock: IO[str]) -> None:
    said = None
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _read(lock) or "another process"
            if holder != said:
                print(f"  waiting for {holder}, which is at work on the warehouse ...", file=sys.stderr, flush=True)
                said = holder
            time.sleep(_POLL_S)
        else:
            return


def _read(lock: IO[str]) -> str:
    lock.seek(0)
    return lock.read()


def _write(lock: IO[str], who: str) -> None:
    """Say who has the turn. A full disk must not end the work: then those who wait are told of nobody in particular."""
    with contextlib.suppress(OSError):
        lock.seek(0)
        lock.truncate()
        lock.write(who)
        lock.flush()
