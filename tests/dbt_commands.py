"""Runs dbt commands as the warehouse does: with the project as `make setup` parsed it (dagster_project/dbt_process.py)."""

import fcntl
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from dagster_project.dbt_start import start
from serving.places import REPOSITORY, serve_file

PROJECT = REPOSITORY / "dbt_project"


@cache
def manifest() -> Path:
    """The manifest of the dbt project, written anew when it is missing or stale (as `make setup` does)."""
    # Dagster takes seconds to import: only the tests that need it pay for it
    from dagster_project.assets.dbt import read_manifest
    from dagster_project.settings import Settings, SettingsError

    (PROJECT / "target").mkdir(exist_ok=True)
    settings = Settings(landing=PROJECT, data=PROJECT / "data", dbt_project=PROJECT)
    with (PROJECT / "target" / ".parse.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test workers share the folder
        try:
            read_manifest(settings)
        except SettingsError:
            parse(PROJECT)
    return settings.manifest


def parse(project: Path) -> Path:
    """Write the manifest of a dbt project, as `make setup` does. Returns `project`."""
    command = [str(Path(sys.executable).parent / "dbt"), "--quiet", "parse", "--profiles-dir", ".", "--project-dir", "."]
    environment = os.environ | {"WAREHOUSE_PATH": "warehouse.duckdb"}
    done = subprocess.run(command, cwd=project, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (project / "target" / "manifest.json").touch()
    return project


def dbt(warehouse: Path, target: Path, *arguments: str) -> tuple[int, str]:
    """Run a dbt command on `warehouse`, what it compiles goes to `target`. Returns its exit code and all it said."""
    # the parsed project names its tables after a file of this name
    bench = target / "warehouse.duckdb"
    target.mkdir(parents=True, exist_ok=True)
    move_warehouse(warehouse, bench)
    process = start(
        manifest().with_name("partial_parse.msgpack"),
        [*arguments, "--target-path", str(target), "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)],
        PROJECT,
        {"WAREHOUSE_PATH": str(bench), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
    )
    said = process.stdout.read()
    process.stdout.close()
    code = process.wait()
    move_warehouse(bench, warehouse)
    return code, said


def compile_sql(folder: Path, *arguments: str) -> dict[str, str]:
    """Compile what `arguments` select. Returns model or test -> SQL, all tables in one catalog named `warehouse`."""
    code, said = dbt(folder / "compiled.duckdb", folder, "compile", "--select", *arguments)
    assert code == 0, said[-4000:]
    return {path.stem: path.read_text().replace('"serve".', '"warehouse".') for path in (folder / "compiled").rglob("*.sql")}


def move_warehouse(source: Path, target: Path) -> None:
    """Move a warehouse with its marts; what lay at `target` is gone."""
    for kind in (Path, serve_file):
        kind(target).unlink(missing_ok=True)
        if kind(source).exists():
            shutil.move(kind(source), kind(target))
