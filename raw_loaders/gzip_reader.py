"""Reads gzip files of any number of members, whole or damaged, in one pass.

The bot writes one member per record, and several processes append to the same file without a lock, so stray bytes, overwritten
members and half-written tails are normal. Chunks of whole members are decoded at once in C; only where that fails is the
file read member by member, and the damaged bytes are named exactly.
"""

from collections.abc import Iterator

import numpy as np
from zlib_ng import gzip_ng, zlib_ng

from raw_loaders.blocks import Block, Damage, FileWindow, single_member
from raw_loaders.gzip_members import MAGIC, InflateResult, inflate_member, is_member_at, parse_header

CHUNK = 4 << 20
MIN_MEMBERS_FOR_BATCH = 4
MAX_BATCH_TEXT = 32 << 20
_TRAILER = 8


class GzipReader:
    """Yields the blocks and damages of one gzip file from a member boundary to the end of its window."""

    def __init__(self, window: FileWindow) -> None:
        self.window = window

    def events(self, offset: int, member_no: int) -> Iterator[Block | Damage]:
        """Read from the member boundary `offset`; `member_no` is the number of the member that begins there."""
        end = self.window.end
        while offset < end:
            chunk = self.window.read(offset, CHUNK)
            candidates = _header_candidates(chunk)
            is_last = offset + len(chunk) == end
            block = None
            for starts in (_of_same_writer(chunk, candidates), candidates):
                cut = len(chunk) if is_last else int(starts[-1]) if len(starts) else 0
                if len(starts) >= MIN_MEMBERS_FOR_BATCH and starts[0] == 0:
                    block = _decode_batch(chunk, starts if is_last else starts[:-1], cut, offset, member_no)
                if block is not None or len(starts) == len(candidates):
                    break
            if block is not None:
                yield block
                offset, member_no = block.safe_end, block.next_member_no
                continue
            stop = offset + max(cut, 1)
            while offset < stop:
                offset, member_no = yield from self._one_step(offset, member_no)

    def _one_step(self, offset: int, member_no: int) -> Iterator[Block | Damage]:
        """Read one member, or pass over the damage at `offset`. Returns the next offset and member number."""
        header = parse_header(self.window, offset)
        if not header:
            return (yield from self._pass_over_gap(offset, member_no))
        result = InflateResult()
        held: bytes | None = None  # hold one piece back, so that the last one can carry the resume point
        for piece in inflate_member(self.window, offset + header, result):
            if held is not None:
                yield single_member(held, member_no, offset)
            held = piece
        last = single_member(held or b"", member_no, offset)
        if result.status == "ok":
            last.safe_end, last.next_member_no = result.end, member_no + 1
            yield last
            return result.end, member_no + 1
        yield last
        # broken data may decode on into the members behind: the next one that is whole shows where this one ends at the latest
        after, passed = self._resync(offset + 1)
        if result.status == "crc_mismatch":
            after = min(after, result.end)
            yield Damage(offset, after, "crc_mismatch", max(1, result.newlines), member_no, drops_fragment=True)
        elif result.status == "truncated" and after == self.window.end:
            yield Damage(offset, after, "truncated_member", 1, member_no, drops_fragment=True)
        else:
            yield Damage(offset, after, "corrupt_member", 1 + passed, member_no, drops_fragment=True)
        return after, member_no + 1

    def _pass_over_gap(self, offset: int, member_no: int) -> Iterator[Damage]:
        after, lost = self._resync(offset + 1)
        head = self.window.read(offset, min(after - offset, CHUNK))
        if offset == 0 and after == self.window.end and not MAGIC.startswith(head[:3]):
            reason, lost = "not_gzip", 1 + lost
        elif after == self.window.end and (MAGIC.startswith(head[:3]) or head.startswith(MAGIC)):
            reason, lost = "truncated_member", 1
        elif not head.strip(b"\0") and _TRAILER <= after - offset <= CHUNK:
            # a hole in the file; fewer zero bytes are the end of an overwritten member, whose last bytes are zeros
            reason, lost = "zero_padding", 0
        else:
            reason, lost = "stray_bytes", 1 + lost
        yield Damage(offset, after, reason, lost, member_no, drops_fragment=False)
        return after, member_no

    def _resync(self, offset: int) -> tuple[int, int]:
        """Find the next offset at which a member really begins, and how many broken headers were passed on the way."""
        passed = 0
        while offset < self.window.end:
            chunk = self.window.read(offset, CHUNK)
            found = chunk.find(MAGIC)
            while found >= 0:
                if is_member_at(self.window, offset + found):
                    return offset + found, passed
                passed += 1
                found = chunk.find(MAGIC, found + 1)
            if offset + len(chunk) >= self.window.end:
                break
            offset += len(chunk) - (len(MAGIC) - 1)
        return self.window.end, passed


def _header_candidates(chunk: bytes) -> np.ndarray:
    """Offsets in `chunk` of the three bytes every gzip member begins with (compressed data may hold them by chance)."""
    data = np.frombuffer(chunk, np.uint8)
    found = np.flatnonzero(data[:-2] == MAGIC[0]) if len(data) > 2 else np.zeros(0, np.int64)
    found = found[data[found + 1] == MAGIC[1]]
    return found[data[found + 2] == MAGIC[2]]


def _of_same_writer(chunk: bytes, candidates: np.ndarray) -> np.ndarray:
    """The candidates whose flags, compression level and system byte equal the first one's: leaves hardly a chance match."""
    data = np.frombuffer(chunk, np.uint8)
    inside = candidates[candidates + 9 < len(data)]
    if not len(inside):
        return inside
    first = inside[0]
    for byte in (3, 8, 9):
        inside = inside[data[inside + byte] == data[first + byte]]
    return inside


def _decode_batch(chunk: bytes, starts: np.ndarray, cut: int, offset: int, member_no: int) -> Block | None:
    """Decode chunk[:cut] as whole members beginning at `starts`; None when anything at all does not fit exactly.

    Each member ends with its text's length. When these lengths add up to the decoded length and each member's checksum
    held, no candidate was a chance match and no byte lies between members.
    """
    ends = np.append(starts[1:], cut)
    if cut - int(starts[-1]) < _TRAILER:
        return None
    data = np.frombuffer(chunk, np.uint8)
    lengths = sum(data[ends - 4 + i].astype(np.int64) << (8 * i) for i in range(4))
    total = int(lengths.sum())
    if total > MAX_BATCH_TEXT:
        return None
    try:
        text = gzip_ng.decompress(chunk if cut == len(chunk) else chunk[:cut])
    except (OSError, EOFError, zlib_ng.error):
        return None
    if len(text) != total:
        return None
    member_starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths[:-1])))
    return Block(text, member_no, member_starts, starts + offset, offset + cut, member_no + len(starts))
