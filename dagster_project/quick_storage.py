"""Makes Dagster's event storage (SQLite, one commit per event) wait less for the disk.

A tick writes about a thousand events. With SQLite's default each of them waits for the disk two or three times: when it is
committed, and when the only connection closes, which folds the journal into the file.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy


@sqlalchemy.event.listens_for(sqlalchemy.engine.Engine, "connect")
def _sync_at_checkpoints_only(connection: Any, _record: Any) -> None:
    """In a journal of the kind Dagster uses (WAL) this loses nothing when a process dies; a power cut may cost last events."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("pragma synchronous = normal")


@contextlib.contextmanager
def kept_open(home: Path) -> Iterator[None]:
    """Keep a connection to each database below `home`, so that none is the last one to close for as long as the block lasts."""
    with contextlib.ExitStack() as stack:
        for file in sorted(home.rglob("*.db")):
            connection = stack.enter_context(contextlib.closing(sqlite3.connect(file)))
            connection.execute("select count(*) from sqlite_master").fetchone()
        yield
