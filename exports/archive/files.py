"""Landing files: when all of one is archived, what else of it must be kept, and deleting it by name."""

import datetime as dt
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from exports.archive.partitions import PartitionKey, archived_partitions, prepare_state
from exports.archive.stores import Store, blake2b, open_store, put_verified
from exports.archive.texts import GapError, archived_members, text_hash_of_file
from exports.errors import ExportError, NotArchivedError, SelectionError, writing_to
from raw_loaders.dictionary import load_dictionary
from raw_loaders.errors import check_is_there
from raw_loaders.warehouse import open_warehouse

CARDS = "files/"  # one small JSON document per settled landing file
ORIGINALS = "originals/"


@dataclass(frozen=True)
class _Candidate:
    source_file: str
    stream: str
    is_gzip: bool
    is_synthetic: bool
    size_bytes: int
    mtime_ns: int
    load_id: str
    is_clean: bool
    lines: int


def card_name(source_file: str) -> str:
    """Name of a settled file's card in a store."""
    return f"{CARDS}{source_file}.json"


def settle_files(
    connection: duckdb.DuckDBPyConnection, stores: Mapping[str, Store], landing: Path | None, synthetic_marker: str
) -> tuple[list[str], dict[str, str]]:
    """Call every landing file archived whose records all lie in verified partitions and whose bytes can be brought back.

    Where records alone do not give the file's text again (rejected lines, damage, an unfinished last line) the file itself is
    copied to the archive and read back. Returns the files settled now, and those that are not, with the reason.
    """
    settled, unsettled = [], {}
    places = {
        key: (stores[state.tier], key.name)
        for key, state in archived_partitions(connection).items()
        if state.status == "verified"
    }
    for file in _candidates(connection):
        parts = [places[key] for key in _partitions_of(connection, file.source_file) if key in places]
        path = landing / file.source_file if landing else None
        try:
            kept_as, content_hash = _keep(file, parts, path, stores["archive"])
        except NotArchivedError as error:
            unsettled[file.source_file] = str(error)
            continue
        _put_card(stores["archive"], file, kept_as, content_hash, synthetic_marker, landing)
        connection.execute(
            "insert or replace into ops.archive_files values (?, ?, 'archived', ?, ?, ?, ?, ?, ?, null)",
            [
                file.source_file,
                file.stream,
                kept_as,
                file.size_bytes,
                file.mtime_ns,
                file.load_id,
                content_hash,
                dt.datetime.now(dt.UTC),
            ],
        )
        settled.append(file.source_file)
    return settled, unsettled


def _candidates(connection: duckdb.DuckDBPyConnection) -> list[_Candidate]:
    """Files whose accepted records all lie in verified partitions, and that are not settled as they are now."""
    rows = connection.execute(
        """
        with archived as (
            select f.source_file, sum(f.row_count) as row_count
            from ops.archive_partition_files as f
            inner join ops.archive_partitions as p using (stream, partition_date, partition_asset)
            where p.status = 'verified'
            group by f.source_file
        )
        select f.source_file, f.stream, f.is_gzip, f.is_synthetic, f.size_bytes, f.mtime_ns, f.load_id,
            f.rejected = 0 and f.bytes_damaged = 0, f.lines
        from raw.files as f
        inner join archived as a on a.source_file = f.source_file and a.row_count = f.accepted
        left join ops.archive_files as s on s.source_file = f.source_file and s.load_id = f.load_id
        where f.stream is not null and f.load_id is not null and s.source_file is null
        order by f.source_file
        """
    ).fetchall()
    return [_Candidate(*row) for row in rows]


def _partitions_of(connection: duckdb.DuckDBPyConnection, source_file: str) -> list[PartitionKey]:
    rows = connection.execute(
        "select stream, partition_date, partition_asset from ops.archive_partition_files where source_file = ? order by all",
        [source_file],
    ).fetchall()
    return [PartitionKey(*row) for row in rows]


def _keep(file: _Candidate, parts: Sequence[tuple[Store, str]], path: Path | None, archive: Store) -> tuple[str, str]:
    """Make sure the file can be brought back: 'records' and the hash of its text, or 'original' and that of its bytes."""
    try:
        stat = path.stat() if path else None
        if stat is None or (stat.st_size, stat.st_mtime_ns) != (file.size_bytes, file.mtime_ns):
            raise NotArchivedError("it changed since it was loaded: load once more, then archive")
        if file.is_clean:
            found = text_hash_of_file(path, is_gzip=file.is_gzip)
            if found is not None and found == archived_text_hash(parts, file.source_file):
                return "records", found
        with writing_to(archive.url):
            staged = archive.staging() / "original"
            try:
                shutil.copyfile(path, staged)
                _, file_hash = put_verified(archive, staged, ORIGINALS + file.source_file)
            finally:
                staged.unlink(missing_ok=True)
        return "original", file_hash
    except FileNotFoundError:
        raise NotArchivedError("it is not in the landing any more, so its copy cannot be compared with it") from None


def archived_text_hash(parts: Sequence[tuple[Store, str]], source_file: str) -> str | None:
    """BLAKE2b-128 of the text that the archived records give; None when they have a gap or no record."""
    digest = hashlib.blake2b(digest_size=16)
    try:
        for _, text in archived_members(parts, source_file):
            digest.update(text)
    except GapError:
        return None
    return digest.hexdigest()


def _put_card(
    archive: Store, file: _Candidate, kept_as: str, content_hash: str, synthetic_marker: str, landing: Path | None
) -> None:
    card = {
        "source_file": file.source_file,
        "stream": file.stream,
        "is_gzip": file.is_gzip,
        "kept_as": kept_as,
        "text_hash" if kept_as == "records" else "file_hash": content_hash,
        "size_bytes": file.size_bytes,
        "line_count": file.lines,
        "synthetic_marker": synthetic_marker if file.is_synthetic else None,
    }
    with writing_to(archive.url):
        staged = archive.staging() / "card"
        staged.write_text(json.dumps(card, indent=1, sort_keys=True) + "\n")
        put_verified(archive, staged, card_name(file.source_file))
        if (
            file.is_synthetic
            and not archive.exists(ORIGINALS + synthetic_marker)
            and landing
            and (landing / synthetic_marker).is_file()
        ):
            shutil.copyfile(landing / synthetic_marker, archive.staging() / "marker")
            put_verified(archive, archive.staging() / "marker", ORIGINALS + synthetic_marker)


def delete_landing_files(
    warehouse: Path,
    warm: str,
    archive: str,
    source_files: Sequence[str],
    *,
    landing: Path | None = None,
    dry_run: bool = False,
    lock_wait_s: float = 30.0,
) -> list[Path]:
    """Delete the landing files named (paths relative to the landing), after reading every copy of them again.

    Nothing is deleted unless all of them are archived whole, unchanged since, and their copies hold what they should; the rows of
    the warehouse stay. Returns the paths. Raises NotArchivedError or SelectionError naming the first file that may not go,
    WarehouseGoneError when there is no warehouse (none is made).
    """
    check_is_there(warehouse)
    stores = {"warm": open_store(warm), "archive": open_store(archive)}
    with open_warehouse(warehouse, load_dictionary(), lock_wait_s=lock_wait_s) as connection:
        prepare_state(connection)
        landing = landing or Path(connection.execute("select value from raw.meta where key = 'landing'").fetchone()[0])
        paths = [_deletable(connection, stores, landing, source_file) for source_file in source_files]
        if not dry_run:
            for source_file, path in zip(source_files, paths, strict=True):
                path.unlink()
                connection.execute(
                    "update ops.archive_files set state = 'deleted', deleted_at = ? where source_file = ?",
                    [dt.datetime.now(dt.UTC), source_file],
                )
    return paths


def _deletable(connection: duckdb.DuckDBPyConnection, stores: Mapping[str, Store], landing: Path, source_file: str) -> Path:
    path = landing / source_file
    row = connection.execute(
        """
        select s.kept_as, s.content_hash, s.size_bytes, s.mtime_ns, s.load_id = f.load_id
        from ops.archive_files as s inner join raw.files as f using (source_file) where source_file = ?
        """,
        [source_file],
    ).fetchone()
    if not path.is_file():
        raise SelectionError(f"{source_file} is not in {landing}: name files as raw.files does; nothing was deleted.")
    if row is None:
        raise NotArchivedError(f"{source_file} is not archived whole: run the archive first; nothing was deleted.")
    kept_as, content_hash, size_bytes, mtime_ns, is_current = row
    stat = path.stat()
    if not is_current or (stat.st_size, stat.st_mtime_ns) != (size_bytes, mtime_ns):
        raise NotArchivedError(f"{source_file} changed since it was archived: load and archive again; nothing was deleted.")
    states = archived_partitions(connection)
    parts = [(stores[states[key].tier], key.name) for key in _partitions_of(connection, source_file)]
    try:
        if not stores["archive"].exists(card_name(source_file)):
            raise NotArchivedError("its card is gone")
        if kept_as == "records":
            is_held = archived_text_hash(parts, source_file) == content_hash
        else:
            with stores["archive"].fetched(ORIGINALS + source_file) as copy:
                is_held = blake2b(copy) == blake2b(path) == content_hash
    except (OSError, duckdb.Error, ExportError) as error:
        raise NotArchivedError(
            f"The copy of {source_file} cannot be read ({error}): archive again; nothing was deleted."
        ) from error
    if not is_held:
        raise NotArchivedError(f"The copy of {source_file} differs from it: archive again; nothing was deleted.")
    return path
