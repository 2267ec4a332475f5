"""Every mart depends on the landed files alone: late, repeated, shuffled loads with builds between equal a fresh build."""

import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from raw_loaders.load import load_landing
from raw_tables import put
from staged import build, differences, open_warehouse

EVERYTHING = ["--select", "*", "--resource-type", "seed", "--resource-type", "model"]
ROUNDS = 5


@pytest.mark.timeout(900)
@pytest.mark.long
def test_late_repeated_and_shuffled_equals_fresh(tmp_path: Path) -> None:
    """Files arrive in shuffled order and in two parts, so decisions precede their fills and fills arrive late."""
    rng = random.Random(ROUNDS)
    landing = tmp_path / "whole"
    options = ["--seed", "11", "--days", "2", "--trading", "active", "--fills", "400", "--third-party-fills", "200"]
    subprocess.run(
        [sys.executable, "-m", "raw_loaders.simulate", "--out", str(landing), *options], check=True, capture_output=True
    )
    files = sorted(p for p in landing.rglob("*.jsonl*") if p.is_file())
    rng.shuffle(files)
    arriving, warehouse, fresh = tmp_path / "arriving", tmp_path / "arrived.duckdb", tmp_path / "fresh.duckdb"
    put(arriving, "_SYNTHETIC.json", (landing / "_SYNTHETIC.json").read_bytes())
    for number in range(ROUNDS - 1):
        for file in files[number * len(files) // ROUNDS : (number + 1) * len(files) // ROUNDS]:
            data = file.read_bytes()
            put(arriving, str(file.relative_to(landing)), data[: rng.randrange(len(data) // 3, len(data))])
        load_landing(arriving, warehouse)
        build(warehouse, selection=EVERYTHING)
    shutil.copytree(landing, arriving, dirs_exist_ok=True)
    load_landing(arriving, warehouse)
    build(warehouse, selection=EVERYTHING)
    load_landing(arriving, fresh)
    build(fresh, selection=EVERYTHING)
    assert differences(warehouse, fresh) == {}
    with open_warehouse(fresh) as connection:
        marts = connection.execute("select count(*) from duckdb_tables() where schema_name = 'marts'").fetchone()[0]
        closed = connection.execute("select count(*) from marts.fct_round_trips where status = 'closed'").fetchone()[0]
    assert marts >= 34
    assert closed > 50
