"""dbt is started ahead of its command, in a process of its own that waits for it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from dagster_project import dbt_start
from dagster_project.dbt_start import start, start_ahead


@pytest.fixture
def parsed(dbt_manifest: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the parsed project; nothing waits before and after."""
    copy = tmp_path / "partial_parse.msgpack"
    copy.write_bytes(dbt_manifest.with_name("partial_parse.msgpack").read_bytes())
    dbt_start._dismiss()
    yield copy
    dbt_start._dismiss()


def waiting() -> set[int]:
    children = psutil.Process().children()
    return {child.pid for child in children if any("dbt_process" in word for word in child.cmdline())}


def listed(parsed: Path, repository: Path, tmp_path: Path) -> tuple[int, int, str]:
    """(pid, exit code, what it said) of a dbt command that lists a seed."""
    project = repository / "dbt_project"
    words = ["list", "--select", "guards", "--target-path", str(tmp_path), "--project-dir", ".", "--profiles-dir", "."]
    process = start(parsed, words, project, {"WAREHOUSE_PATH": str(tmp_path / "warehouse.duckdb")})
    said = process.stdout.read()
    return process.pid, process.wait(), said


def test_a_command_goes_to_the_process_that_waits_and_it_waits_once(parsed: Path, repository: Path, tmp_path: Path) -> None:
    start_ahead(parsed)
    start_ahead(parsed)
    (ahead,) = waiting()
    pid, code, said = listed(parsed, repository, tmp_path)
    assert (pid, code) == (ahead, 0), said
    assert "guards" in said
    assert not waiting()


def test_a_project_that_was_parsed_again_is_read_anew(parsed: Path, repository: Path, tmp_path: Path) -> None:
    start_ahead(parsed)
    (ahead,) = waiting()
    os.utime(parsed, ns=(time.time_ns(), time.time_ns()))
    pid, code, said = listed(parsed, repository, tmp_path)
    assert code == 0, said
    assert pid != ahead
    assert not psutil.pid_exists(ahead)


def test_it_ends_with_a_run_that_never_gives_it_a_command(parsed: Path, repository: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from dagster_project.dbt_start import start_ahead; import psutil\n"
        f"start_ahead(Path({str(parsed)!r})); print(psutil.Process().children()[0].pid, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, cwd=repository, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        ahead = int(run.stdout.readline())
        assert psutil.pid_exists(ahead)
        run.kill()
    deadline = time.monotonic() + 30
    while psutil.pid_exists(ahead) and psutil.Process(ahead).status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not psutil.pid_exists(ahead) or psutil.Process(ahead).status() == psutil.STATUS_ZOMBIE


def test_without_a_parsed_project_nothing_is_started(tmp_path: Path) -> None:
    start_ahead(tmp_path / "partial_parse.msgpack")
    assert not waiting()
