"""Copies a DuckDB file onto an older copy of it by writing only the blocks that differ.

A DuckDB file is three headers of 4096 bytes and then blocks of one size (256 KiB), each of which begins with the checksum of
its content and is always written whole. Blocks with the same checksum are the same; so eight bytes of each block tell what has
to be copied, and a copy costs what was changed since the older one, not the size of the file.
"""

import fcntl
import itertools
import os
import signal
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HEADERS = 3 * 4096
_CHECKSUM = 8
_MAIN_HEADER = 4096
_PIECE = 64 << 20
_READERS = 8
_STRETCH = 64  # blocks


def copy_file(source: Path, target: Path) -> int:
    """Copy the whole file. Returns the bytes written."""
    with source.open("rb") as read, target.open("wb") as write:
        size = os.fstat(read.fileno()).st_size
        _copy_range(read.fileno(), write.fileno(), 0, size)
    return size


def copy_changed_blocks(source: Path, target: Path, block_size: int) -> int | None:
    """Make `target`, an older copy of the DuckDB file `source`, equal to it. Returns the bytes written.

    Returns None, and leaves the content of `target` as it is, when it is no copy of the same file format, and when it is not
    certain that nobody else has it open or can open it: under this name, under another, in this process or in any.
    """
    try:
        target.chmod(stat.S_IMODE(target.stat().st_mode) | stat.S_IWUSR)
        opened = target.open("r+b")
    except PermissionError:
        return None  # somebody else published it
    with source.open("rb") as read, opened as write:
        if not _is_ours_alone(write.fileno()):
            return None
        size = os.fstat(read.fileno()).st_size
        main_header = os.pread(read.fileno(), _MAIN_HEADER, 0)
        if (size - HEADERS) % block_size or os.pread(write.fileno(), _MAIN_HEADER, 0) != main_header:
            return None
        written = 0
        _read_ahead(read.fileno(), write.fileno(), wanted=False)
        ranges = _changed(read.fileno(), write.fileno(), size, block_size)
        _read_ahead(read.fileno(), write.fileno(), wanted=True)
        for start, end in ranges:
            _copy_range(read.fileno(), write.fileno(), start, end)
            written += end - start
        os.ftruncate(write.fileno(), size)
    return written


def _is_ours_alone(descriptor: int) -> bool:
    """Whether the open file has one name and no other open descriptor on this machine. It stays so until it is closed.

    DuckDB's own locks do not tell: a process loses them when it closes any other descriptor of the same file. A lease of Linux is
    granted only when nobody else has the file open, whoever that is and however; who opens it later waits until it is given back.
    Where there are no leases (other systems, most network file systems, files of other people) the answer is no.
    """
    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    try:
        # tells us that somebody waits; the usual signal (SIGIO) would end this process
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    except OSError:
        return False
    return os.fstat(descriptor).st_nlink == 1


def _read_ahead(*descriptors: int, wanted: bool) -> None:
    """Tell the system whether to read on behind what is asked for; for eight bytes of each block it would read all of them."""
    if hasattr(os, "posix_fadvise"):
        for descriptor in descriptors:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_NORMAL if wanted else os.POSIX_FADV_RANDOM)


def _changed(source: int, target: int, size: int, block_size: int) -> list[tuple[int, int]]:
    """Byte ranges in which the files differ, neighbouring blocks as one; the headers always."""

    def differing(starts: range) -> list[int]:
        return [start for start in starts if os.pread(source, _CHECKSUM, start) != os.pread(target, _CHECKSUM, start)]

    starts = range(HEADERS, size, block_size)
    # each look waits for the disk, so several look at once
    with ThreadPoolExecutor(_READERS) as readers:
        found = readers.map(differing, (starts[at : at + _STRETCH] for at in range(0, len(starts), _STRETCH)))
    ranges = [(0, HEADERS)]
    for start in itertools.chain.from_iterable(found):
        if ranges[-1][1] == start:
            ranges[-1] = (ranges[-1][0], start + block_size)
        else:
            ranges.append((start, start + block_size))
    return ranges


def _copy_range(source: int, target: int, start: int, end: int) -> None:
    """Copy bytes within the kernel where it can: some file systems then share them instead of writing them twice."""
    while start < end:
        count = min(end - start, _PIECE)
        try:
            done = os.copy_file_range(source, target, count, start, start)
        except (OSError, AttributeError):
            done = os.pwrite(target, os.pread(source, count, start), start)
        if not done:
            raise OSError(f"The file became shorter while it was copied, at byte {start}")
        start += done
