"""Landings with a long history, held back by some hours, so that ticks can be measured on them."""

import datetime as dt
import re
import shutil
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

from benchmarks.process import REPOSITORY, python
from raw_loaders.dictionary import load_dictionary

START = dt.date(2025, 11, 21)
_STAMP = re.compile(rb'"ts_ist": ?"([^"]+)"')


class History:
    """A simulated landing of `days` days of which the last `hours` have not arrived yet: `arrive()` lets the next one come. Each
    bot runs as so many `replicas`.

    With `end_of`, the landing of a longer history that is whole yet, it is the last days of that one: what arrives is the same.
    """

    def __init__(self, folder: Path, days: int, hours: int, replicas: int = 3, end_of: "History | None" = None) -> None:
        self.landing, self.days = folder / "landing", days
        self.end = end_of.end if end_of else dt.datetime.combine(START + dt.timedelta(days=days), dt.time(), tzinfo=dt.UTC)
        if end_of:
            self._copy_end(end_of.landing)
        else:
            simulate = python("-m", "raw_loaders.simulate", "--out", self.landing, "--seed", "3", "--trading", "active")
            command = [*simulate, "--days", str(days), "--runs", str(replicas)]
            subprocess.run(list(map(str, command)), cwd=REPOSITORY, check=True, capture_output=True)
        self.cuts = [self.end - dt.timedelta(hours=hours - n) for n in range(hours)]
        self.held: dict[Path, list[tuple[dt.datetime, bytes]]] = {}

    def hold_back(self) -> None:
        """Take the last hours out of the landing."""
        for path in sorted(self.landing.rglob("*.jsonl*")):
            if _date(path) is None or _date(path) >= self.cuts[0].date() - dt.timedelta(days=1):
                self._hold_back(path)

    def _copy_end(self, landing: Path) -> None:
        first = self.end - dt.timedelta(days=self.days)
        for path in sorted(path for path in landing.rglob("*") if path.is_file()):
            to = self.landing / path.relative_to(landing)
            if (_date(path) or self.end.date()) < first.date():
                continue
            to.parent.mkdir(parents=True, exist_ok=True)
            if _date(path) or ".jsonl" not in path.name:
                shutil.copyfile(path, to)
            else:
                kept = [record for record, text in _records(path) if _stamp(text) >= first]
                to.write_bytes(b"".join(kept))

    def _hold_back(self, path: Path) -> None:
        kept, held, newest = [], [], None
        delay = self._delay(path)
        for record, text in _records(path):
            written_at = _stamp(text) + delay
            newest = max(newest or written_at, written_at)
            if newest < self.cuts[0]:
                kept.append(record)
            else:
                held.append((newest, record))
        if held:
            self.held[path] = held
            path.write_bytes(b"".join(kept)) if kept else path.unlink()

    def _delay(self, path: Path) -> dt.timedelta:
        """What to add to a stamp for the moment of writing: some streams are stamped with the opening of their bar."""
        dictionary = load_dictionary()
        stream = dictionary.streams.get(path.name.split(".")[0])
        if stream is None or stream.clock == "emitted_at":
            return dt.timedelta(0)
        # a bar is decided within a minute of its end
        return dt.timedelta(seconds=dictionary.bots[path.relative_to(self.landing).parts[0]] + 60)

    def arrive(self) -> int:
        """Let the next hour arrive by appending to its files. Returns the bytes that came."""
        self.cuts.pop(0)
        end = self.cuts[0] if self.cuts else dt.datetime.max.replace(tzinfo=dt.UTC)
        came = 0
        for path, held in self.held.items():
            now = b"".join(record for written_at, record in held if written_at < end)
            self.held[path] = [item for item in held if item[0] >= end]
            if now:
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("ab") as file:
                    file.write(now)
            came += len(now)
        return came


def _date(path: Path) -> dt.date | None:
    """The day of a dated folder."""
    day = re.search(r"date=(\d{4}-\d\d-\d\d)", str(path))
    return dt.date.fromisoformat(day[1]) if day else None


def _stamp(text: bytes) -> dt.datetime:
    return dt.datetime.fromisoformat(_STAMP.findall(text)[-1].decode())


def _records(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Each record as it lies in the file, and its text."""
    data = path.read_bytes()
    if path.suffix != ".gz":
        for line in data.splitlines(keepends=True):
            yield line, line
        return
    at = 0
    view = memoryview(data)
    while at < len(data):
        inflater = zlib.decompressobj(31)
        step, text = 4096, b""
        position = at
        while not inflater.eof:
            text += inflater.decompress(view[position : position + step])
            position += step
        position = min(position, len(data)) - len(inflater.unused_data)
        yield data[at:position], text
        at = position
