"""Writes gzip text as the bot does: one member per record, or (for benchmarks) one member per file. No clock in it."""

from collections.abc import Iterable
from struct import Struct

from zlib_ng import zlib_ng

LEVEL = 1
_trailer = Struct("<II").pack


def member_header(name: str) -> bytes:
    """The header of Python's gzip writer for a file `name`.gz, with the modification time left 0."""
    return b"\x1f\x8b\x08\x08\0\0\0\0\x02\xff" + name.encode() + b"\0"


def members(header: bytes, lines: Iterable[bytes]) -> bytes:
    """Each line as a member of its own."""
    compress, crc32 = zlib_ng.compress, zlib_ng.crc32
    return b"".join([header + compress(line, LEVEL, -15) + _trailer(crc32(line), len(line)) for line in lines])


class OneMember:
    """One gzip member, fed piece by piece."""

    def __init__(self, header: bytes) -> None:
        self._header = header
        self._compress = zlib_ng.compressobj(LEVEL, zlib_ng.DEFLATED, -15)
        self._crc = self._length = 0

    def feed(self, text: bytes) -> bytes:
        """Compressed bytes that are ready."""
        self._crc = zlib_ng.crc32(text, self._crc)
        self._length += len(text)
        head, self._header = self._header, b""
        return head + self._compress.compress(text)

    def finish(self) -> bytes:
        """The rest, with the trailer."""
        return self._compress.flush() + _trailer(self._crc, self._length & 0xFFFFFFFF)
