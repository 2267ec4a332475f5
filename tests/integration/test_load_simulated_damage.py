"""The simulator breaks files at known places and writes down what must come out; the loader must find exactly that."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from raw_loaders.load import load_landing
from raw_loaders.simulate.defects import KINDS
from raw_tables import assert_reconciled


@pytest.mark.parametrize("one_member", [False, True])
def test_salvage_equals_the_manifest(tmp_path: Path, one_member: bool) -> None:
    """Lines, reasons, unknown keys and damaged bytes of every file, in both gzip styles, the late file included."""
    landing, manifest_path = tmp_path / "landing", tmp_path / "truth.json"
    # one member has no place between members for stray bytes
    kinds = [kind for kind in KINDS if not (one_member and kind == "stray_bytes")]
    options = ["--seed", "3", "--days", "2", "--defects", ",".join(kinds), "--manifest", str(manifest_path)]
    command = [sys.executable, "-m", "raw_loaders.simulate", "--out", str(landing), *options]
    subprocess.run([*command, *(["--one-member"] if one_member else [])], check=True, capture_output=True)
    warehouse = tmp_path / "w.duckdb"
    load_landing(landing, warehouse)
    shutil.copytree(tmp_path / "landing.late", landing, dirs_exist_ok=True)
    load_landing(landing, warehouse)
    assert_reconciled(warehouse)
    truth = json.loads(manifest_path.read_text())
    assert len(truth["defects"]) >= 15
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        found = {
            file: {"lines": lines, "accepted": accepted, "rejected": {}, "unknown_keys": {}, "damaged": []}
            for file, lines, accepted in connection.execute(
                "select source_file, lines, accepted from raw.files where stream is not null"
            ).fetchall()
        }
        for file, reason, count in connection.execute(
            "select source_file, reason, count(*) from raw.rejected_lines group by all"
        ).fetchall():
            found[file]["rejected"][reason] = count
        for file, key, records in connection.execute("select source_file, key, records from raw.unknown_keys").fetchall():
            found[file]["unknown_keys"][key] = records
        for file, *damage in connection.execute(
            "select source_file, byte_start, byte_end, reason, min_lost_records from raw.damaged_ranges order by all"
        ).fetchall():
            found[file]["damaged"].append(damage)
        assert connection.execute("select bool_and(is_synthetic) from raw.files").fetchone() == (True,)
    expected = {file["source_file"]: {key: file[key] for key in found[file["source_file"]]} for file in truth["files"]}
    for file in expected.values():
        file["damaged"] = [list(d.values()) if isinstance(d, dict) else list(d) for d in file["damaged"]]
    assert found == expected
