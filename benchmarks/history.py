"""Landings with a long history, held back by some hours, so that ticks can be measured on them."""

import datetime as dt
import re
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

from benchmarks.process import REPOSITORY, python
from raw_loaders.dictionary import load_dictionary

START = dt.date(2025, 11, 21)
_STAMP = re.compile(rb'"ts_ist": ?"([^"]+)"')


class History:
    """A simulated landing of `days` days of which the last `hours` have not arrived yet: `arrive()` lets the next one come."""

    def __init__(self, folder: Path, days: int, hours: int) -> None:
        self.landing, self.days = folder / "landing", days
        command = python(
            "-m", "raw_loaders.simulate", "--out", self.landing, "--seed", "3", "--days", str(days), "--trading", "active"
        )
        subprocess.run(list(map(str, command)), cwd=REPOSITORY, check=True, capture_output=True)
        end = dt.datetime.combine(START + dt.timedelta(days=days), dt.time(), tzinfo=dt.UTC)
        self.cuts = [end - dt.timedelta(hours=hours - n) for n in range(hours)]
        self.held: dict[Path, list[tuple[dt.datetime, bytes]]] = {}
        for path in sorted(self.landing.rglob("*.jsonl*")):
            if self._reaches(path):
                self._hold_back(path)

    def _reaches(self, path: Path) -> bool:
        """Whether a file may hold records of the last hours: folders of days gone by do not."""
        day = re.search(r"date=(\d{4}-\d\d-\d\d)", str(path))
        return day is None or dt.date.fromisoformat(day[1]) >= self.cuts[0].date() - dt.timedelta(days=1)

    def _hold_back(self, path: Path) -> None:
        kept, held, newest = [], [], None
        delay = self._delay(path)
        for record, text in _records(path):
            written_at = dt.datetime.fromisoformat(_STAMP.findall(text)[-1].decode()) + delay
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
