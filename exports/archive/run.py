"""Brings the archive up to date: writes partitions that are old enough, moves those that are older, settles their files."""

import datetime as dt
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb

from exports.archive.files import settle_files
from exports.archive.parquet import raw_content, rows_lost_by, verify_partition, write_partition
from exports.archive.partitions import Archived, PartitionKey, Policy, Selection, Step, archived_partitions, plan, prepare_state
from exports.archive.stores import Store, blake2b, open_store, put_verified
from exports.errors import ConflictError, CorruptArchiveError, DestinationError, ExportError, NoSpaceError, writing_to
from raw_loaders.dictionary import load_dictionary
from raw_loaders.errors import check_is_there
from raw_loaders.warehouse import open_warehouse

IST = ZoneInfo("Asia/Kolkata")


@dataclass(frozen=True)
class Destinations:
    """Where warm and archived partitions lie: a path or any URL fsspec knows."""

    warm: str
    archive: str


@dataclass
class ArchiveReport:
    """What a run did, or with `is_dry_run` would do. `settled` are landing files that are archived whole since this run."""

    is_dry_run: bool
    steps: list[Step] = field(default_factory=list)
    settled: list[str] = field(default_factory=list)
    unsettled: dict[str, str] = field(default_factory=dict)

    def count(self, outcome: str) -> int:
        """How many partitions ended as `outcome`: planned, written, moved, kept or failed."""
        return sum(step.outcome == outcome for step in self.steps)

    def raise_if_failed(self) -> None:
        """Raise ExportError naming the first partition that failed, when one did."""
        failed = [step for step in self.steps if step.outcome == "failed"]
        if failed:
            more = f", and {len(failed) - 1} more failed" if len(failed) > 1 else ""
            raise ExportError(f"{failed[0].reason} (partition {failed[0].raw.key}{more})")


def archive(
    warehouse: Path,
    destinations: Destinations,
    *,
    policy: Policy | None = None,
    selection: Selection | None = None,
    today: dt.date | None = None,
    dry_run: bool = False,
    replace_lost: bool = False,
    new_destination: bool = False,
    landing: Path | None = None,
    lock_wait_s: float = 30.0,
) -> ArchiveReport:
    """Write, move and settle what is due on `today` (IST date; default the current one), each partition whole or not at all.

    `landing` is compared with the copies (default: the folder the warehouse was loaded from). `replace_lost` allows a copy to be
    replaced by one with fewer records, `new_destination` a store that does not hold what was archived before. Nothing is deleted
    in the landing. A partition that fails is named in the report and in ops.archive_partitions, its source stays, and the next
    run does it again. Raises NoSpaceError and DestinationError when a destination cannot be used at all, WarehouseGoneError when
    there is no warehouse (none is made), another LoaderError when it cannot be opened.
    """
    check_is_there(warehouse)
    dictionary = load_dictionary()
    with open_warehouse(warehouse, dictionary, lock_wait_s=lock_wait_s) as connection:
        # sorted files need the order kept, and sorting a day of fills more memory than a loader is given
        connection.execute("set preserve_insertion_order = true; set memory_limit = '1GB'")
        prepare_state(connection)
        steps = plan(
            connection,
            list(dictionary.streams),
            selection or Selection(),
            policy or Policy(),
            today or dt.datetime.now(IST).date(),
        )
        report = ArchiveReport(dry_run, steps)
        if not dry_run and steps:
            keeper = _Keeper(connection, destinations, new_destination=new_destination)
            for step in steps:
                keeper.do(step, replace_lost=replace_lost)
            landing = landing or _landing_of(connection)
            report.settled, report.unsettled = settle_files(connection, keeper.stores, landing, dictionary.synthetic_marker)
    return report


def verify(
    warehouse: Path, destinations: Destinations, *, selection: Selection | None = None, lock_wait_s: float = 30.0
) -> dict[str, str]:
    """Read every archived copy again. Returns partition -> what is wrong with it, and notes it in ops.archive_partitions.

    Raises WarehouseGoneError when there is no warehouse (none is made), another LoaderError when it cannot be opened.
    """
    check_is_there(warehouse)
    wrong = {}
    with open_warehouse(warehouse, load_dictionary(), lock_wait_s=lock_wait_s) as connection:
        prepare_state(connection)
        stores = {"warm": open_store(destinations.warm), "archive": open_store(destinations.archive)}
        for key, state in sorted(archived_partitions(connection).items()):
            if selection is None or selection.has(key):
                status, reason = _condition(stores[state.tier], state)
                if status != "verified":
                    wrong[str(key)] = reason
                connection.execute(
                    f"update ops.archive_partitions set status = ?, status_reason = ? where {_KEY}",
                    [status, reason, *_values(key)],
                )
    return wrong


def _condition(store: Store, state: Archived) -> tuple[str, str | None]:
    name = state.key.name
    try:
        with store.fetched(name) as path:
            if blake2b(path) == state.file_hash:
                return "verified", None
    except DestinationError:
        raise  # an outage says nothing about the copy
    except (FileNotFoundError, ExportError):
        return "missing", f"{name} is not in {store.url}: the next run writes it again"
    return "corrupt", f"{name} in {store.url} has other bytes than were verified: the next run writes it again"


_KEY = "stream = ? and partition_date = ? and partition_asset = ?"


def _values(key: PartitionKey) -> list[str]:
    return [key.stream, key.date, key.asset]


def _landing_of(connection: duckdb.DuckDBPyConnection) -> Path | None:
    row = connection.execute("select value from raw.meta where key = 'landing'").fetchone()
    return Path(row[0]) if row else None


class _Keeper:
    """Does the steps of one run. Both stores are made ready before the first."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, destinations: Destinations, *, new_destination: bool) -> None:
        self.connection = connection
        self.stores: dict[str, Store] = {"warm": open_store(destinations.warm), "archive": open_store(destinations.archive)}
        if self.stores["warm"].url == self.stores["archive"].url:
            raise DestinationError(f"Warm and archived partitions both go to {self.stores['warm'].url}: name two folders.")
        known = {state.tier for state in archived_partitions(connection).values() if state.file_hash}
        for tier, store in self.stores.items():
            store.check(must_exist=tier in known and not new_destination)
        self._present = {tier: set(store.names(".parquet")) for tier, store in self.stores.items()}

    def do(self, step: Step, *, replace_lost: bool) -> None:
        """Do one step; on an expected fault note it and leave the partition as it was. A full or vanished store ends the run."""
        name = step.raw.key.name
        if step.action != "write" and name not in self._present[step.archived.tier]:
            step.action = "write"
        try:
            if step.action == "write":
                self._write(step, replace_lost=replace_lost)
            elif step.action == "move":
                self._move(step)
            else:
                self._sweep(step)
                step.outcome = "kept"
        except ExportError as error:
            self._note_failure(step, error)
            if isinstance(error, NoSpaceError | DestinationError):
                raise
        except (duckdb.Error, OSError) as error:
            self._note_failure(step, ExportError(str(error).splitlines()[0]))

    def _write(self, step: Step, *, replace_lost: bool) -> None:
        key, store = step.raw.key, self.stores[step.target]
        content = raw_content(self.connection, key)
        if not replace_lost:
            self._refuse_loss(key)
        staged = store.staging() / f"{key.stream}-{key.date}.parquet"
        try:
            with writing_to(store.url):
                write_partition(self.connection, key, content, staged)
            verify_partition(staged, content, key.name)
            size, file_hash = put_verified(store, staged, key.name)
        finally:
            staged.unlink(missing_ok=True)
        step.size_bytes, step.outcome = size, "written"
        self._record(step, content.digest, size, file_hash, content.files)
        self._sweep(step)

    def _refuse_loss(self, key: PartitionKey) -> None:
        for tier, store in self.stores.items():
            if key.name in self._present.get(tier, ()):
                with store.fetched(key.name) as path:
                    try:
                        lost = rows_lost_by(self.connection, key, path)
                    except duckdb.Error:
                        continue  # a copy that cannot be read holds nothing that could be lost
                if lost:
                    raise ConflictError(
                        f"The archived copy in {store.url} holds {lost} records that the warehouse lacks: restore and load them, "
                        "or archive with --replace-lost if they are gone on purpose; the copy stays"
                    )

    def _move(self, step: Step) -> None:
        key, state = step.raw.key, step.archived
        source, target = self.stores[state.tier], self.stores[step.target]
        staged = target.staging() / f"{key.stream}-{key.date}.parquet"
        try:
            with source.fetched(key.name) as path, writing_to(target.url):
                shutil.copyfile(path, staged)
            if blake2b(staged) != state.file_hash:
                raise CorruptArchiveError(
                    f"The copy of {key.name} in {source.url} has other bytes than were verified: the next run writes it again"
                )
            size, file_hash = put_verified(target, staged, key.name)
        finally:
            staged.unlink(missing_ok=True)
        step.size_bytes, step.outcome = size, "moved"
        files = self.connection.execute(
            f"select source_file, row_count, digest from ops.archive_partition_files where {_KEY}", _values(key)
        ).fetchall()
        self._record(
            step,
            state.digest,
            size,
            file_hash,
            [dict(zip(("source_file", "row_count", "digest"), row, strict=True)) for row in files],
        )
        self._sweep(step)

    def _sweep(self, step: Step) -> None:
        """Remove the copy in the other tier: the one of this tier has just been read back, or was when it was recorded."""
        other = "warm" if step.target == "archive" else "archive"
        if step.raw.key.name in self._present.get(other, ()):
            self.stores[other].remove(step.raw.key.name)

    def _record(self, step: Step, digest: str, size: int, file_hash: str, files: Iterable[dict[str, object]]) -> None:
        key = _values(step.raw.key)
        self.connection.execute("begin")
        self.connection.execute(
            "insert or replace into ops.archive_partitions values (?, ?, ?, ?, 'verified', null, ?, ?, ?, ?, ?, ?, ?)",
            [
                *key,
                step.target,
                step.raw.row_count,
                digest,
                step.raw.signature,
                step.raw.key.name,
                size,
                file_hash,
                dt.datetime.now(dt.UTC),
            ],
        )
        self.connection.execute(f"delete from ops.archive_partition_files where {_KEY}", key)
        for file in files:
            self.connection.execute(
                "insert into ops.archive_partition_files values (?, ?, ?, ?, ?, ?)",
                [*key, file["source_file"], file["row_count"], str(file["digest"])],
            )
        self.connection.execute("commit")

    def _note_failure(self, step: Step, error: ExportError) -> None:
        step.outcome, step.reason = "failed", str(error).rstrip(".")
        status = {CorruptArchiveError: "corrupt", ConflictError: "conflict"}.get(type(error), "failed")
        key = step.raw.key
        # a partition that never had a copy gets a row that says why
        self.connection.execute(
            """
            insert into ops.archive_partitions values (?, ?, ?, ?, ?, ?, ?, '', '', ?, 0, '', ?)
            on conflict do update set status = excluded.status, status_reason = excluded.status_reason
            """,
            [*_values(key), step.target, status, step.reason, step.raw.row_count, key.name, dt.datetime.now(dt.UTC)],
        )
