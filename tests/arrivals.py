"""A landing that fills up as time goes by: the files of a tree, each as far as it was written at an instant."""

import datetime as dt
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path

from raw_tables import put


def members(data: bytes) -> Iterator[bytes]:
    """The gzip members of a whole file."""
    while data:
        inflater = zlib.decompressobj(31)
        inflater.decompress(data)
        rest = inflater.unused_data
        yield data[: len(data) - len(rest)]
        data = rest


def stamp(text: bytes) -> dt.datetime:
    """The last `ts_ist` of a record."""
    return dt.datetime.fromisoformat(text.rpartition(b'"ts_ist"')[2].split(b'"')[1].decode())


class Arrivals:
    """Copies the tree `source` into `landing`, step by step. Every file of it must be whole."""

    def __init__(self, source: Path, landing: Path) -> None:
        self.source, self.landing = source, landing
        self.records = {path: list(_records(path)) for path in sorted(source.rglob("*.jsonl*"))}
        put(landing, "_SYNTHETIC.json", (source / "_SYNTHETIC.json").read_bytes())

    def until(self, end: dt.datetime | None, *, without: Collection[str] = ()) -> None:
        """Let everything written before `end` arrive (all of it when None), but for the files named in `without`."""
        for path, records in self.records.items():
            name = str(path.relative_to(self.source))
            here = b"".join(record for written_at, record in records if end is None or written_at < end)
            if here and name not in without:
                self._append(name, here)

    def _append(self, name: str, whole: bytes) -> None:
        """Bring a file to `whole` as the bot does, by appending; a file that has all of it already is not touched."""
        file = self.landing / name
        held = file.stat().st_size if file.exists() else 0
        if held < len(whole):
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("ab") as out:
                out.write(whole[held:])

    def rewrite(self, name: str, keep_every: int) -> None:
        """Write a file that has arrived anew, with every `keep_every`-th record gone."""
        records = self.records[self.source / name]
        put(self.landing, name, b"".join(record for i, (_, record) in enumerate(records) if (i + 1) % keep_every))


def _records(path: Path) -> Iterator[tuple[dt.datetime, bytes]]:
    """Each record with the newest stamp up to it: a file is appended to, so what follows a record is not older."""
    data, newest = path.read_bytes(), None
    for record in members(data) if path.suffix == ".gz" else data.splitlines(keepends=True):
        written_at = stamp(zlib.decompress(record, 31) if path.suffix == ".gz" else record)
        newest = max(newest or written_at, written_at)
        yield newest, record
