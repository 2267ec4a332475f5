"""A copy written over an older copy equals the file, costs what changed, and never touches a file that somebody reads."""

import filecmp
import random
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from serving import blocks
from serving.blocks import copy_changed_blocks, copy_file

BLOCK = 256 << 10
READER = "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=True); print('open', flush=True); sys.stdin.read()"


def write(file: Path, statement: str) -> None:
    with duckdb.connect(str(file)) as connection:
        connection.execute(statement)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    write(tmp_path / "source.duckdb", "create table t as select range as id, hash(range) as noise from range(1_000_000)")
    return tmp_path / "source.duckdb"


def test_a_small_change_costs_few_blocks(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "target.duckdb"
    size = copy_file(source, target)
    assert size == source.stat().st_size and filecmp.cmp(source, target, shallow=False)
    write(source, "create table u as select 1 as x")
    written = copy_changed_blocks(source, target, BLOCK)
    assert 0 < written < size / 4
    assert filecmp.cmp(source, target, shallow=False)


def test_any_history_of_changes_ends_in_an_equal_file(source: Path, tmp_path: Path) -> None:
    """Rows come and go, tables grow and are dropped, the copy has rows of its own, and lags behind by any number of changes."""
    rng, target = random.Random(11), tmp_path / "target.duckdb"
    copy_file(source, target)
    for step in range(30):
        statement = rng.choice(
            [
                f"insert into t select range, hash(range + {step}) from range({rng.randrange(1, 200_000)})",
                f"delete from t where id % {rng.randrange(2, 9)} = 0",
                f"update t set noise = {step} where id < {rng.randrange(50_000)}",
                f"create or replace table u as select range as x, md5(range::varchar) as y from range({rng.randrange(300_000)})",
                "drop table if exists u",
            ]
        )
        write(source, statement)
        if rng.random() < 0.3:
            write(target, f"create or replace table own as select range as x from range({rng.randrange(100_000)})")
        if rng.random() < 0.5:
            assert copy_changed_blocks(source, target, BLOCK) is not None
            assert filecmp.cmp(source, target, shallow=False), (step, statement)


def test_a_copy_that_somebody_reads_is_left_alone(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "target.duckdb"
    copy_file(source, target)
    write(source, "delete from t where id > 10")
    before = target.read_bytes()
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(target)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert reader.stdout.readline() == "open\n"
    assert copy_changed_blocks(source, target, BLOCK) is None  # another process
    reader.communicate("")
    with duckdb.connect(str(target), read_only=True):
        assert copy_changed_blocks(source, target, BLOCK) is None  # this process
    (tmp_path / "kept").hardlink_to(target)
    assert copy_changed_blocks(source, target, BLOCK) is None  # somebody kept it under another name
    (tmp_path / "kept").unlink()
    assert target.read_bytes() == before
    assert copy_changed_blocks(source, target, BLOCK) is not None
    assert filecmp.cmp(source, target, shallow=False)


def test_who_opens_the_copy_while_it_is_written_waits_and_ends_nobody(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal that says so would by default end the process that writes."""
    target = tmp_path / "target.duckdb"
    copy_file(source, target)
    write(source, "delete from t where id > 10")
    readers, changed = [], blocks._changed

    def comes(*arguments: int) -> list[tuple[int, int]]:
        script = "import sys; print('go', flush=True); print(len(open(sys.argv[1], 'rb').read()), flush=True)"
        readers.append(subprocess.Popen([sys.executable, "-c", script, str(target)], stdout=subprocess.PIPE, text=True))
        assert readers[0].stdout.readline() == "go\n"
        time.sleep(0.3)
        assert readers[0].poll() is None
        return changed(*arguments)

    monkeypatch.setattr(blocks, "_changed", comes)
    assert copy_changed_blocks(source, target, BLOCK) is not None
    assert readers[0].communicate(timeout=30)[0] == f"{source.stat().st_size}\n"
    assert filecmp.cmp(source, target, shallow=False)


def test_a_file_of_another_format_is_left_alone(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "target.duckdb"
    target.write_bytes(b"no database" * 9999)
    assert copy_changed_blocks(source, target, BLOCK) is None
    assert copy_changed_blocks(source, target, BLOCK - 1) is None
    assert target.read_bytes() == b"no database" * 9999
