"""The SQL of a tick on one DuckDB connection, without dbt, tests and checks. Arguments: warehouse, steps (a JSON file)."""

import json
import re
import sys
from pathlib import Path

import duckdb

from serving.places import serve_file


def main(warehouse: Path, steps: Path) -> None:
    """Rewrite the tables and parts of tables that the steps name."""
    connection = duckdb.connect(str(warehouse))
    connection.execute("set timezone = 'UTC'")
    connection.execute(f"attach '{serve_file(warehouse)}' as serve")
    for relation, select, write in json.loads(steps.read_text()):
        if "delete from" in write:
            (part,) = set(re.findall(r'from\s+("\w*__dbt_tmp\w*")', write))
            connection.execute(f"create temp table {part} as {select}")
            connection.execute(write)
        else:
            connection.execute(f"create or replace table {relation} as {select}")
    connection.close()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
