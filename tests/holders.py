"""Processes that stand in the way: one that holds the turn, one that is a stranger and has a file open."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from dagster_project.settings import Settings

_TURN = """
import contextlib, sys
from pathlib import Path
import duckdb
from dagster_project.turns import turn
with turn(Path(sys.argv[1]), "holder-of-the-turn"), contextlib.ExitStack() as files:
    for file in sys.argv[2:]:
        files.enter_context(duckdb.connect(file))
    print("at work", flush=True)
    sys.stdin.read()
"""
_STRANGER = """
import sys, time, duckdb
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def holding_turn(settings: Settings, *files: Path) -> Iterator[subprocess.Popen]:
    """Another run: it has the turn, and `files` open, until its standard input is closed."""
    yield from _started(_TURN, settings.turns, *files)


@contextlib.contextmanager
def stranger(file: Path) -> Iterator[subprocess.Popen]:
    """A program that takes no turn and has a file open for writing, until its standard input is closed."""
    yield from _started(_STRANGER, file)


def _started(code: str, *arguments: Path) -> Iterator[subprocess.Popen]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()
