"""Helpers for the tests of the archive: a small simulated landing, loaded, and where its copies go."""

import datetime as dt
import subprocess
import sys
from pathlib import Path

import duckdb

from exports.archive.partitions import Selection
from exports.archive.run import ArchiveReport, Destinations, archive
from raw_loaders.load import load_landing

FIRST_DAY = dt.date(2025, 11, 21)  # of what the simulator writes by default
WARM_DAY = FIRST_DAY + dt.timedelta(days=40)
COLD_DAY = FIRST_DAY + dt.timedelta(days=120)
STREAMS = ("signals", "hyperliquid_fills", "ensemble_log", "health")  # dated and growing files, gzip and plain
DEFECTS = "stray_bytes,crc_mismatch,truncated_member,half_line,nul_byte,invalid_utf8,blank_line,not_an_object,empty_file"


def simulated_landing(folder: Path, *, defects: str = DEFECTS) -> Path:
    """Write a landing of two days, with `defects`, and load it into <folder>/w.duckdb. Returns the landing."""
    landing = folder / "landing"
    options = ["--seed", "3", "--days", "2", "--runs", "2", "--third-party-fills", "60", "--defects", defects]
    subprocess.run(
        [sys.executable, "-m", "raw_loaders.simulate", "--out", str(landing), *options], check=True, capture_output=True
    )
    load_landing(landing, folder / "w.duckdb")
    return landing


def places(folder: Path) -> Destinations:
    """A warm folder and an archive below `folder`."""
    return Destinations(str(folder / "warm"), str(folder / "cold"))


def archived(folder: Path, today: dt.date = WARM_DAY, **options: object) -> ArchiveReport:
    """One run of the archive over <folder>/w.duckdb, over STREAMS unless `selection` says otherwise."""
    options = {"selection": Selection(streams=STREAMS)} | options
    return archive(folder / "w.duckdb", places(folder), today=today, **options)


def ask(folder: Path, sql: str) -> list[tuple]:
    """Rows of a query to the warehouse."""
    with duckdb.connect(str(folder / "w.duckdb"), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        return connection.execute(sql).fetchall()


def tree(folder: Path) -> dict[str, bytes]:
    """Relative path -> bytes of every file below a folder."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
