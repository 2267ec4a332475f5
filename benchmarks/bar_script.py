"""The bar for a backfill: one script, one DuckDB connection, no framework.

Reads the landed files with DuckDB's own reader and computes the same tables with the same SQL, in order. What people would
write by hand on an afternoon: no ledger, no damaged files, no tests, no partitions, no versions.
Arguments: landing, the warehouse that the project built of it, a file with the SQL (JSON), folder for the result.
"""

import json
import sys
from pathlib import Path

import duckdb

RAW = """
    create table raw."{stream}" as
    select
        replace(filename, $landing, '') as source_file,
        row_number() over () as line_no,
        0::bigint as byte_offset, 0::bigint as member_no, 0::bigint as member_offset,
        json as record,
        0::ubigint as key_hash,
        {emitted_at} as emitted_at,
        {bar_open_at} as bar_open_at,
        'by hand' as load_id
    from read_ndjson_objects({files}, filename = true, maximum_object_size = 16777216)
"""


def main(landing: Path, built: Path, plan: Path, folder: Path) -> None:
    """Compute every table into `folder`."""
    steps = json.loads(plan.read_text())
    # the same names as the project's own files, because they stand in the SQL
    connection = duckdb.connect(str(folder / "warehouse.duckdb"), config={"storage_compatibility_version": "latest"})
    connection.execute("set timezone = 'UTC'")
    connection.execute(f"attach '{folder / 'warehouse.serve.duckdb'}' as serve")
    connection.execute(f"attach '{built}' as built (read_only)")
    connection.execute("create schema raw; create schema staging; create schema intermediate; create schema serve.marts")
    for table in steps["copied"]:
        connection.execute(f"create table {table} as from built.{table}")
    for stream, clock in steps["streams"].items():
        names = connection.execute(
            "select source_file from raw.files where stream = ? and accepted > 0 order by all", [stream]
        ).fetchall()
        instant = f"(json ->> '$.{clock['field']}')::timestamptz"
        is_emitted = clock["is"] == "emitted_at"
        connection.execute(
            RAW.format(
                stream=stream,
                files=[str(landing / name) for (name,) in names],
                emitted_at=instant if is_emitted else "null::timestamptz",
                bar_open_at="null::timestamptz" if is_emitted else instant,
            ),
            {"landing": f"{landing}/"},
        )
    for relation, kind, sql in steps["models"]:
        connection.execute(f"create {kind} {relation} as {sql}")
    connection.execute("checkpoint; checkpoint serve")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
