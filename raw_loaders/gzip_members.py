"""One gzip member (RFC 1952): its header, its text piece by piece, and how it ended."""

from collections.abc import Iterator
from dataclasses import dataclass

from zlib_ng import zlib_ng

from raw_loaders.blocks import FileWindow

MAGIC = b"\x1f\x8b\x08"
STEP = 32 << 10
FIRST_STEP = 4 << 10
MAX_PIECE = 4 << 20
MAX_HEADER = 64 << 10
TRIAL_STEP = 16 << 10
_FHCRC, _FEXTRA, _FNAME, _FCOMMENT, _RESERVED = 2, 4, 8, 16, 0xE0


@dataclass(slots=True)
class InflateResult:
    """How a member ended: 'ok', 'crc_mismatch', 'truncated' or 'corrupt'; `end` is the offset behind it, `newlines` its lines."""

    status: str = ""
    end: int = 0
    newlines: int = 0


def parse_header(window: FileWindow, offset: int) -> int:
    """Length in bytes of the member header at `offset`; 0 when there is none or it is cut off."""
    head = window.read(offset, 10)
    if len(head) < 10 or not head.startswith(MAGIC) or head[3] & _RESERVED:
        return 0
    flags = head[3]
    if not flags:
        return 10
    data = window.read(offset, MAX_HEADER)
    length = 10
    if flags & _FEXTRA:
        length += 2 + int.from_bytes(data[length : length + 2], "little")
    for flag in (_FNAME, _FCOMMENT):
        if flags & flag:
            length = data.find(b"\0", length) + 1
            if length == 0:
                return 0
    if flags & _FHCRC:
        length += 2
    return length if length <= len(data) else 0


def inflate_member(window: FileWindow, offset: int, result: InflateResult) -> Iterator[bytes]:
    """Yield the text of the member whose deflate data begin at `offset`, in pieces of bounded size; fill `result` at the end.

    On broken deflate data everything decoded before the break is yielded.
    """
    inflater = zlib_ng.decompressobj(-15)
    crc = length = 0
    step = FIRST_STEP
    while not inflater.eof:
        data = window.read(offset, step)
        if not data:
            result.status, result.end = "truncated", window.end
            return
        offset += len(data)
        step = STEP
        while data and not inflater.eof:
            before = inflater.copy()
            try:
                piece, is_broken = inflater.decompress(data, MAX_PIECE), False
            except zlib_ng.error:
                piece, is_broken = _decode_up_to_break(before, data), True
            data = inflater.unconsumed_tail
            if piece:
                crc = zlib_ng.crc32(piece, crc)
                length += len(piece)
                result.newlines += piece.count(b"\n")
                yield piece
            if is_broken:
                result.status = "corrupt"
                return
    offset -= len(inflater.unused_data)
    trailer = window.read(offset, 8)
    if len(trailer) < 8:
        result.status, result.end = "truncated", window.end
        return
    is_intact = trailer == crc.to_bytes(4, "little") + (length & 0xFFFFFFFF).to_bytes(4, "little")
    result.status, result.end = "ok" if is_intact else "crc_mismatch", offset + 8


def _decode_up_to_break(inflater: object, data: bytes) -> bytes:
    """Everything that `data` decodes to before it turns invalid (a failing call returns nothing, so feed bytes singly)."""
    pieces = []
    try:
        for index in range(len(data)):
            pieces.append(inflater.decompress(data[index : index + 1]))
    except zlib_ng.error:
        pass
    return b"".join(pieces)


def is_member_at(window: FileWindow, offset: int) -> bool:
    """True when a member really begins at `offset`: its data decode to the end, or for as long as a chance match could not."""
    header = parse_header(window, offset)
    if not header:
        return False
    inflater = zlib_ng.decompressobj(-15)
    data = window.read(offset + header, TRIAL_STEP)
    try:
        text = inflater.decompress(data, MAX_PIECE)
    except zlib_ng.error:
        return False
    if not inflater.eof:
        return bool(text)
    return inflater.unused_data[:4] == zlib_ng.crc32(text).to_bytes(4, "little")
