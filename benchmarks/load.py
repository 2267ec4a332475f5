"""The loader against DuckDB's own reader, on the same file of 1,000,000 records, in one run.

The bar is a bare `create table as select * from read_json(file)` into a new database file. The two sides alternate, and
the ratio of a round compares neighbours, so a noisy machine disturbs both alike; the median round counts.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from benchmarks.process import Measured, measure, python

RECORDS = 1_000_000
LIMITS = {"one_member": 1.3, "member_per_record": 1.0}
MEMORY_LIMIT_BYTES = 600_000_000
SOURCE_FILE = "5m/logs/5m/hyperliquid_fills/date=2025-11-21/asset=BTCUSDT/hyperliquid_fills.jsonl.gz"
BAR = """
import duckdb, sys
duckdb.connect(sys.argv[1]).execute(f"create table t as select * from read_json('{sys.argv[2]}')")
"""


def main() -> None:
    """Write the files, run both sides, print the table. Exits with 1 when a limit of LIMITS is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--records", type=int, default=RECORDS)
    options = parser.parse_args()
    is_good = True
    with tempfile.TemporaryDirectory() as folder:
        for style in LIMITS:
            is_good &= _compare(Path(folder), style, options.records, options.rounds)
    raise SystemExit(0 if is_good else 1)


def _compare(folder: Path, style: str, records: int, rounds: int) -> bool:
    landing = folder / style
    file = landing / SOURCE_FILE
    simulate = python("-m", "raw_loaders.simulate", "--stream-records", str(records), "--file", file)
    written = measure([*simulate, "--one-member"] if style == "one_member" else simulate)
    speed = f"written at {records / written.wall_s:,.0f} records/s"
    print(f"\n{style}: {records:,} records, {file.stat().st_size / 1e6:.0f} MB; {speed}")
    ours, bar = [], []
    for number in range(rounds):
        warehouse = folder / f"{style}-{number}.duckdb"
        bar.append(measure(python("-c", BAR, folder / f"{style}-{number}-bar.duckdb", file)))
        ours.append(measure(python("-m", "raw_loaders", "load", "--landing", landing, "--warehouse", warehouse)))
        for used in folder.glob(f"{style}-{number}*.duckdb*"):
            used.unlink()
    ratios = [mine.wall_s / theirs.wall_s for mine, theirs in zip(ours, bar, strict=True)]
    peak = max(each.peak_bytes for each in ours)
    _print_side("python -m raw_loaders load", ours)
    _print_side("bare read_json into a table", bar)
    ratio = statistics.median(ratios)
    is_good = ratio <= LIMITS[style] and peak < MEMORY_LIMIT_BYTES
    print(
        f"  ratio of wall time: median {ratio:.2f} of {', '.join(f'{r:.2f}' for r in ratios)} (at most {LIMITS[style]}); "
        f"peak memory {peak / 1e6:.0f} MB (below {MEMORY_LIMIT_BYTES / 1e6:.0f}): {'met' if is_good else 'MISSED'}"
    )
    return is_good


def _print_side(name: str, runs: list[Measured]) -> None:
    wall = statistics.median(run.wall_s for run in runs)
    cpu = statistics.median(run.cpu_s for run in runs)
    peak = max(run.peak_bytes for run in runs)
    print(f"  {name:<28} {wall:6.2f} s wall  {cpu:6.2f} s cpu  {peak / 1e6:6.0f} MB peak")


if __name__ == "__main__":
    main()
