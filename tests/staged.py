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
    shutil.move(warehouse, bench)
    done = subprocess.run(command, cwd=REPOSITORY / "dbt_project", env=environment, check=False, capture_output=True, text=True)
    shutil.move(bench, warehouse)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def open_warehouse(warehouse: Path) -> duckdb.DuckDBPyConnection:
    """A read-only connection in UTC."""
    connection = duckdb.connect(str(warehouse), read_only=True)
    connection.execute("set timezone = 'UTC'")
    return connection


def differences(left: Path, right: Path) -> dict[str, int]:
    """Table -> rows that only one of the two warehouses has, for every table of dbt (load ids aside); empty when equal."""
    with open_warehouse(left) as connection:
        connection.execute(f"attach '{right}' as other (read_only)")
        mine = connection.execute("select current_catalog()").fetchone()[0]
        tables = connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() where database_name = ? and schema_name in ?",
            [mine, ["staging", "intermediate", "marts"]],
        ).fetchall()
        assert tables
        found = {}
        for (table,) in tables:
            columns = [row[0] for row in connection.execute(f"describe {table}").fetchall() if row[0] != "load_id"]
            listed = ", ".join(columns)
            one, two = f"select {listed} from {mine}.{table}", f"select {listed} from other.{table}"
            count = connection.execute(
                f"select count(*) from (({one} except all {two}) union all ({two} except all {one}))"
            ).fetchone()[0]
            if count:
                found[table] = count
        return found
