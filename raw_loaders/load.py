"""Loads a landing folder: everything that has landed and is not yet read, file by file."""

import contextlib
import datetime as dt
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
from tqdm import tqdm

from raw_loaders.dictionary import Dictionary, PathFacts, load_dictionary
from raw_loaders.errors import FileChangedError, FilesUnreadableError, LandingError, LinesTooWideError, is_disk_full
from raw_loaders.landing import LandedFile, Listing, list_landing
from raw_loaders.ledger import LedgerEntry, decide_mode, file_row, read_ledger, write_file_row
from raw_loaders.load_file import FileLoad, FileLoader, FileWork
from raw_loaders.warehouse import get_meta, open_warehouse, set_meta

# one transaction takes in at most so much: a load that dies begins again there, and what is not committed is held in memory
BATCH_BYTES = 32_000_000
BATCH_FILES = 64
SCAN = "newest_scan_began_at"  # key of raw.meta


@dataclass
class LoadReport:
    """What one load did. `files_read` has an entry per file that was read, `unchanged` counts those that cost a stat only."""

    load_id: str
    started_at: dt.datetime
    files_read: list[FileLoad] = field(default_factory=list)
    unchanged: int = 0
    missing: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)

    @property
    def bytes_read(self) -> int:
        """Bytes of landed files this load looked at."""
        return sum(file.bytes_read for file in self.files_read)

    def raise_if_unreadable(self) -> None:
        """Raise FilesUnreadableError naming the files that could not be read, when there are any."""
        if self.unreadable:
            first, reason = next(iter(self.unreadable.items()))
            more = f" and {len(self.unreadable) - 1} more" if len(self.unreadable) > 1 else ""
            raise FilesUnreadableError(
                f"{first}{more} could not be read ({reason}): every other file is loaded; "
                "mend the file or its rights and run the same command again."
            )


def load_landing(
    landing: Path,
    warehouse: Path,
    *,
    streams: Sequence[str] | None = None,
    progress: bool = False,
    lock_wait_s: float = 30.0,
    adopt: bool = False,
    reread: bool = False,
) -> LoadReport:
    """Bring the raw tables of `warehouse` in line with the files in `landing`.

    A file is loaded whole or not at all (small ones with their neighbours), so a load that dies anywhere is continued by the
    next. `streams` limits the load to some streams, `adopt` accepts a landing that has moved, `reread` reads all files again.
    Raises LoaderError for every expected fault; files that cannot be read are noted in the report (`raise_if_unreadable`), the
    others are loaded. A folder that cannot be read is noted like a file, and what was loaded from it stays as it is.
    """
    dictionary = load_dictionary()
    _check_streams(streams, dictionary)
    scan_began_at = dt.datetime.now(dt.UTC)
    listing = list_landing(landing, dictionary)
    landed = listing.files
    now = dt.datetime.now(dt.UTC)
    report = LoadReport(f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}", now, unreadable=dict(listing.unreadable))
    with open_warehouse(warehouse, dictionary, lock_wait_s=lock_wait_s) as connection:
        is_synthetic = any(file.source_file == dictionary.synthetic_marker for file in landed)
        _check_landing(connection, landing, warehouse, is_synthetic=is_synthetic, adopt=adopt)
        ledger = read_ledger(connection)
        _note_unreadable(connection, listing, ledger, is_synthetic=is_synthetic)
        _note_other_files(connection, listing, ledger, report, is_synthetic=is_synthetic)
        wanted = [file for file in landed if file.facts.stream and (streams is None or file.facts.stream in streams)]
        todo = [file for file in wanted if reread or decide_mode(file, ledger.get(file.source_file)) != "unchanged"]
        report.unchanged = len(wanted) - len(todo)
        loader = FileLoader(connection, landing, report.load_id, is_synthetic=is_synthetic)
        works = [FileWork(dictionary.streams[file.facts.stream], file, ledger.get(file.source_file)) for file in todo]
        size = sum(work.size for work in works)
        with tqdm(total=size, unit="B", unit_scale=True, desc="load", disable=not progress, leave=False) as bar:
            for batch in _batches(works):
                _load_batch(loader, batch, report, reread=reread, advance=bar.update)
        if streams is None:
            # last of all, and also where nothing was new: each file that lay there by then is in the ledger from now on
            set_meta(connection, SCAN, scan_began_at.isoformat())
    return report


def newest_scan(connection: duckdb.DuckDBPyConnection) -> dt.datetime | None:
    """When the newest load that came to its end began to list the landing, for all streams (UTC); None before any load.

    A file that lay there by then is in raw.files. In a warehouse whose last load was one of an older release, which did not
    note it: when the first file of the newest load was opened.
    """
    noted = get_meta(connection, SCAN)
    if noted is not None:
        return dt.datetime.fromisoformat(noted)
    (started_at,) = connection.execute(
        "select min(started_at) from raw.loads where load_id = (select max(load_id) from raw.loads)"
    ).fetchone()
    return started_at


def _check_streams(streams: Sequence[str] | None, dictionary: Dictionary) -> None:
    unknown = sorted(set(streams or ()) - set(dictionary.streams))
    if unknown:
        raise LandingError(f"No stream is called {unknown[0]}: the streams are {', '.join(dictionary.streams)}.")


def _check_landing(
    connection: duckdb.DuckDBPyConnection, landing: Path, warehouse: Path, *, is_synthetic: bool, adopt: bool
) -> None:
    """One warehouse holds one landing: paths are keys, so a second tree would overwrite the first one's rows."""
    here, held = str(landing.resolve()), get_meta(connection, "landing")
    kind, held_kind = str(is_synthetic).lower(), get_meta(connection, "is_synthetic")
    if held is not None and held_kind != kind:
        was, now = ("synthetic", "real") if held_kind == "true" else ("real", "synthetic")
        raise LandingError(
            f"The warehouse {warehouse} holds {was} data from {held} and {here} is {now}: name another warehouse for it."
        )
    if held is not None and held != here and not adopt:
        raise LandingError(
            f"The warehouse {warehouse} holds the landing {held}, not {here}: name another warehouse, "
            "or, if that folder was moved here, load it once with --adopt."
        )
    if held != here:
        set_meta(connection, "landing", here)
        set_meta(connection, "is_synthetic", kind)


def _note_unreadable(
    connection: duckdb.DuckDBPyConnection, listing: Listing, ledger: dict[str, LedgerEntry], *, is_synthetic: bool
) -> None:
    """List folders that could not be read (their paths end with '/') until they can be; mark files of which not even the size
    is known."""
    connection.execute("begin")
    for path, entry in ledger.items():
        if path.endswith("/") and path not in listing.unreadable:
            connection.execute("delete from raw.files where source_file = ?", [entry.source_file])
    for path, reason in listing.unreadable.items():
        if path in ledger:
            _set_status(connection, path, "unreadable", reason)
        else:
            facts = PathFacts(None, "unreadable", reason)
            write_file_row(
                connection, file_row(LandedFile(path, 0, 0, 0, facts), "unreadable", reason, is_synthetic=is_synthetic)
            )
    connection.execute("commit")


def _note_other_files(
    connection: duckdb.DuckDBPyConnection,
    listing: Listing,
    ledger: dict[str, LedgerEntry],
    report: LoadReport,
    *,
    is_synthetic: bool,
) -> None:
    """List files that are no stream's, and mark those of the ledger that have gone (their rows stay) or come back."""
    connection.execute("begin")
    for file in listing.files:
        entry = ledger.get(file.source_file)
        if file.facts.stream is None and (entry is None or not entry.has_stat_of(file) or entry.status != file.facts.kind):
            write_file_row(connection, file_row(file, file.facts.kind, file.facts.reason, is_synthetic=is_synthetic))
        elif entry is not None and entry.status == "missing" and entry.has_stat_of(file):
            status = "salvaged" if entry.bytes_damaged else "loaded"
            _set_status(connection, file.source_file, status, None)
    present = {file.source_file for file in listing.files}
    for entry in ledger.values():
        if entry.source_file not in present and not entry.source_file.endswith("/") and not listing.hides(entry.source_file):
            report.missing += 1
            if entry.status != "missing":
                _set_status(connection, entry.source_file, "missing", "no longer in the landing; its rows are kept")
    connection.execute("commit")


def _set_status(connection: duckdb.DuckDBPyConnection, source_file: str, status: str, reason: str | None) -> None:
    connection.execute("update raw.files set status = ?, status_reason = ? where source_file = ?", [status, reason, source_file])


def _batches(works: Iterable[FileWork]) -> Iterator[list[FileWork]]:
    """Neighbours that together are small: to commit each of them alone would cost more than to read it."""
    batch: list[FileWork] = []
    for work in works:
        if batch and (len(batch) == BATCH_FILES or sum(each.size for each in batch) + work.size > BATCH_BYTES):
            yield batch
            batch = []
        batch.append(work)
    if batch:
        yield batch


def _load_batch(
    loader: FileLoader, batch: Sequence[FileWork], report: LoadReport, *, reread: bool, advance: Callable[[int], object]
) -> None:
    """Load the files of `batch` together; when one of them has a fault, each on its own, so that the fault is its own."""
    if len(batch) > 1:
        with contextlib.suppress(OSError, FileChangedError, LinesTooWideError, duckdb.Error):
            done = loader.load_together(batch, reread=reread)
            report.files_read += done
            advance(sum(file.bytes_read for file in done))
            return
    for work in batch:
        _load_one(loader, work, report, reread=reread, advance=advance)


def _load_one(loader: FileLoader, work: FileWork, report: LoadReport, *, reread: bool, advance: Callable[[int], object]) -> None:
    try:
        done = loader.load(work, reread=reread)
    except (OSError, FileChangedError, LinesTooWideError) as error:
        if is_disk_full(error):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        report.unreadable[work.landed.source_file] = reason
        if work.entry is None or work.entry.load_id is None:
            row = file_row(work.landed, "unreadable", reason, is_synthetic=loader.is_synthetic)
            write_file_row(loader.connection, row)
        else:
            _set_status(loader.connection, work.landed.source_file, "unreadable", reason)
    else:
        report.files_read.append(done)
        advance(done.bytes_read)
