"""What the warehouse remembers of each landed file, and what follows for the next load."""

import datetime as dt
import hashlib
from dataclasses import dataclass

import duckdb

from raw_loaders.blocks import FileWindow
from raw_loaders.landing import LandedFile
from raw_loaders.lines import ResumePoint

PREFIX_WINDOW = 256 << 10


@dataclass(slots=True, frozen=True)
class LedgerEntry:
    """The row of raw.files for one file, as far as the loader needs it."""

    source_file: str
    stream: str | None
    status: str
    status_reason: str | None
    size_bytes: int
    bytes_damaged: int
    min_lost_records: int
    accepted: int
    rejected: int
    load_id: str | None
    mtime_ns: int
    inode: int
    resume: ResumePoint
    tail_accepted: int
    tail_rejected: int
    prefix_hash: str

    def has_stat_of(self, landed: LandedFile) -> bool:
        """True when size, modification time and inode are as they were at the last load."""
        return (self.size_bytes, self.mtime_ns, self.inode) == (landed.size, landed.mtime_ns, landed.inode)

    @property
    def has_tail(self) -> bool:
        """True when something was read behind the resume point (it must be read again when the file grows)."""
        return self.size_bytes > self.resume.file_offset


def read_ledger(connection: duckdb.DuckDBPyConnection) -> dict[str, LedgerEntry]:
    """All rows of raw.files by source_file."""
    rows = connection.execute(
        """
        select source_file, stream, status, status_reason, size_bytes, bytes_damaged, min_lost_records, accepted, rejected,
            load_id, mtime_ns, inode, resume_offset, resume_line_no, resume_text_offset, resume_member_no, tail_accepted,
            tail_rejected, prefix_hash
        from raw.files
        """
    ).fetchall()
    return {row[0]: LedgerEntry(*row[:12], ResumePoint(*row[12:16]), *row[16:]) for row in rows}


def decide_mode(landed: LandedFile, entry: LedgerEntry | None) -> str:
    """'unchanged', 'new', 'maybe_grown' or 'rewritten', from the stat alone; 'maybe_grown' until the prefix is compared."""
    if entry is None or entry.load_id is None:
        return "new"
    if entry.status == "unreadable":
        return "rewritten"
    if entry.has_stat_of(landed):
        return "unchanged"
    # an append-only file of the same size with another time stamp is no append: read it again
    return "maybe_grown" if landed.size > entry.size_bytes else "rewritten"


def prefix_hash(window: FileWindow, resume_offset: int) -> str:
    """BLAKE2b over the first and the last 256 KiB of the bytes before `resume_offset` (all of them when there are fewer)."""
    digest = hashlib.blake2b(digest_size=16)
    head = min(PREFIX_WINDOW, resume_offset)
    digest.update(window.read(0, head))
    tail = max(head, resume_offset - PREFIX_WINDOW)
    digest.update(window.read(tail, resume_offset - tail))
    return digest.hexdigest()


@dataclass(slots=True, frozen=True)
class FileTotals:
    """What one load found in a file between `start` and its end: `line_count` lines up to there, of which it read
    `accepted` + `rejected`; reading can go on at `resume`."""

    start: ResumePoint
    resume: ResumePoint
    line_count: int
    accepted: int
    rejected: int
    mode: str
    started_at: dt.datetime


def _note_removal(connection: duckdb.DuckDBPyConnection, entry: LedgerEntry, load_id: str, *, after_line: int) -> None:
    connection.execute(
        f"""
        insert into raw.removed_rows
        select distinct $load_id, $stream, $file, date_trunc('hour', emitted_at), bar_open_at
        from raw."{entry.stream}" where source_file = $file and line_no > $after_line
        """,
        {"load_id": load_id, "stream": entry.stream, "file": entry.source_file, "after_line": after_line},
    )


def forget_file(connection: duckdb.DuckDBPyConnection, entry: LedgerEntry, load_id: str) -> None:
    """Remove every row that came from a file, because the file was rewritten and load `load_id` reads it anew."""
    _note_removal(connection, entry, load_id, after_line=0)
    for table in ("rejected_lines", "damaged_ranges", "unknown_keys", entry.stream):
        connection.execute(f'delete from raw."{table}" where source_file = ?', [entry.source_file])
    connection.execute(
        "update raw.loads set lines = 0, accepted = 0, rejected = 0, status = 'superseded' where source_file = ?",
        [entry.source_file],
    )


def forget_tail(connection: duckdb.DuckDBPyConnection, entry: LedgerEntry, load_id: str) -> None:
    """Take back what the last load read behind its resume point, because `load_id` reads it again: an unfinished line or
    member that may be whole by now."""
    file, resume = entry.source_file, entry.resume
    if entry.tail_accepted:
        _note_removal(connection, entry, load_id, after_line=resume.line_no)
    for table, count in ((entry.stream, entry.tail_accepted), ("rejected_lines", entry.tail_rejected)):
        if count:
            connection.execute(f'delete from raw."{table}" where source_file = ? and line_no > ?', [file, resume.line_no])
    connection.execute("delete from raw.damaged_ranges where source_file = ? and byte_start >= ?", [file, resume.file_offset])
    connection.execute(
        """
        update raw.loads set lines = lines - $a - $r, accepted = accepted - $a, rejected = rejected - $r
        where load_id = $load_id and source_file = $file
        """,
        {"a": entry.tail_accepted, "r": entry.tail_rejected, "load_id": entry.load_id, "file": file},
    )


def write_totals(
    connection: duckdb.DuckDBPyConnection,
    stream: str,
    landed: LandedFile,
    kept: LedgerEntry | None,
    totals: FileTotals,
    window: FileWindow,
    load_id: str,
    *,
    is_new: bool,
    is_synthetic: bool,
) -> tuple[int, str]:
    """Write the row of raw.files and, last of all, the load record. `kept` is the earlier entry when the file only grew;
    a file `is_new` when there is no entry of it at all.

    Returns the file's damaged bytes and its status.
    """
    file, resume = landed.source_file, totals.resume
    tail_accepted, tail_rejected = _count_tail(connection, stream, file, totals)
    accepted = totals.accepted + (kept.accepted - kept.tail_accepted if kept else 0)
    rejected = totals.rejected + (kept.rejected - kept.tail_rejected if kept else 0)
    damaged, lost = connection.execute(
        """
        select coalesce(sum(byte_end - byte_start), 0)::bigint, coalesce(sum(min_lost_records), 0)::bigint
        from raw.damaged_ranges where source_file = ?
        """,
        [file],
    ).fetchone()
    status = "salvaged" if damaged else "loaded"
    facts, now = landed.facts, dt.datetime.now(dt.UTC)
    members = resume.member_no + (1 if facts.is_gzip and resume.file_offset < landed.size else 0)
    write_file_row(
        connection,
        {
            **file_row(landed, status, None, is_synthetic=is_synthetic),
            "bytes_read": landed.size - damaged,
            "bytes_damaged": damaged,
            "min_lost_records": lost,
            "members": members,
            "lines": accepted + rejected,
            "accepted": accepted,
            "rejected": rejected,
            "loaded_at": now,
            "load_id": load_id,
            "resume_offset": resume.file_offset,
            "resume_line_no": resume.line_no,
            "resume_text_offset": resume.text_offset,
            "resume_member_no": resume.member_no,
            "tail_accepted": tail_accepted,
            "tail_rejected": tail_rejected,
            "prefix_hash": prefix_hash(window, resume.file_offset),
        },
        is_new=is_new,
    )
    read = totals.accepted + totals.rejected
    looked_at = landed.size - totals.start.file_offset
    counts = [looked_at, read, totals.accepted, totals.rejected, status]
    connection.execute(
        "insert into raw.loads values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [load_id, file, stream, totals.mode, totals.started_at, now, *counts],
    )
    return damaged, status


def _count_tail(connection: duckdb.DuckDBPyConnection, stream: str, source_file: str, totals: FileTotals) -> tuple[int, int]:
    if totals.line_count == totals.resume.line_no:
        return 0, 0
    after = [source_file, totals.resume.line_no]
    count = 'select count(*) from raw."{}" where source_file = ? and line_no > ?'
    accepted = connection.execute(count.format(stream), after).fetchone()[0]
    rejected = connection.execute(count.format("rejected_lines"), after).fetchone()[0]
    return accepted, rejected


def file_row(landed: LandedFile, status: str, reason: str | None, *, is_synthetic: bool) -> dict[str, object]:
    """The row of raw.files for a file nothing was read from (yet)."""
    facts = landed.facts
    counts = ("bytes_read", "bytes_damaged", "min_lost_records", "members", "lines", "accepted", "rejected")
    resume = (
        "resume_offset",
        "resume_line_no",
        "resume_text_offset",
        "resume_member_no",
        "tail_accepted",
        "tail_rejected",
    )
    return {
        "source_file": landed.source_file,
        "stream": facts.stream,
        "status": status,
        "status_reason": reason,
        "path_bot": facts.path_bot,
        "path_owner": facts.path_owner,
        "partition_date": facts.partition_date,
        "partition_hour": facts.partition_hour,
        "partition_asset": facts.partition_asset,
        "is_gzip": facts.is_gzip,
        "is_synthetic": is_synthetic,
        "size_bytes": landed.size,
        "mtime_ns": landed.mtime_ns,
        "inode": landed.inode,
        "loaded_at": None,
        "load_id": None,
        "prefix_hash": "",
        **dict.fromkeys((*counts, *resume), 0),
    }


def write_file_row(connection: duckdb.DuckDBPyConnection, row: dict[str, object], *, is_new: bool = False) -> None:
    """Insert or replace one row of raw.files. Where it `is_new` there is none to replace, which takes a tenth of the time."""
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    verb = "insert" if is_new else "insert or replace"
    connection.execute(f"{verb} into raw.files ({names}) values ({marks})", list(row.values()))
