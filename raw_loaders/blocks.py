"""What a file reader hands on: blocks of text, and the damage found between them."""

import os
from dataclasses import dataclass, field

import numpy as np

from raw_loaders.errors import FileChangedError


@dataclass(slots=True)
class Block:
    """A run of decoded text and where it came from.

    `member_starts` (offsets into `text`) and `member_offsets` (offsets into the file) describe the gzip members the text
    begins in: one entry per member, the first at text offset 0. Plain files have one member, number 0 at offset 0.
    `safe_end` is the file offset behind this block when reading may resume there with a clean state, else None.
    """

    text: bytes
    first_member_no: int
    member_starts: np.ndarray
    member_offsets: np.ndarray
    safe_end: int | None = None
    next_member_no: int = 0


@dataclass(slots=True, frozen=True)
class Damage:
    """Bytes [byte_start, byte_end) of the file that are no part of any whole record, and how many records are lost at least.

    `drops_fragment` says that an unfinished line before this point belongs to the damage itself.
    """

    byte_start: int
    byte_end: int
    reason: str
    min_lost_records: int
    member_no: int
    drops_fragment: bool


@dataclass(slots=True)
class FileWindow:
    """Random access to the first `end` bytes of an open file, whatever other processes append meanwhile."""

    descriptor: int
    end: int
    name: str
    _cache: tuple[int, bytes] = field(default=(0, b""))

    def read(self, offset: int, size: int) -> bytes:
        """Bytes [offset, offset + size), fewer only at the end. Raises FileChangedError when the file has become shorter."""
        size = min(size, self.end - offset)
        if size <= 0:
            return b""
        cached_at, cached = self._cache
        if cached_at <= offset and offset + size <= cached_at + len(cached):
            return cached[offset - cached_at : offset - cached_at + size]
        data = os.pread(self.descriptor, size, offset)
        while len(data) < size:
            more = os.pread(self.descriptor, size - len(data), offset + len(data))
            if not more:
                raise FileChangedError(
                    f"{self.name} became shorter while it was read: it is left as it was and read anew by the next load."
                )
            data += more
        self._cache = (offset, data)
        return data


def single_member(text: bytes, member_no: int, member_offset: int) -> Block:
    """A block whose text lies in one member."""
    return Block(text, member_no, np.zeros(1, np.int64), np.array([member_offset], np.int64))
