"""Writes JSON lines into files of a size one can hand to a model, each with a header record of its own."""

import tempfile
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from exports.summaries.records import json_line

LARGEST = 10_000_000  # bytes; a part of a larger export has at least half of that


@dataclass(frozen=True)
class WrittenFile:
    """A file of an export, with its records (the header not counted) and its bytes."""

    path: Path
    records: int
    bytes: int


def write_lines(
    folder: Path, name: str, records: Iterable[dict[str, object]], header: dict[str, object], *, largest: int = LARGEST
) -> list[WrittenFile]:
    """Write <name>.jsonl, or <name>.part-001.jsonl and so on when the records take more than `largest` bytes.

    Every file begins with `header` and its own `row_count`, `part`, `part_count` and `content_hash` (of all records of the
    export). The records are spooled to disk, since the header comes first and counts them.
    """
    sizes, digest = array("Q"), blake2b(digest_size=16)
    with tempfile.TemporaryFile(dir=folder) as spool:
        for record in records:
            line = json_line(record)
            spool.write(line)
            digest.update(line)
            sizes.append(len(line))
        spool.seek(0)
        counts = _split(sizes, largest)
        written = []
        for number, count in enumerate(counts, 1):
            path = folder / (f"{name}.jsonl" if len(counts) == 1 else f"{name}.part-{number:03d}.jsonl")
            facts = {"row_count": count, "total_row_count": len(sizes), "part": number, "part_count": len(counts)}
            start = sum(counts[: number - 1])
            with path.open("wb") as out:
                out.write(json_line({"record": "header", **header, **facts, "content_hash": digest.hexdigest()}))
                out.write(spool.read(sum(sizes[start : start + count])))
            written.append(WrittenFile(path, count, path.stat().st_size))
    return written


def _split(sizes: "array[int]", largest: int) -> list[int]:
    """How many records go into each part: as few parts as possible, of about the same size."""
    room = largest - 4096  # for the header
    parts = max(1, -(-sum(sizes) // room))
    target = sum(sizes) / parts
    counts, filled, count = [], 0, 0
    for size in sizes:
        if count and (filled + size > room or filled >= target):
            counts.append(count)
            filled = count = 0
        filled, count = filled + size, count + 1
    return [*counts, count]
