"""Helpers to run the dbt project on a warehouse and to look at what it made."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import duckdb

from dbt_commands import dbt
from serving.places import serve_file
from serving.together import open_together

# all staging models with what they rest on: the first two have nearly every one of them as a parent
STAGING = ["--select", "+dim_runs", "+int_attribution_summary", "stg_costs_attribution", "stg_costs_breakdown"]


def build(warehouse: Path, *arguments: str, selection: Sequence[str] = STAGING) -> None:
    """Run `dbt build` of `selection` (default: the staging layer) on `warehouse`; fails with dbt's output."""
    with tempfile.TemporaryDirectory(prefix="dbt-") as target:
        code, said = dbt(warehouse, Path(target), "build", "--indirect-selection", "cautious", *selection, *arguments)
    assert code == 0, said[-8000:]


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
