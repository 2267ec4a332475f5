"""A backfill of 30 days of four bots in one run, raw to published marts, over one hand-written DuckDB script.

Both read the same files and compute the same tables with the same SQL (bar_script.py). The script does without ledger, damaged
files, tests, checks, contracts, partitions and versions; what those cost is the ratio.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import duckdb

from benchmarks.process import REPOSITORY, measure, python
from raw_loaders.dictionary import load_dictionary
from serving.together import open_together

LIMIT = 1.5


def main() -> None:
    """Simulate, run both, compare the tables, print the ratio. Exits with 1 when it is above LIMIT or the tables differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        landing, data = folder / "landing", folder / "data"
        simulate = python("-m", "raw_loaders.simulate", "--out", landing, "--seed", "3", "--trading", "active", "--runs", "11")
        measure([*simulate, "--days", str(options.days)])
        size = sum(file.stat().st_size for file in landing.rglob("*") if file.is_file())
        ours = _run(landing, data)
        plan = folder / "plan.json"
        plan.write_text(json.dumps(_plan(data)))
        by_hand = folder / "by_hand"
        by_hand.mkdir()
        bar = measure(python(REPOSITORY / "benchmarks" / "bar_script.py", landing, data / "warehouse.duckdb", plan, by_hand))
        manifest = json.loads((folder / "landing.manifest.json").read_text())
        written = sum(stream["accepted"] for stream in manifest["streams"].values())
        records, differing = _compared(data / "warehouse.duckdb", by_hand / "warehouse.duckdb")
    ratio = ours / bar.wall_s
    # the script reads gzip as DuckDB does, which now and then loses lines where one member ends and the next begins
    is_good = ratio <= LIMIT and records[0] == written and (records[1] < written or not differing)
    print(f"\nbackfill of {options.days} days, {size / 1e6:.0f} MB landed")
    print(f"  one run, raw to published marts: {ours:.0f} s; one hand-written script: {bar.wall_s:.0f} s")
    print(f"  records written {written:,}, read by the run {records[0]:,}, by the script {records[1]:,}")
    print(f"  tables with another number of rows: {', '.join(differing) or 'none'}")
    print(f"  ratio {ratio:.2f} (at most {LIMIT}): {'met' if is_good else 'MISSED'}")
    raise SystemExit(0 if is_good else 1)


def _run(landing: Path, data: Path) -> float:
    environment = os.environ | {
        "LANDING": str(landing), "DATA": str(data), "DAGSTER_HOME": str(data / "dagster_home"),
        "WAREHOUSE_PATH": str(data / "warehouse.duckdb"), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }  # fmt: skip
    began = time.perf_counter()
    command = list(map(str, python("-m", "dagster_project", "run")))
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"the backfill failed: {done.stderr[-2000:]}")
    return time.perf_counter() - began


def _plan(data: Path) -> dict[str, object]:
    """The SQL of every model as dbt ran it, in an order in which each finds what it reads."""
    target = data / "dbt_target"
    nodes = json.loads((target / "manifest.json").read_text())["nodes"]
    dictionary = load_dictionary()
    specs = {name: dictionary.streams[name] for name in dictionary.bot_streams}
    streams = {name: {"field": spec.clock_field, "is": spec.clock} for name, spec in specs.items()}
    seeds = [f'staging."{node["alias"]}"' for node in nodes.values() if node["resource_type"] == "seed"]
    with duckdb.connect(str(data / "warehouse.duckdb"), read_only=True) as connection:
        ledger = connection.execute("select table_name from duckdb_tables() where schema_name = 'raw'").fetchall()
    copied = [f'raw."{table}"' for (table,) in ledger if table not in streams] + seeds
    models = {id_: node for id_, node in nodes.items() if node["resource_type"] == "model"}
    done: list[str] = []

    def add(id_: str) -> None:
        for parent in models[id_]["depends_on"]["nodes"]:
            if parent in models and parent not in done:
                add(parent)
        if id_ not in done:
            done.append(id_)

    for id_ in models:
        add(id_)
    compiled = target / "compiled" / "bandit_warehouse"
    return {
        "streams": streams,
        "copied": copied,
        "models": [
            [
                models[id_]["relation_name"],
                "view" if models[id_]["config"]["materialized"] == "view" else "table",
                (compiled / models[id_]["original_file_path"]).read_text(),
            ]
            for id_ in done
        ],
    }


def _compared(ours: Path, by_hand: Path) -> tuple[list[int], list[str]]:
    """Records that each of the two read, and the tables of which they made another number of rows."""
    streams = load_dictionary().bot_streams
    with open_together(ours) as mine, open_together(by_hand) as bar:
        tables = mine.execute(
            "select schema_name, view_name from duckdb_views() where schema_name in ('staging', 'intermediate', 'marts')"
        ).fetchall()
        rows = [{table: _count(con, *table) for table in tables} for con in (mine, bar)]
        records = [sum(_count(con, "raw", stream) for stream in streams) for con in (mine, bar)]
    return records, sorted(table[1] for table in tables if rows[0][table] != rows[1][table])


def _count(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> int:
    return connection.execute(f'select count(*) from {schema}."{table}"').fetchone()[0]


if __name__ == "__main__":
    main()
