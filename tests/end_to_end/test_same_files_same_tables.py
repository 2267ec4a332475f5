"""The real logs given hour by hour in shuffled order, growing, with loads killed at random: every table equals a fresh build."""

import datetime as dt
import random
import zlib
from pathlib import Path

import duckdb
import pytest

from arrivals import members
from raw_loaders.load import load_landing
from raw_tables import assert_reconciled, killed_load, put, raw_state
from staged import build, differences


def pieces_by_hour(file: Path, rng: random.Random) -> list[tuple[dt.datetime | None, bytes]]:
    """The records by hour of emission, as bytes in file order; pieces are cut in two anywhere, so some end inside a record."""
    data = file.read_bytes()
    records = list(members(data)) if file.suffix == ".gz" else data.splitlines(keepends=True)
    hours: list[tuple[dt.datetime | None, bytes]] = []
    for record in records:
        text = zlib.decompress(record, 31) if file.suffix == ".gz" else record
        stamp = text.rpartition(b'"ts_ist"')[2].split(b'"')[1].decode()
        hour = dt.datetime.fromisoformat(stamp).replace(minute=0, second=0, microsecond=0)
        if hours and hours[-1][0] == hour:
            hours[-1] = (hour, hours[-1][1] + record)
        else:
            hours.append((hour, record))
    cut = [(hour, piece, rng.randrange(len(piece) + 1)) for hour, piece in hours]
    # half of the pieces arrive in two parts, the first one cut at an arbitrary byte
    return [part for hour, piece, at in cut for part in ((hour, piece[:at]), (hour, piece[at:])) if part[1]]


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long), pytest.param(3, marks=pytest.mark.long)])
def test_hour_by_hour_shuffled_growing_and_killed(real_logs: Path, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    files = {p: pieces_by_hour(p, rng) for p in sorted(real_logs.rglob("*.jsonl*")) if p.is_file()}
    arrivals = [file for file, pieces in files.items() for _ in pieces]
    rng.shuffle(arrivals)
    landing, warehouse, fresh = tmp_path / "landing", tmp_path / "arrived.duckdb", tmp_path / "fresh.duckdb"
    seen: dict[Path, bytes] = {}
    kills = 0
    for count, file in enumerate(arrivals, 1):
        seen[file] = seen.get(file, b"") + files[file].pop(0)[1]
        put(landing, str(file.relative_to(real_logs)), seen[file])
        if count % (len(arrivals) // 8) == 0:
            kills += killed_load(landing, warehouse, 0.2 + rng.random() / 2)
        if count == len(arrivals) // 2:
            load_landing(landing, warehouse)
            build(warehouse)  # what half of the data made of it must not show later
    assert kills >= 2
    load_landing(landing, warehouse)
    assert_reconciled(warehouse)
    build(warehouse)
    load_landing(landing, fresh)
    build(fresh)
    assert raw_state(warehouse) == raw_state(fresh)
    assert differences(warehouse, fresh) == {}
    with duckdb.connect(str(fresh), read_only=True) as connection:
        assert connection.execute("select count(*) from staging.stg_signals").fetchone() == (530,)
