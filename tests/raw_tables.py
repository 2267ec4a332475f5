"""Helpers to compare raw layers and to build small landings by hand."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import duckdb

from raw_loaders.dictionary import load_dictionary

FILLS = "5m/logs/5m/hyperliquid_fills/date=2025-11-21/asset=BTCUSDT/hyperliquid_fills.jsonl.gz"
SIGNALS = "5m/logs/default/signals/signals.jsonl"
# what a load says about itself, not about the landing
VOLATILE = {"load_id", "loaded_at", "started_at", "finished_at", "mtime_ns", "inode"}
LEDGER_TABLES = ["files", "rejected_lines", "damaged_ranges", "unknown_keys"]


def fill(i: int, **changes: object) -> dict[str, object]:
    """A record of hyperliquid_fills."""
    record = {
        "run_id": "ea1222db-571e-42b9-9912-028c0466ff82",
        "asset": "BTCUSDT",
        "ts": 1763683200000 + i,
        "address": f"0x{i:040x}",
        "coin": "BTC",
        "side": "buy",
        "price": 85000.5,
        "size": 0.001,
        "event_id": f"{1763683200000 + i}:BTCUSDT:hyperliquid_fills:{i:08x}",
        "ts_ist": f"2025-11-21T12:{i // 60 % 60:02d}:{i % 60:02d}.000000+05:30",
        "schema_v": "1",
        "bar_id": 40826,
    }
    return {key: value for key, value in (record | changes).items() if value is not ...}


def line(record: object) -> bytes:
    """One JSON line as the bot writes it."""
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"


def member(data: bytes) -> bytes:
    """One gzip member as the bot writes it (with a file name in its header)."""
    return gzip.compress(data, 9, mtime=0)


def put(landing: Path, source_file: str, data: bytes) -> Path:
    """Write a landed file."""
    path = landing / source_file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def killed_load(landing: Path, warehouse: Path, after_s: float) -> bool:
    """Start a load in a process of its own and kill -9 it after `after_s` seconds. True when it died before it was done."""
    command = [sys.executable, "-m", "raw_loaders", "load", "--landing", str(landing), "--warehouse", str(warehouse)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    return False


def raw_state(warehouse: Path) -> dict[str, list[tuple]]:
    """Every raw table as a sorted list of rows, without what only says when and by which load it came."""
    tables = [*load_dictionary().streams, *LEDGER_TABLES]
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        state = {}
        for table in tables:
            names = [row[0] for row in connection.execute(f'describe raw."{table}"').fetchall()]
            kept = ", ".join(f'"{name}"' for name in names if name not in VOLATILE)
            state[table] = connection.execute(f'select {kept} from raw."{table}" order by all').fetchall()
    return state


def assert_reconciled(warehouse: Path) -> None:
    """The invariants of the ledger: lines, bytes and loads add up to what the tables hold."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        streams = list(load_dictionary().streams)
        union = " union all ".join(f'select source_file, load_id from raw."{name}"' for name in streams)
        wrong = connection.execute(
            f"""
            with accepted as (select source_file, count(*) as n from ({union}) group by all),
                rejected as (select source_file, count(*) as n from raw.rejected_lines group by all),
                damaged as (select source_file, sum(byte_end - byte_start) as n from raw.damaged_ranges group by all),
                loads as (
                    select source_file, sum(lines) as lines, sum(accepted) as accepted, sum(rejected) as rejected
                    from raw.loads group by all
                )
            select f.source_file from raw.files as f
                left join accepted as a using (source_file) left join rejected as r using (source_file)
                left join damaged as d using (source_file) left join loads as l using (source_file)
            where f.stream is not null and f.load_id is not null and not (
                f.lines = f.accepted + f.rejected and f.size_bytes = f.bytes_read + f.bytes_damaged
                and f.accepted = coalesce(a.n, 0) and f.rejected = coalesce(r.n, 0) and f.bytes_damaged = coalesce(d.n, 0)
                and l.lines = f.lines and l.accepted = f.accepted and l.rejected = f.rejected
            )
            """
        ).fetchall()
        assert wrong == []
        # and every load accounts for the rows that bear its id
        orphans = connection.execute(
            f"""
            select load_id, source_file, count(*) from ({union}) group by all
            except all select load_id, source_file, accepted from raw.loads where accepted > 0
            """
        ).fetchall()
        assert orphans == []
