"""Loads landed files, each within one transaction: its rows, rejects, damages and ledger entries, the load record last."""

import contextlib
import datetime as dt
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pyarrow as pa

from raw_loaders.blocks import FileWindow
from raw_loaders.damage import Verdicts, judge_damages
from raw_loaders.dictionary import Stream
from raw_loaders.drift import note_unknown_keys
from raw_loaders.errors import FileChangedError, LinesTooWideError
from raw_loaders.landing import LandedFile
from raw_loaders.ledger import FileTotals, LedgerEntry, decide_mode, forget_file, forget_tail, prefix_hash, write_totals
from raw_loaders.line_stream import LineStream
from raw_loaders.lines import LineSplitter, ResumePoint
from raw_loaders.record_sql import accepted_sql, rejected_sql
from raw_loaders.warehouse import MEMORY_LIMIT


@dataclass(slots=True, frozen=True)
class FileLoad:
    """What one load did with one file: `lines` = `accepted` + `rejected` it read, `bytes_read` it looked at."""

    source_file: str
    stream: str
    mode: str
    lines: int
    accepted: int
    rejected: int
    bytes_read: int
    bytes_damaged: int
    status: str


@dataclass(slots=True, frozen=True)
class FileWork:
    """A file to load: what landed, and what the ledger knows of it."""

    stream: Stream
    landed: LandedFile
    entry: LedgerEntry | None

    @property
    def size(self) -> int:
        """Bytes to look at: of a file that may have grown those behind the place where the last load ended."""
        is_grown = decide_mode(self.landed, self.entry) == "maybe_grown"
        return self.landed.size - (self.entry.resume.file_offset if is_grown else 0)


class FileLoader:
    """Loads files of one landing into one open warehouse under one load id."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, landing: Path, load_id: str, *, is_synthetic: bool) -> None:
        self.connection = connection
        self.landing = landing
        self.load_id = load_id
        self.is_synthetic = is_synthetic

    def load(self, work: FileWork, *, reread: bool) -> FileLoad:
        """Bring the rows of one file in line with its bytes.

        Raises OSError when the file cannot be read, FileChangedError when it was cut meanwhile, LinesTooWideError when memory
        does not suffice: nothing is changed then.
        """
        try:
            return self.load_together([work], reread=reread)[0]
        except duckdb.OutOfMemoryException:
            return self._load_with_more_memory(work, reread=reread)

    def load_together(self, works: Sequence[FileWork], *, reread: bool) -> list[FileLoad]:
        """The same for several files, all of them or none.

        Raises what load() raises, or duckdb.OutOfMemoryException, for any of them.
        """
        self.connection.execute("begin")
        try:
            results = [self._read(work, reread=reread) for work in works]
            self.connection.execute("commit")
        except BaseException:
            with contextlib.suppress(duckdb.Error):  # a commit that failed has rolled back already
                self.connection.execute("rollback")
            raise
        return results

    def _load_with_more_memory(self, work: FileWork, *, reread: bool) -> FileLoad:
        """DuckDB keeps a row group of lines in memory; where lines are tens of kilobytes long, our usual limit is too small."""
        # RESET would change what the setting says and not what is enforced (DuckDB 1.5), so set what a new database takes
        with duckdb.connect() as other:
            limit = other.execute("select current_setting('memory_limit')").fetchone()[0]
        self.connection.execute(f"set memory_limit = '{limit}'")
        try:
            return self.load_together([work], reread=reread)[0]
        except duckdb.OutOfMemoryException as error:
            raise LinesTooWideError(
                "its lines are too long for the memory of this machine: split the file or use a larger machine"
            ) from error
        finally:
            self.connection.execute(f"set memory_limit = '{MEMORY_LIMIT}'")

    def _read(self, work: FileWork, *, reread: bool) -> FileLoad:
        started_at = dt.datetime.now(dt.UTC)
        descriptor = os.open(self.landing / work.landed.source_file, os.O_RDONLY)
        try:
            # the end is fixed here: what other processes append from now on belongs to the next load
            stat = os.fstat(descriptor)
            landed = replace(work.landed, size=stat.st_size, mtime_ns=stat.st_mtime_ns, inode=stat.st_ino)
            window = FileWindow(descriptor, landed.size, landed.source_file)
            mode = _mode(landed, work.entry, window, reread=reread)
            return self._load_in_transaction(work.stream, landed, work.entry, mode, window, started_at)
        finally:
            os.close(descriptor)

    def _load_in_transaction(
        self,
        stream: Stream,
        landed: LandedFile,
        entry: LedgerEntry | None,
        mode: str,
        window: FileWindow,
        started_at: dt.datetime,
    ) -> FileLoad:
        kept = entry if mode == "grown" else None
        start = kept.resume if kept else ResumePoint()
        if mode == "rewritten":
            forget_file(self.connection, entry, self.load_id)
        elif kept and kept.has_tail:
            forget_tail(self.connection, kept, self.load_id)
        splitter, accepted = self._insert_accepted(stream, landed, window, start)
        verdicts = judge_damages(self.connection, stream.name, landed.source_file, splitter.damaged)
        accepted -= verdicts.taken_back
        rejected = splitter.line_count - start.line_no - accepted
        if rejected:
            self._insert_rejected(stream, landed, window, start, splitter, verdicts, rejected)
        self._insert_damages(stream, landed, verdicts)
        is_tail_replaced = kept is not None and kept.has_tail
        note_unknown_keys(
            self.connection,
            stream,
            landed.source_file,
            self.load_id,
            after_line=start.line_no,
            recount=is_tail_replaced,
        )
        totals = FileTotals(start, splitter.resume, splitter.line_count, accepted, rejected, mode, started_at)
        bytes_damaged, status = write_totals(
            self.connection,
            stream.name,
            landed,
            kept,
            totals,
            window,
            self.load_id,
            is_new=entry is None,
            is_synthetic=self.is_synthetic,
        )
        looked_at = landed.size - start.file_offset
        return FileLoad(
            landed.source_file,
            stream.name,
            mode,
            accepted + rejected,
            accepted,
            rejected,
            looked_at,
            bytes_damaged,
            status,
        )

    def _insert_accepted(
        self, stream: Stream, landed: LandedFile, window: FileWindow, start: ResumePoint
    ) -> tuple[LineSplitter, int]:
        lines = LineStream(window, start, is_gzip=landed.facts.is_gzip)
        parameters = {"source_file": landed.source_file, "load_id": self.load_id}
        return lines.splitter, self._insert_from(lines, lines.clean_lines(), accepted_sql(stream), parameters)

    def _insert_rejected(
        self,
        stream: Stream,
        landed: LandedFile,
        window: FileWindow,
        start: ResumePoint,
        first_pass: LineSplitter,
        verdicts: Verdicts,
        expected: int,
    ) -> None:
        """Read the same bytes a second time, for the lines that were not accepted (rare, so the first pass stays simple)."""
        lines = LineStream(window, start, is_gzip=landed.facts.is_gzip, refused=verdicts.refused)
        parameters = {
            "source_file": landed.source_file,
            "load_id": self.load_id,
            "unterminated": first_pass.unterminated_line_no,
        }
        inserted = self._insert_from(lines, lines.all_lines(), rejected_sql(stream), parameters)
        if inserted != expected or lines.splitter.damaged != first_pass.damaged:
            raise FileChangedError(
                f"{landed.source_file} was rewritten while it was read: it is left as it was and read anew by the next load."
            )

    def _insert_from(self, lines: LineStream, reader: pa.RecordBatchReader, sql: str, parameters: dict[str, object]) -> int:
        """Run an insert that selects from the Arrow stream `reader`, known to it as `lines`. Returns the rows inserted."""
        self.connection.register("lines", reader)
        try:
            return self.connection.execute(sql, parameters).fetchone()[0]
        except duckdb.Error as error:
            # what failed in our reader arrives here wrapped; people want the file's own fault
            raise lines.fault or error from error
        finally:
            self.connection.unregister("lines")
            lines.close()

    def _insert_damages(self, stream: Stream, landed: LandedFile, verdicts: Verdicts) -> None:
        for d in verdicts.damages:
            row = [landed.source_file, stream.name, d.byte_start, d.byte_end, d.reason, d.min_lost_records, d.member_no]
            self.connection.execute("insert into raw.damaged_ranges values (?, ?, ?, ?, ?, ?, ?, ?)", [*row, self.load_id])


def _mode(landed: LandedFile, entry: LedgerEntry | None, window: FileWindow, *, reread: bool) -> str:
    mode = decide_mode(landed, entry)
    if mode == "new":
        return mode
    if mode == "maybe_grown" and not reread:
        return "grown" if prefix_hash(window, entry.resume.file_offset) == entry.prefix_hash else "rewritten"
    return "rewritten"
