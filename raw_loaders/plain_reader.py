"""Reads a file that is not compressed."""

from collections.abc import Iterator

from raw_loaders.blocks import Block, FileWindow, single_member

CHUNK = 4 << 20


def plain_events(window: FileWindow, offset: int) -> Iterator[Block]:
    """Blocks of the file's bytes from `offset` (a line's beginning) to the end of the window."""
    while offset < window.end:
        data = window.read(offset, CHUNK)
        yield single_member(data, 0, 0)
        offset += len(data)
