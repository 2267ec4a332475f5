"""Helpers to run the dbt project on a warehouse and to look at what it made."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import duckdb

from serving.places import serve_file
from serving.together import open_together

REPOSITORY = Path(__file__).parents[1]
# all staging models with what they rest on: the first two have nearly every one of them as a parent
STAGING = ["--select", "+dim_runs", "+int_attribution_summary", "stg_costs_attribution", "stg_costs_breakdown"]


@cache
def workshop() -> tempfile.TemporaryDirectory:
    """Folder in which dbt works: it parses the project anew whenever the path of the warehouse changes."""
    return tempfile.TemporaryDirectory(prefix="dbt-")


def build(warehouse: Path, *arguments: str, selection: Sequence[str] = STAGING) -> None:
    """Run `dbt build` of `selection` (default: the staging layer) on `warehouse`; fails with dbt's output."""
    folder = Path(workshop().name)
    bench = folder / "warehouse.duckdb"
    command = [
        str(Path(sys.executable).parent / "dbt"), "build", "--profiles-dir", ".", "--target-path", str(folder / "target"),
        "--log-level-file", "none", "--indirect-selection", "cautious", *selection, *arguments,
    ]  # fmt: skip
    environment = os.environ | {"WAREHOUSE_PATH": str(bench), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    move_warehouse(warehouse, bench)
    done = subprocess.run(command, cwd=REPOSITORY / "dbt_project", env=environment, check=False, capture_output=True, text=True)
    move_warehouse(bench, warehouse)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def move_warehouse(source: Path, target: Path) -> None:
    """Move a warehouse with its marts; what lay at `target` is gone."""
    for kind in (Path, serve_file):
        kind(target).unlink(missing_ok=True)
        if kind(source).exists():
            shutil.move(kind(source), kind(target))


def copy_warehouse(source: Path, target: Path) -> Path:
    """Copy a warehouse with its marts. Returns `target`."""
    for kind in (Path, serve_file):
        if kind(source).exists():
            shutil.copy(kind(source), kind(target))
    return target


def open_warehouse(warehouse: Path) -> duckdb.DuckDBPyConnection:
    """A read-only connection in UTC to all schemas of a warehouse, the marts included."""
    return open_together(warehouse)


def differences(left: Path, right: Path) -> dict[str, int]:
    """Table -> rows that only one of the two warehouses has, for every table of dbt (load ids aside); empty when equal."""
    with duckdb.connect() as connection:
        for side, warehouse in (("l", left), ("r", right)):
            connection.execute(f"attach '{warehouse}' as {side} (read_only)")
            connection.execute(f"attach '{serve_file(warehouse)}' as {side}_serve (read_only)")
        tables = connection.execute(
            """
            select database_name[2:] || '.' || schema_name || '.' || table_name, schema_name || '.' || table_name
            from duckdb_tables()
            where database_name in ('l', 'l_serve') and schema_name in ('staging', 'intermediate', 'marts')
            """
        ).fetchall()
        assert tables
        found = {}
        for place, table in tables:
            columns = [row[0] for row in connection.execute(f"describe l{place}").fetchall() if row[0] != "load_id"]
            listed = ", ".join(columns)
            one, two = f"select {listed} from l{place}", f"select {listed} from r{place}"
            count = connection.execute(
                f"select count(*) from (({one} except all {two}) union all ({two} except all {one}))"
            ).fetchone()[0]
            if count:
                found[table] = count
        return found
