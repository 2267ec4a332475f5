"""Size and time of each tier: what compaction gains, and what restore, summaries, health, sheets and the audit report cost.

A simulated landing as the bot writes it (one gzip member per record) is loaded, archived, verified, moved and restored, each
step a process of its own. The summaries come from marts that dbt builds of the same landing.
"""

import argparse
import datetime as dt
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb

from benchmarks.process import Measured, measure, python

LEAST_GAIN = 5.0  # compaction of one gzip member per record
START = dt.date(2025, 11, 21)
PROJECT = Path(__file__).parents[1] / "dbt_project"
STEP = """
import datetime as dt, sys
from pathlib import Path
from exports.archive.partitions import Selection
from exports.archive.restore import restore
from exports.archive.run import Destinations, archive, verify
folder = Path(sys.argv[1])
there = Destinations(str(folder / 'warm'), str(folder / 'cold'))
{}
"""
ARCHIVE = "archive(folder / 'warehouse.duckdb', there, today=dt.date.fromisoformat(sys.argv[2])).raise_if_failed()"
VERIFY = "assert verify(folder / 'warehouse.duckdb', there) == {}"
RESTORE = "restore(there, folder / 'back', selection=Selection())"


def main() -> None:
    """Write a landing, measure each tier, print the table. Exits with 1 when compaction gains less than LEAST_GAIN."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=3)
    parser.add_argument("--third-party-fills", type=int, default=20_000, help="per day; the stream that grows most")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        landing = folder / "landing"
        arguments = ["--seed", "7", "--days", str(options.days), "--third-party-fills", str(options.third_party_fills)]
        measure(python("-m", "raw_loaders.simulate", "--out", landing, *arguments))
        measure(python("-m", "raw_loaders", "load", "--landing", landing, "--warehouse", folder / "warehouse.duckdb"))
        gain = _tier_1(folder, landing)
        _summaries(folder)
    print(f"\ncompaction of one gzip member per record: {gain:.1f} times smaller (at least {LEAST_GAIN:g})")
    raise SystemExit(0 if gain >= LEAST_GAIN else 1)


def _tier_1(folder: Path, landing: Path) -> float:
    """Archive, verify, move and restore; returns how many times smaller the gzip files became."""
    warm_day, cold_day = START + dt.timedelta(days=60), START + dt.timedelta(days=200)
    steps = [("archive: write, verify, settle", ARCHIVE, warm_day), ("verify again", VERIFY, warm_day)]
    steps += [
        ("nothing to do", ARCHIVE, warm_day),
        ("move to the archive", ARCHIVE, cold_day),
        ("restore all", RESTORE, cold_day),
    ]
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as connection:
        records, landed = connection.execute(
            "select sum(accepted), sum(size_bytes) from raw.files where stream is not null"
        ).fetchone()
    print(f"\nTier 1: {records:,} records, {landed / 1e6:.1f} MB landed")
    for name, code, day in steps:
        _print(name, measure(python("-c", STEP.format(code), folder, day)))
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as connection:
        rows = connection.execute(
            """
            with landed as (
                select stream, is_gzip, sum(size_bytes) as landed from raw.files where stream is not null group by all
            ),
            kept as (select stream, sum(size_bytes) as kept from ops.archive_partitions group by all)
            select is_gzip, sum(landed), sum(kept) from landed inner join kept using (stream) group by is_gzip order by is_gzip
            """
        ).fetchall()
    gains = {}
    for is_gzip, landed, kept in rows:
        gains[is_gzip] = landed / kept
        kind = "gzip, one member per record" if is_gzip else "plain JSON lines"
        print(f"  {kind:<32} {landed / 1e6:8.1f} MB -> {kept / 1e6:7.2f} MB Parquet   {landed / kept:5.1f} times smaller")
    shutil.rmtree(folder / "back")
    return gains[True]


def _summaries(folder: Path) -> None:
    """Build the marts once, then measure what is made from them."""
    environment = os.environ | {"WAREHOUSE_PATH": str(folder / "warehouse.duckdb"), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    command = [str(Path(sys.executable).parent / "dbt"), "--quiet", "build", "--exclude-resource-type", "test", "unit_test"]
    places = ["--profiles-dir", ".", "--target-path", str(folder / "target"), "--log-path", str(folder / "logs")]
    subprocess.run([*command, *places], cwd=PROJECT, env=environment, check=True)
    print("\nTiers 2 and 3, sheets, audit, of all days")
    for kind in ("summaries", "health", "sheets", "audit"):
        measured = measure(python("-m", "serving", "--data", folder, "export", kind))
        files = [path for path in (folder / "exports" / kind).rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files)
        _print(kind, measured, f"{len(files):3d} files {size / 1e6:7.2f} MB")


def _print(name: str, run: Measured, more: str = "") -> None:
    print(f"  {name:<32} {run.wall_s:6.2f} s wall  {run.cpu_s:6.2f} s cpu  {run.peak_bytes / 1e6:6.0f} MB peak  {more}")


if __name__ == "__main__":
    main()
