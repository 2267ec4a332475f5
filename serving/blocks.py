"""Copies a DuckDB file onto an older copy of it by writing only the blocks that differ.

A DuckDB file is three headers of 4096 bytes and then blocks of one size (256 KiB), each of which begins with the checksum of
its content and is always written whole. Blocks with the same checksum are the same; so eight bytes of each block tell what has
to be copied, and a copy costs what was changed since the older one, not the size of the file.
"""

import fcntl
import itertools
import os
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

    Returns None, and leaves `target` as it is, when it is no copy of the same file format or when somebody still has it open:
    under this name, under another, or in this process. DuckDB's readers lock the files they read, which is how we know.
    """
    with source.open("rb") as read, target.open("r+b") as write:
        if _is_in_use(write.fileno()):
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


def _is_in_use(descriptor: int) -> bool:
    """Whether the open file has another name, or another process or this one reads it. Locks it, when it is free."""
    held = os.fstat(descriptor)
    if held.st_nlink > 1:
        return True
    # a lock of our own process would not stop us
    for entry in Path("/dev/fd").iterdir():
        try:
            other = os.fstat(int(entry.name))
        except OSError:
            continue  # the descriptor that listed the folder
        if int(entry.name) != descriptor and os.path.samestat(other, held):
            return True
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


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
