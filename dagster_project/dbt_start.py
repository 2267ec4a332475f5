"""Starts the process that runs dbt, ahead of time: it takes seconds to import dbt and to read the parsed project, during which a
run has other things to do. It waits for its command then (dbt_process.py), and ends when nobody gives it one.

Imports neither Dagster nor dbt: the command line starts it before anything else.
"""

import atexit
import contextlib
import ctypes
import json
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
# of the one project that this process runs: (parsed project, when it was written) and the process that has read it
_waiting: dict[tuple[Path, int], subprocess.Popen[str]] = {}


def start_ahead(parsed_project: Path) -> None:
    """Let a dbt read `parsed_project` and wait for its command, unless one waits already or there is nothing to read."""
    with contextlib.suppress(FileNotFoundError):
        key = _key(parsed_project)
        if key not in _waiting:
            _dismiss()
            _waiting[key] = _start(parsed_project)


def start(parsed_project: Path, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start a dbt command in `folder`, in the process that waits for one or in a new one; what it says is lines on its stdout.

    Raises FileNotFoundError when there is no parsed project.
    """
    key = _key(parsed_project)
    process = _waiting.pop(key, None)
    if process is None or process.poll() is not None:
        _dismiss()
        process = _start(parsed_project)
    with contextlib.suppress(BrokenPipeError), process.stdin:  # one that has ended says on stdout why
        order = {"arguments": list(arguments), "folder": str(folder), "environment": dict(environment)}
        process.stdin.write(json.dumps(order) + "\n")
    return process


def _key(parsed_project: Path) -> tuple[Path, int]:
    return parsed_project, parsed_project.stat().st_mtime_ns


def _start(parsed_project: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "dagster_project.dbt_process", str(parsed_project)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=_end_with_parent,  # noqa: PLW1509 -- between fork and exec it makes one system call, nothing else
    )


@atexit.register
def _dismiss() -> None:
    """End the process that waits in vain."""
    while _waiting:
        _, process = _waiting.popitem()
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def _end_with_parent() -> None:
    """Let Linux end dbt with the run: else a killed run would leave a dbt behind that goes on writing."""
    if _LIBC:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
