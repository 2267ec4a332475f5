"""A landing that was archived, deleted by name and restored gives the same marts as the landing itself."""

import datetime as dt
import shutil
from pathlib import Path

import pytest

from exports.archive.files import delete_landing_files
from exports.archive.partitions import Selection
from exports.archive.restore import restore
from exports.archive.run import Destinations, archive
from raw_loaders.load import load_landing
from staged import build, differences, open_warehouse

EVERYTHING = ["--select", "*", "--resource-type", "seed", "--resource-type", "model"]
# what a landed file weighs on disk depends on how well it was compressed, and no record says so: mart -> all of it but that
BUT_WEIGHT = {
    "mart_stream_volume": "select * exclude (landed_bytes) from marts.mart_stream_volume",
    "mart_audit_report": "from marts.mart_audit_report where item <> 'landed_volume'",
    "metric_values": "select * exclude (denominator), case when metric_id <> 'damaged_byte_share' then denominator end "
    "from marts.metric_values",
}


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_restored_landing_gives_the_same_marts(tmp_path: Path, real_logs: Path) -> None:
    landing = tmp_path / "landing"
    shutil.copytree(real_logs, landing)
    original, again = tmp_path / "original.duckdb", tmp_path / "again.duckdb"
    load_landing(landing, original)
    build(original, selection=EVERYTHING)
    there = Destinations(str(tmp_path / "warm"), str(tmp_path / "cold"))
    for day in (dt.date(2025, 12, 31), dt.date(2026, 6, 30)):
        archive(original, there, today=day).raise_if_failed()
    with open_warehouse(original) as connection:
        names = [row[0] for row in connection.execute("select source_file from raw.files where stream is not null").fetchall()]
    delete_landing_files(original, there.warm, there.archive, names)
    assert not any((landing / name).exists() for name in names)
    assert sorted(restore(there, landing, selection=Selection()).written) == sorted(names)
    load_landing(landing, again)
    build(again, selection=EVERYTHING)
    different = {table.removeprefix("marts.") for table in differences(original, again) if table.startswith("marts.")}
    assert different <= set(BUT_WEIGHT)
    for sql in BUT_WEIGHT.values():
        assert _rows(original, sql) == _rows(again, sql) != []


def _rows(warehouse: Path, sql: str) -> list[tuple]:
    with open_warehouse(warehouse) as connection:
        return sorted(connection.execute(sql).fetchall(), key=repr)
