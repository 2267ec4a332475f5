"""The text of a landing file, once from the file itself and once from archived records; equal text means nothing is lost."""

import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

from exports.archive.parquet import reader
from exports.archive.stores import Store
from raw_loaders.blocks import Damage, FileWindow
from raw_loaders.gzip_reader import GzipReader
from raw_loaders.plain_reader import plain_events

_BATCH = 20_000


class GapError(Exception):
    """Archived records do not follow each other without a gap."""


def text_hash_of_file(path: Path, *, is_gzip: bool) -> str | None:
    """BLAKE2b-128 of the decompressed text; None when the file is damaged anywhere. Raises OSError."""
    digest = hashlib.blake2b(digest_size=16)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        window = FileWindow(descriptor, os.fstat(descriptor).st_size, path.name)
        events = GzipReader(window).events(0, 0) if is_gzip else plain_events(window, 0)
        for event in events:
            if isinstance(event, Damage):
                return None
            digest.update(event.text)
    finally:
        os.close(descriptor)
    return digest.hexdigest()


def archived_members(parts: Iterable[tuple[Store, str]], source_file: str) -> Iterator[tuple[int, bytes]]:
    """The text of a file from its partitions, in order, as (member number, text of the lines that begin in that member).

    Every line gets its line end back. Raises GapError when a line or a byte between two lines is missing, FileNotFoundError and
    duckdb.Error when a partition cannot be read.
    """
    with ExitStack() as stack:
        paths = [str(stack.enter_context(store.fetched(name))) for store, name in parts]
        connection = stack.enter_context(reader())
        cursor = connection.execute(
            """
            select line_no, byte_offset, member_no, record from read_parquet(?, hive_partitioning = false)
            where source_file = ? order by line_no
            """,
            [paths, source_file],
        )
        expected_line, expected_offset, member, lines = 1, 0, None, []
        while rows := cursor.fetchmany(_BATCH):
            for line_no, offset, member_no, record in rows:
                if (line_no, offset) != (expected_line, expected_offset):
                    raise GapError(f"line {expected_line} of {source_file} is in no archived partition")
                if member_no != member and lines:
                    yield member, b"".join(lines)
                    lines = []
                member = member_no
                line = record.encode() + b"\n"
                lines.append(line)
                expected_line, expected_offset = line_no + 1, offset + len(line)
        if lines:
            yield member, b"".join(lines)


def gzip_member(text: bytes) -> bytes:
    """One gzip member without time stamp or name: the same text gives the same bytes."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    return packer.compress(text) + packer.flush()
