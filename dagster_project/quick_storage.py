"""Dagster's event storage (SQLite, a file per run and an index over all) without what it does anew for each event.

A run writes hundreds of events. Dagster's own storage opens the file for each of them (up to three times), compiles the same
statements, waits for the disk and, as the only connection closes, folds the journal into the file: half the time of an event.
"""

import contextlib
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy
from dagster._core.events import DagsterEventType
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, AssetEventTagsTable, SqlEventLogStorageTable
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage

# the index and the run that is being written; another one is for who reads old runs
_KEPT_SHARDS = 3
_KEYS_AT_ONCE = 5000  # SQLite takes 32,766 parameters


class QuickStorage(DagsterSqliteStorage):
    """Dagster's SQLite storage, in the same files, with the event log below (dagster.yaml names this class)."""

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        super().__init__(base_dir, inst_data)
        self._event_log_storage = QuickEventLogStorage(str(event_folder(Path(base_dir))))

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "QuickStorage":
        """What Dagster calls with the settings of dagster.yaml."""
        return cls.from_local(inst_data=inst_data, **config_value)


class QuickEventLogStorage(SqliteEventLogStorage):
    """The event log, with its last used files kept open."""

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        self._engines: OrderedDict[str, sqlalchemy.Engine] = OrderedDict()
        self._tables: set[str] = set()
        self._batch: contextlib.ExitStack | None = None
        self._batched: dict[str, sqlalchemy.Connection] = {}
        super().__init__(base_dir, inst_data)
        self._db_lock = threading.RLock()  # a batch holds it while its events take it

    def has_table(self, table_name: str) -> bool:
        """Whether the index has a table: asked for every event of an asset, and a table that is there stays."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Store events of one run in one transaction per file: Dagster hands over those of an output's partitions together."""
        with self._db_lock, contextlib.ExitStack() as batch:
            self._batch = batch
            try:
                super().store_event_batch(events)
            finally:
                self._batch, self._batched = None, {}

    @contextlib.contextmanager
    def _connect(self, shard: str) -> Iterator[sqlalchemy.Connection]:
        with self._db_lock:
            if self._batch is None:
                with self._engine(shard).begin() as connection:
                    yield connection
            else:
                if shard not in self._batched:
                    self._batched[shard] = self._batch.enter_context(self._engine(shard).begin())
                yield self._batched[shard]

    def _engine(self, shard: str) -> sqlalchemy.Engine:
        engine = self._engines.get(shard)
        if engine is None:
            arguments = {"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}
            engine = sqlalchemy.create_engine(self.conn_string_for_shard(shard), connect_args=arguments)
            self._engines[shard] = engine
        if shard not in self._initialized_dbs:
            self._initdb(engine)
            self._initialized_dbs.add(shard)
        self._engines.move_to_end(shard)
        while len(self._engines) > _KEPT_SHARDS:
            self._engines.popitem(last=False)[1].dispose()
        return engine

    def forget_run(self, run_id: str) -> None:
        """Remove the log of a run. Its materialisations of partitions stay: from them the UI knows which hours are loaded."""
        events, tags, checks = SqlEventLogStorageTable.c, AssetEventTagsTable, AssetCheckExecutionsTable
        is_state = (events.dagster_event_type == DagsterEventType.ASSET_MATERIALIZATION.value) & events.partition.is_not(None)
        is_forgotten = (events.run_id == run_id) & ~is_state
        with self.index_connection() as connection:
            connection.execute(tags.delete().where(tags.c.event_id.in_(sqlalchemy.select(events.id).where(is_forgotten))))
            connection.execute(SqlEventLogStorageTable.delete().where(is_forgotten))
            connection.execute(checks.delete().where(checks.c.run_id == run_id))
        with self._db_lock:
            if engine := self._engines.pop(run_id, None):
                engine.dispose()
            self._initialized_dbs.discard(run_id)
            for suffix in ("", "-wal", "-shm"):
                Path(f"{self.path_for_shard(run_id)}{suffix}").unlink(missing_ok=True)

    def wipe_asset_partitions(self, asset_key: dg.AssetKey, partition_keys: Sequence[str]) -> None:
        """Let partitions be shown as not materialised (Dagster's own storage has not learnt it). The runs' own logs keep all."""
        events, tags = SqlEventLogStorageTable.c, AssetEventTagsTable
        for first in range(0, len(partition_keys), _KEYS_AT_ONCE):
            is_named = (
                (events.asset_key == asset_key.to_string())
                & (events.dagster_event_type == DagsterEventType.ASSET_MATERIALIZATION.value)
                & events.partition.in_(partition_keys[first : first + _KEYS_AT_ONCE])
            )
            with self.index_connection() as connection:
                connection.execute(tags.delete().where(tags.c.event_id.in_(sqlalchemy.select(events.id).where(is_named))))
                connection.execute(SqlEventLogStorageTable.delete().where(is_named))
        self.wipe_asset_cached_status(asset_key)

    def wipe(self) -> None:
        """Delete all events; their files go, so they must not stay open."""
        self._close()
        super().wipe()

    def dispose(self) -> None:
        """Close every file."""
        self._close()
        super().dispose()

    def _close(self) -> None:
        with self._db_lock:
            while self._engines:
                self._engines.popitem()[1].dispose()


def event_folder(home: Path) -> Path:
    """Where Dagster keeps the events of each run and the index over all of them."""
    return home / "history" / "runs"


@sqlalchemy.event.listens_for(sqlalchemy.engine.Engine, "connect")
def _sync_at_checkpoints_only(connection: Any, _record: Any) -> None:
    """In a journal of the kind Dagster uses (WAL) this loses nothing when a process dies; a power cut may cost last events."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("pragma synchronous = normal")


@contextlib.contextmanager
def kept_open(home: Path) -> Iterator[None]:
    """Keep a connection to the databases of runs and schedules, so that none is the last one to close while the block lasts."""
    with contextlib.ExitStack() as stack:
        for file in (home / "history" / "runs.db", home / "schedules" / "schedules.db"):
            if file.is_file():
                connection = stack.enter_context(contextlib.closing(sqlite3.connect(file)))
                connection.execute("select count(*) from sqlite_master").fetchone()
        yield
