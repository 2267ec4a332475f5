"""What the ledger says, for people: a summary per stream, and what was damaged or refused."""

from collections.abc import Sequence

import duckdb

SUMMARY = """
select stream, count(*) as files, sum(lines)::bigint as lines, sum(accepted)::bigint as accepted,
    sum(rejected)::bigint as rejected, sum(bytes_damaged)::bigint as damaged_bytes,
    sum(min_lost_records)::bigint as min_lost_records
from raw.files
where stream is not null
group by stream
order by stream
"""
OTHER_FILES = """
select status, count(*) as files, min(source_file) as example
from raw.files where status in ('junk', 'unknown', 'missing', 'unreadable') group by status order by status
"""


def stream_summary(connection: duckdb.DuckDBPyConnection) -> list[dict[str, object]]:
    """One dict per stream with files: stream, files, lines, accepted, rejected, damaged_bytes, min_lost_records."""
    return _dicts(connection, SUMMARY)


def other_files(connection: duckdb.DuckDBPyConnection) -> list[dict[str, object]]:
    """One dict per kind of file that was not loaded or is gone: status, files, example (a path)."""
    return _dicts(connection, OTHER_FILES)


def _dicts(connection: duckdb.DuckDBPyConnection, sql: str) -> list[dict[str, object]]:
    cursor = connection.execute(sql)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def format_table(rows: Sequence[dict[str, object]]) -> str:
    """An aligned text table of equal-keyed dicts: numbers to the right, with thousands separators."""
    if not rows:
        return "(nothing)"
    names = list(rows[0])
    cells = [names] + [[f"{v:,}" if isinstance(v, int) else str(v) for v in row.values()] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(names))]
    is_number = [isinstance(value, int) for value in rows[0].values()]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width) for cell, width, right in zip(line, widths, is_number, strict=True)
        ).rstrip()
        for line in cells
    )
