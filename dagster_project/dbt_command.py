"""Runs dbt as a process of its own and reads what became of each node."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import dagster as dg

from dagster_project.assets.dbt_results import NodeResult, read_results
from dagster_project.dbt_start import start
from dagster_project.resources import failing_in_a_run, wait_until_free
from dagster_project.settings import Settings
from raw_loaders.errors import is_lock_conflict, locked

_RESULTS = ("LogModelResult", "LogSeedResult", "LogSnapshotResult", "LogTestResult")
_ERRORS_KEPT = 10


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
    """Run one dbt command to its end; `on_result` is called as each node ends. What dbt says goes to stdout and into a file.

    With `tests_part`, tests of rows and keys look at the part of each table that this command writes, and not at all of it.
    A program that has the warehouse or the file of its marts open is waited for, at most `settings.lock_wait_s` seconds.

    Raises dg.Failure, in one sentence: when there is no warehouse, when one of the two files stays locked (naming it and who
    has it), and with dbt's own words when it ended before it came to a node.
    """
    # one folder for all runs: dbt finds its last parse there, and artefacts do not pile up
    target = settings.data / "dbt_target"
    output = target / "output.log"
    deadline = time.monotonic() + settings.lock_wait_s
    while True:
        with failing_in_a_run():
            # dbt would make a warehouse that is missing, and waits for one that is locked by a measure of its own
            wait_until_free(settings.warehouse, max(0.0, deadline - time.monotonic()))
        code, errors = _once(settings, arguments, on_result, target, output, tests_part=tests_part)
        if results := read_results(target):
            return results
        lock = next((error for error in errors if is_lock_conflict(error)), None)
        if lock is None:
            said = _one_line(errors[0]) if errors else "it gave no reason"
            raise dg.Failure(f"dbt ended with code {code} before it built anything ({said}): all it said is in {output}.")
        # somebody was quicker than dbt: what has not begun can be begun again
        if time.monotonic() >= deadline:
            with failing_in_a_run():
                raise locked(settings.warehouse, lock, settings.lock_wait_s)


def _once(
    settings: Settings,
    arguments: Sequence[str],
    on_result: Callable[[], object],
    target: Path,
    output: Path,
    *,
    tests_part: bool,
) -> tuple[int, list[str]]:
    """Run the command. Returns its exit code and its first errors; the results are in `target`, all it said in `output`."""
    target.mkdir(parents=True, exist_ok=True)
    (target / "run_results.json").unlink(missing_ok=True)
    project = str(settings.dbt_project)
    process = start(
        settings.parsed_project,
        [*arguments, "--target-path", str(target), "--project-dir", project, "--profiles-dir", project],
        settings.dbt_project,
        _environment(settings, tests_part=tests_part),
    )
    errors: list[str] = []
    with output.open("w") as log:
        for line in process.stdout:
            name, level, message = _event(line)
            print(message, flush=True)
            print(message, file=log, flush=True)
            if name in _RESULTS:
                on_result()
            elif level == "error" and message.strip() and len(errors) < _ERRORS_KEPT:
                errors.append(message.strip())
    return process.wait(), errors


def _one_line(error: str) -> str:
    """dbt's words without its line breaks and its first line, which says nothing ("Encountered an error:")."""
    return " ".join(error.removeprefix("Encountered an error:").split()).rstrip(".")


def _event(line: str) -> tuple[str, str, str]:
    """(name, level, message) of one line of dbt's log; of a line that is none, the line."""
    try:
        message = json.loads(line)
        return message["name"], message["level"], message["msg"]
    except (ValueError, KeyError, TypeError):
        return "", "", line.rstrip("\n")
