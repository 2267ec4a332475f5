"""Waiting, with a limit, for a file that another process has open."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import duckdb

from raw_loaders.errors import is_lock_conflict, locked

_RETRY_S = 0.2
Opened = TypeVar("Opened")


def patiently(file: Path, wait_s: float, action: Callable[[], Opened]) -> Opened:
    """Do what opens `file`, again and again while another process has it open, at most for `wait_s` seconds.

    Returns what `action` returns. Raises WarehouseLockedError, which names the file and who has it, when it stays open; whatever
    else DuckDB says is raised as it is.
    """
    deadline = time.monotonic() + wait_s
    while True:
        try:
            return action()
        except duckdb.Error as error:
            if not is_lock_conflict(error):
                raise
            if time.monotonic() >= deadline:
                raise locked(file, error, wait_s) from error
            time.sleep(_RETRY_S)
