"""Runs a command as a process of its own and says how long it took and how much memory it held."""

import resource
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).parents[1]
_SAMPLE_S = 0.02


@dataclass(slots=True, frozen=True)
class Measured:
    """Wall-clock seconds, processor seconds (user and system), and the peak of resident memory in bytes of a process tree."""

    wall_s: float
    cpu_s: float
    peak_bytes: int


def measure(command: Sequence[str | Path]) -> Measured:
    """Run `command` in the project's folder and measure it. Raises CalledProcessError, with its output, when it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    process = subprocess.Popen(list(map(str, command)), cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    peak = [0]
    watcher = threading.Thread(target=_watch, args=(process, peak), daemon=True)
    watcher.start()
    output, _ = process.communicate()
    wall = time.perf_counter() - began
    watcher.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, output.decode())
    return Measured(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, peak[0])


def _watch(process: subprocess.Popen[bytes], peak: list[int]) -> None:
    try:
        root = psutil.Process(process.pid)
        while process.poll() is None:
            held = sum(each.memory_info().rss for each in [root, *root.children(recursive=True)])
            peak[0] = max(peak[0], held)
            time.sleep(_SAMPLE_S)
    except psutil.Error:
        return


def python(*arguments: str | Path) -> list[str | Path]:
    """A command that runs this interpreter."""
    return [sys.executable, *arguments]
