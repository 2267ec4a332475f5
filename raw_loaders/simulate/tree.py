"""The files of a simulated landing: collects records by file, writes each IST day when it is over."""

from array import array
from collections import defaultdict, deque
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

from raw_loaders.simulate.clock import DAY_US, IST_US, day_name, ist_day
from raw_loaders.simulate.gzip_write import OneMember, member_header, members

BOT_GZ = ("ensemble_log", "pnl_equity_log", "execution_log", "overlay_status", "hyperliquid_fills")
MIXED_GZ = ("calibration_log", "sizing_risk_log", "kpi_scorecard", "market_ingest_log")
MIXED_PLAIN = ("signals", "feature_log", "calibration", "order_intent", "repro")
BOT_PLAIN = ("health", "costs")
SECOND_SYSTEM = "second_system"
OWNER = "5m"  # the bot that starts first names the root of what all bots share
_CHUNK = 20_000
_WORTH_A_PROCESS = 16 << 20  # bytes of text to compress
_MAX_WAITING = 12


class FileKey:
    """Where a stream of one bot and asset is written: one file, or one per IST day."""

    __slots__ = ("asset", "folder", "is_daily", "path", "stream")

    def __init__(self, stream: str, bot: str, asset: str) -> None:
        self.stream, self.asset = stream, asset
        self.is_daily = stream in BOT_GZ or stream in MIXED_GZ or bot == SECOND_SYSTEM
        if bot == SECOND_SYSTEM:
            self.folder = f"{SECOND_SYSTEM}/{stream}"
        elif stream in BOT_GZ:
            self.folder = f"{bot}/logs/{bot}/{stream}"
        elif stream in MIXED_GZ:
            self.folder = f"{OWNER}/logs/{stream}"
        elif stream in MIXED_PLAIN:
            self.folder = f"{OWNER}/logs/default/{stream}"
        else:
            self.folder = f"{bot}/logs/{stream}"
        self.path = f"{self.folder}/{stream}.jsonl"

    def path_on(self, day: int) -> str:
        """Path relative to the landing of what is emitted on an IST day."""
        if not self.is_daily:
            return self.path
        return f"{self.folder}/date={day_name(day)}/asset={self.asset}/{self.stream}.jsonl.gz"


class FileKeys:
    """The file keys of a simulation; streams that share a file share the key."""

    def __init__(self, bots: Sequence[str], assets: Sequence[str]) -> None:
        shared: dict[tuple[str, str], FileKey] = {}
        self._keys: dict[tuple[str, str], dict[str, FileKey]] = {}
        for bot in bots:
            for asset in assets:
                of_book = self._keys[bot, asset] = {}
                for stream in (*BOT_GZ, *MIXED_GZ, *MIXED_PLAIN, *BOT_PLAIN):
                    key = FileKey(stream, bot, asset)
                    of_book[stream] = shared.setdefault((key.folder, asset if key.is_daily else ""), key)

    def of(self, bot: str, asset: str) -> dict[str, FileKey]:
        """The keys of one bot and asset by stream."""
        return self._keys[bot, asset]


class TreeWriter:
    """Sorts the records of each file by emission, as appenders would have written them, and writes them day by day."""

    def __init__(self, root: Path, *, is_one_member: bool) -> None:
        self.root = root
        self.is_one_member = is_one_member
        self.bursts_of_lines: dict[str, array] = {}  # path -> burst number of each line
        self.streams: dict[str, str] = {}
        self.records = 0
        self._pool: ProcessPoolExecutor | None = None
        self._writes: deque[Future] = deque()
        self._text_bytes = 0
        self._pending: dict[FileKey, list[tuple[int, str, int]]] = defaultdict(list)

    def add(self, key: FileKey, us: int, line: str, burst: int) -> None:
        """One record, emitted (or, when it is late, landed) at `us`."""
        self._pending[key].append((us, line, burst))

    def add_all(self, key: FileKey, entries: Sequence[tuple[int, str, int]]) -> None:
        """Many records of one file, as (us, line, burst)."""
        self._pending[key].extend(entries)

    def flush(self, until_day: int) -> None:
        """Write everything of the IST days before `until_day`."""
        boundary = until_day * DAY_US - IST_US
        for key, entries in self._pending.items():
            entries.sort()
            ready = [entry for entry in entries if entry[0] < boundary]
            if not ready:
                continue
            self._pending[key] = entries[len(ready) :]
            if key.is_daily:
                by_day: dict[int, list[tuple[int, str, int]]] = defaultdict(list)
                for entry in ready:
                    by_day[ist_day(entry[0])].append(entry)
                for day, of_day in by_day.items():
                    self._write(key.path_on(day), key.stream, of_day)
            else:
                self._write(key.path, key.stream, ready)

    def _write(self, path: str, stream: str, entries: Sequence[tuple[int, str, int]]) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        self.records += len(entries)
        self.streams[path] = stream
        self.bursts_of_lines.setdefault(path, array("i")).extend([entry[2] for entry in entries])
        text = "".join([entry[1] for entry in entries]).encode()
        if path.endswith(".gz"):
            self._compress(target, f"{stream}.jsonl", text)
        else:
            with target.open("ab") as file:
                file.write(text)

    def _compress(self, target: Path, name: str, text: bytes) -> None:
        """Append in this process, or, when there is much to do, in a second one: always the same one, so order stays."""
        self._text_bytes += len(text)
        if self._pool is None and self._text_bytes > _WORTH_A_PROCESS:
            self._pool = ProcessPoolExecutor(max_workers=1)
        if self._pool is None:
            append_gzip(target, name, text, self.is_one_member)
            return
        self._writes.append(self._pool.submit(append_gzip, target, name, text, self.is_one_member))
        if len(self._writes) > _MAX_WAITING:
            self._writes.popleft().result()

    def close(self) -> None:
        """Wait until everything is written; raises what went wrong in writing."""
        try:
            while self._writes:
                self._writes.popleft().result()
        finally:
            if self._pool is not None:
                self._pool.shutdown()


def append_gzip(target: Path, name: str, text: bytes, is_one_member: bool) -> None:
    """Append the lines of `text` to a gzip file: one member per line, or one in all."""
    header = member_header(name)
    with target.open("ab") as file:
        if is_one_member:
            whole = OneMember(header)
            file.write(whole.feed(text))
            file.write(whole.finish())
            return
        lines = text.splitlines(keepends=True)
        for start in range(0, len(lines), _CHUNK):
            file.write(members(header, lines[start : start + _CHUNK]))
