"""However the files arrive and whatever kills the loader: the raw layer ends as one load of the final files would leave it."""

import gzip
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from raw_loaders.load import load_landing
from raw_tables import FILLS, SIGNALS, assert_reconciled, fill, killed_load, line, member, put, raw_state


def fresh_state(landing: Path, folder: Path) -> dict[str, list[tuple]]:
    load_landing(landing, folder / "fresh.duckdb")
    return raw_state(folder / "fresh.duckdb")


def steps_of(data: bytes, rng: random.Random) -> list[int]:
    """Sizes at which a growing file is seen, anywhere: between records, inside a record, inside a header."""
    cuts = rng.sample(range(1, max(2, len(data))), min(rng.randint(0, 4), max(0, len(data) - 1)))
    return [*sorted(cuts), len(data)]


@pytest.mark.parametrize("seed", range(3))
def test_real_logs_growing_in_shuffled_order(real_logs: Path, tmp_path: Path, seed: int) -> None:
    """The real files arrive in shuffled order and grow by arbitrary cuts, with a load after every few arrivals."""
    rng = random.Random(seed)
    files = [p for p in real_logs.rglob("*.jsonl*") if p.is_file()]
    arrivals = []
    for file in files:
        data = file.read_bytes()
        arrivals += [(file, data[:size]) for size in steps_of(data, rng)]
    order = list(range(len(arrivals)))
    rng.shuffle(order)
    # a file never shrinks: hand out its sizes in rising order at the shuffled moments
    moments: dict[Path, list[bytes]] = {}
    for file, data in arrivals:
        moments.setdefault(file, []).append(data)
    landing, warehouse = tmp_path / "landing", tmp_path / "w.duckdb"
    for count, index in enumerate(order, 1):
        file = arrivals[index][0]
        put(landing, str(file.relative_to(real_logs)), moments[file].pop(0))
        if count % 40 == 0 and any(p.parent.name != "logs" for p in landing.iterdir()):
            load_landing(landing, warehouse)
    load_landing(landing, warehouse)
    assert_reconciled(warehouse)
    assert raw_state(warehouse) == fresh_state(landing, tmp_path)
    again = load_landing(landing, warehouse)
    assert (again.bytes_read, len(again.files_read)) == (0, 0)


def test_many_cuts_of_a_damaged_file(tmp_path: Path) -> None:
    """A small file with every kind of damage, loaded at many sizes on its way, equals the file loaded at once."""
    parts = [member(line(fill(i))) for i in range(12)]
    bad_crc = bytearray(parts[5])
    bad_crc[-7] ^= 1
    broken = bytearray(parts[8])
    broken[40:60] = b"\xff" * 20
    data = b"".join([*parts[:3], b"}\n", *parts[3:5], bytes(bad_crc), *parts[6:8], bytes(broken), *parts[9:], b"\x1f\x8b"])
    landing, warehouse = tmp_path / "landing", tmp_path / "w.duckdb"
    for size in range(0, len(data), 37):
        put(landing, FILLS, data[:size])
        load_landing(landing, warehouse)
        assert_reconciled(warehouse)
    put(landing, FILLS, data)
    load_landing(landing, warehouse)
    assert raw_state(warehouse) == fresh_state(landing, tmp_path)
    state = raw_state(warehouse)
    assert len(state["hyperliquid_fills"]) == 10


def test_plain_file_cut_inside_a_line(tmp_path: Path) -> None:
    record = {"ts": 1, "symbol": "B", "features": [], "model_out": {}, "decision": {}, "ts_ist": "2025-11-21T12:00:00+05:30"}
    data = b"".join(line(record | {"ts": i}) for i in range(5))
    landing, warehouse = tmp_path / "landing", tmp_path / "w.duckdb"
    for size in range(0, len(data) + 1):
        if size % 7 == 0 or size == len(data):
            put(landing, SIGNALS, data[:size])
            load_landing(landing, warehouse)
            assert_reconciled(warehouse)
    assert raw_state(warehouse) == fresh_state(landing, tmp_path)


def test_rewritten_shrunk_and_deleted_files(tmp_path: Path) -> None:
    landing, warehouse = tmp_path / "landing", tmp_path / "w.duckdb"
    first = b"".join(member(line(fill(i))) for i in range(30))
    put(landing, FILLS, first)
    other = FILLS.replace("11-21", "11-22")
    put(landing, other, first)
    load_landing(landing, warehouse)
    # another content of greater size, the same size, and a smaller size: each replaces all rows
    for changed in (
        b"".join(member(line(fill(i, side="sell"))) for i in range(40)),
        b"".join(member(line(fill(i, side="bull"))) for i in range(40)),
        first[: len(first) // 2],
    ):
        put(landing, FILLS, changed)
        load_landing(landing, warehouse)
        assert_reconciled(warehouse)
        assert raw_state(warehouse) == fresh_state(landing, tmp_path)
        (tmp_path / "fresh.duckdb").unlink()
    before = raw_state(warehouse)
    (landing / other).unlink()
    load_landing(landing, warehouse)
    after = raw_state(warehouse)
    assert after["hyperliquid_fills"] == before["hyperliquid_fills"], "rows of a file that is gone stay"
    assert [row[2] for row in after["files"] if row[0] == other] == ["missing"]
    put(landing, other, first)
    load_landing(landing, warehouse)
    assert raw_state(warehouse) == before


# appends a gzip member at a time, in two writes, until the file of its third argument is there
WRITER = """
import gzip, itertools, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from raw_tables import fill, line
for number in itertools.count():
    if Path(sys.argv[3]).exists():
        break
    with open(sys.argv[1], "ab", buffering=0) as file:
        data = gzip.compress(line(fill(number)))
        file.write(data[:20]); file.write(data[20:])
print(number)
"""


def test_a_file_appended_to_while_it_is_read(tmp_path: Path) -> None:
    landing, warehouse, enough = tmp_path / "landing", tmp_path / "w.duckdb", tmp_path / "enough"
    path = put(landing, FILLS, b"")
    command = [sys.executable, "-c", WRITER, str(path), str(Path(__file__).parents[1]), str(enough)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        while not path.stat().st_size and writer.poll() is None:
            time.sleep(0.01)
        for _ in range(4):
            load_landing(landing, warehouse)
    finally:
        enough.touch()
    written = int(writer.communicate()[0])
    load_landing(landing, warehouse)
    assert_reconciled(warehouse)
    state = raw_state(warehouse)
    assert len(state["hyperliquid_fills"]) == written > 0
    assert state == fresh_state(landing, tmp_path)


@pytest.mark.parametrize("kills", [6, pytest.param(40, marks=pytest.mark.long)])
def test_kill_9_at_random_moments(real_logs: Path, tmp_path: Path, kills: int) -> None:
    """Killed at random moments while files arrive: afterwards one load leaves what a fresh one would."""
    rng = random.Random(kills)
    landing, warehouse = tmp_path / "landing", tmp_path / "w.duckdb"
    files = sorted(p for p in real_logs.rglob("*.jsonl*") if p.is_file())
    rng.shuffle(files)
    started = time.monotonic()
    subprocess.run([sys.executable, "-m", "raw_loaders", "--help"], check=True, stdout=subprocess.DEVNULL)
    started_after = time.monotonic() - started
    started = time.monotonic()
    load_landing(real_logs, tmp_path / "timing.duckdb")
    whole = time.monotonic() - started
    died = 0
    for step in range(kills):
        for file in files[step * len(files) // kills : (step + 1) * len(files) // kills]:
            put(landing, str(file.relative_to(real_logs)), file.read_bytes())
        # from before the first transaction to about the end, scaled to this machine
        died += killed_load(landing, warehouse, started_after + rng.random() * whole / 2)
    load_landing(landing, warehouse)
    assert died >= kills // 3, "the kills must hit running loads for this test to mean anything"
    assert_reconciled(warehouse)
    assert raw_state(warehouse) == fresh_state(landing, tmp_path)


def test_rotated_siblings_hive_orders_and_hours(tmp_path: Path) -> None:
    """Every path pattern a stream's files come under is loaded; junk and unknown files are listed, never loaded."""
    landing = tmp_path / "landing"
    stem = "5m/logs/5m/hyperliquid_fills"
    names = [
        f"{stem}/date=2025-11-21/asset=BTCUSDT/hyperliquid_fills.jsonl.gz",
        f"{stem}/asset=BTCUSDT/date=2025-11-21/hyperliquid_fills.jsonl.gz",
        f"{stem}/date=2025-11-21/hour=07/asset=BTCUSDT/hyperliquid_fills.jsonl.gz",
        f"{stem}/date=2025-11-21/asset=BTCUSDT/hyperliquid_fills.jsonl_20251121_101500.gz",
        f"{stem}/date=2025-11-21/asset=BTCUSDT/hyperliquid_fills.jsonl_20251121_101600",
    ]
    for i, name in enumerate(names):
        data = line(fill(i))
        put(landing, name, gzip.compress(data) if name.endswith(".gz") else data)
    put(landing, "logs/5m/signals/signals.jsonl", b'{"features": {"close": 1}}\n')
    put(landing, "5m/logs/5m/unheard_of/unheard_of.jsonl", b"{}\n")
    warehouse = tmp_path / "w.duckdb"
    load_landing(landing, warehouse)
    state = raw_state(warehouse)
    assert sorted(row[0] for row in state["hyperliquid_fills"]) == sorted(names)
    assert state["signals"] == []
    kinds = {row[0]: row[2] for row in state["files"]}
    assert kinds["logs/5m/signals/signals.jsonl"] == "junk"
    assert kinds["5m/logs/5m/unheard_of/unheard_of.jsonl"] == "unknown"
    hours = {row[7] for row in state["files"] if row[0] == names[2]}
    assert hours == {"07"}


def test_landing_that_moved(tmp_path: Path) -> None:
    landing, warehouse = tmp_path / "landing", tmp_path / "w.duckdb"
    put(landing, FILLS, member(line(fill(1))))
    load_landing(landing, warehouse)
    shutil.move(landing, tmp_path / "moved")
    report = load_landing(tmp_path / "moved", warehouse, adopt=True)
    assert report.bytes_read == 0
