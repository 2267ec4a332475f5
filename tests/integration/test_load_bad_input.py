"""Each fault is one sentence that names the thing and the way out, an exit code, and nothing lost."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from raw_loaders.load import load_landing
from raw_tables import FILLS, SIGNALS, assert_reconciled, fill, line, member, put, raw_state


def run_load(landing: Path, warehouse: Path, *extra: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "raw_loaders", "load", "--landing", str(landing), "--warehouse", str(warehouse), *extra]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def assert_one_sentence(result: subprocess.CompletedProcess[str], code: int, *parts: str) -> None:
    assert result.returncode == code, result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
    assert "Traceback" not in result.stderr
    for part in parts:
        assert part in result.stderr


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    put(tmp_path / "landing", FILLS, b"".join(member(line(fill(i))) for i in range(9)))
    return tmp_path / "landing"


def test_landing_missing_or_without_any_stream(tmp_path: Path, landing: Path) -> None:
    warehouse = tmp_path / "w.duckdb"
    assert_one_sentence(run_load(tmp_path / "nowhere", warehouse), 2, "nowhere", "does not exist")
    assert_one_sentence(run_load(tmp_path, warehouse), 2, "No file of a known stream", f"did you mean {landing}?")
    (tmp_path / "empty").mkdir()
    assert_one_sentence(run_load(tmp_path / "empty", warehouse), 2, "the folder with the bots' folders 5m, 1h, 12h, 24h")
    assert_one_sentence(run_load(landing, warehouse, "--stream", "fills"), 2, "No stream is called fills")
    assert not warehouse.exists()


def test_unreadable_file_is_named_and_the_others_are_loaded(tmp_path: Path, landing: Path) -> None:
    """A folder-like or rights problem stops one file only (a dangling device stands in for rights, which root ignores)."""
    warehouse = tmp_path / "w.duckdb"
    path = landing / SIGNALS
    path.parent.mkdir(parents=True)
    target = tmp_path / "folder"
    target.mkdir()
    path.symlink_to(target)
    assert_one_sentence(run_load(landing, warehouse), 3, SIGNALS, "every other file is loaded")
    state = raw_state(warehouse)
    assert len(state["hyperliquid_fills"]) == 9
    assert [row[2] for row in state["files"] if row[0] == SIGNALS] == ["unreadable"]
    path.unlink()
    put(landing, SIGNALS, b"")
    assert run_load(landing, warehouse).returncode == 0
    assert_reconciled(warehouse)


def test_warehouse_of_a_newer_version_and_no_warehouse_at_all(tmp_path: Path, landing: Path) -> None:
    warehouse = tmp_path / "w.duckdb"
    load_landing(landing, warehouse)
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("update raw.meta set value = '99' where key = 'schema_version'")
    before = raw_state(warehouse)
    put(landing, FILLS.replace("11-21", "11-22"), member(line(fill(1))))
    assert_one_sentence(run_load(landing, warehouse), 6, "schema version 99", "update bandit-warehouse")
    assert raw_state(warehouse) == before
    other = tmp_path / "notes.txt"
    other.write_text("these are my notes\n" * 999)
    assert_one_sentence(run_load(landing, other), 6, "notes.txt", "name another file")
    assert other.read_text() == "these are my notes\n" * 999


def test_warehouse_locked_by_another_process(tmp_path: Path, landing: Path) -> None:
    warehouse = tmp_path / "w.duckdb"
    load_landing(landing, warehouse)
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(warehouse)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        holder.stdout.readline()
        result = run_load(landing, warehouse, "--lock-wait", "0.5")
        assert_one_sentence(result, 4, str(warehouse), f"PID {holder.pid}", "close that program or wait")
        holder.stdin.close()
    assert run_load(landing, warehouse).returncode == 0


def test_another_landing_is_refused(tmp_path: Path, landing: Path) -> None:
    warehouse = tmp_path / "w.duckdb"
    load_landing(landing, warehouse)
    before = raw_state(warehouse)
    other = tmp_path / "other"
    shutil.copytree(landing, other)
    assert_one_sentence(run_load(other, warehouse), 2, str(landing), str(other), "--adopt")
    put(other, "_SYNTHETIC.json", b"{}")
    assert_one_sentence(run_load(other, warehouse, "--adopt"), 2, "holds real data", "is synthetic")
    assert raw_state(warehouse) == before


def small_disk_command(folder: Path, size: str, command: list[str]) -> list[str]:
    """Run `command` in a mount namespace of its own, where `folder` is a file system of `size` bytes."""
    script = 'mount -t tmpfs -o size="$1" tmpfs "$2" && shift 2 && cp -r "$1/." "$2/" 2>/dev/null; shift 2; "$@"'
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    return [*unshare, "sh", "-c", script, "sh", size, str(folder), str(folder) + ".seed", str(folder), *command]


def test_disk_full(tmp_path: Path, landing: Path) -> None:
    """The load that does not fit fails with a sentence, keeps the files before it, and succeeds once there is room."""
    disk = tmp_path / "disk"
    disk.mkdir()
    probe = small_disk_command(disk, "1m", ["true"])
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs in a namespace of its own")
    big = FILLS.replace("11-21", "11-22")
    import random

    rng = random.Random(1)
    put(landing, big, member(b"".join(line(fill(i, address=f"0x{rng.getrandbits(4000):x}")) for i in range(30_000))))
    check = (
        "import subprocess, sys, duckdb\n"
        "load = [sys.executable, '-m', 'raw_loaders', 'load', '--landing', sys.argv[1], '--warehouse', sys.argv[2]]\n"
        "r = subprocess.run(load, capture_output=True, text=True)\n"
        "c = duckdb.connect(sys.argv[2], read_only=True)\n"
        "print(r.returncode, c.execute('select count(*) from raw.hyperliquid_fills').fetchone()[0])\n"
        "c.close()\n"
        "sys.stderr.write(r.stderr)\n"
        "subprocess.run(['mount', '-o', 'remount,size=200m', sys.argv[3]], check=True)\n"
        "r = subprocess.run(load, capture_output=True, text=True)\n"
        "c = duckdb.connect(sys.argv[2], read_only=True)\n"
        "print(r.returncode, c.execute('select count(*) from raw.hyperliquid_fills').fetchone()[0])\n"
    )
    command = [sys.executable, "-c", check, str(landing), str(disk / "w.duckdb"), str(disk)]
    result = subprocess.run(small_disk_command(disk, "8m", command), capture_output=True, text=True, timeout=120, check=False)
    assert result.stdout.split() == ["5", "9", "0", "30009"], result.stderr
    assert "is full: free some room" in result.stderr
    assert "Traceback" not in result.stderr
