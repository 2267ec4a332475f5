"""Runs dbt as a process of its own and reads what became of each node."""

import ctypes
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import dagster as dg

from dagster_project.assets.dbt_results import NodeResult, read_results
from dagster_project.settings import Settings

_RESULTS = ("LogModelResult", "LogSeedResult", "LogSnapshotResult", "LogTestResult")
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _environment(settings: Settings, *, tests_part: bool) -> dict[str, str]:
    """Which warehouse, which code, and what its tests look at."""
    return {
        "WAREHOUSE_PATH": str(settings.warehouse),
        # other code than the tables were built with: everything is built anew (macro build_plan)
        "DBT_ENV_CUSTOM_ENV_CODE_VERSION": project_version(settings.dbt_project),
        "DBT_ENV_CUSTOM_ENV_TESTED": "part" if tests_part else "whole",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }


def project_version(project: Path) -> str:
    """Hash of everything in the dbt project that makes tables what they are."""
    digest = hashlib.blake2b(digest_size=8)
    files = [project / "dbt_project.yml"]
    for folder in ("macros", "models", "seeds"):
        files += sorted(file for file in (project / folder).rglob("*") if file.suffix in (".sql", ".csv"))
    for file in files:
        digest.update(str(file.relative_to(project)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def run_dbt(
    settings: Settings, arguments: Sequence[str], on_result: Callable[[], object], *, tests_part: bool = False
) -> list[NodeResult]:
    """Run one dbt command to its end; `on_result` is called as each node ends. What dbt says goes to stdout.

    With `tests_part`, tests of rows and keys look at the part of each table that this command writes, and not at all of it.

    Raises dg.Failure with dbt's own words when it ended before it came to a node.
    """
    # one folder for all runs: dbt finds its last parse there, and artefacts do not pile up
    target = settings.data / "dbt_target"
    (target / "run_results.json").unlink(missing_ok=True)
    project = str(settings.dbt_project)
    command = [sys.executable, "-m", "dagster_project.dbt_process", str(settings.parsed_project), *arguments]
    process = subprocess.Popen(
        [*command, "--target-path", str(target), "--project-dir", project, "--profiles-dir", project],
        cwd=project,
        env=os.environ | _environment(settings, tests_part=tests_part),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=_end_with_parent,  # noqa: PLW1509 -- between fork and exec it makes one system call, nothing else
    )
    errors: deque[str] = deque(maxlen=10)
    for line in process.stdout:
        name, level, message = _event(line)
        print(message, flush=True)
        if name in _RESULTS:
            on_result()
        elif level == "error" and message.strip():
            errors.append(message.strip())
    code = process.wait()
    results = read_results(target)
    if not results:
        raise dg.Failure(f"dbt ended with code {code} before it built anything: {' '.join(errors) or 'it gave no reason'}")
    return results


def _event(line: str) -> tuple[str, str, str]:
    """(name, level, message) of one line of dbt's log; of a line that is none, the line."""
    try:
        message = json.loads(line)
        return message["name"], message["level"], message["msg"]
    except (ValueError, KeyError, TypeError):
        return "", "", line.rstrip("\n")


def _end_with_parent() -> None:
    """Let Linux end dbt with the run: else a killed run would leave a dbt behind that goes on writing."""
    if _LIBC:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
