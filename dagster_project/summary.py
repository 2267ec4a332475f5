"""The table at the end of a run, and what to do next."""

from collections.abc import Sequence

import duckdb

from dagster_project import queries
from dagster_project.assets.keys import staging_model
from dagster_project.queries import Row, rows
from dagster_project.settings import REPOSITORY, Settings
from raw_loaders.dictionary import Dictionary

COLUMNS = ("files", "lines", "accepted", "rejected", "bytes_damaged")
HEADINGS = ("stream", "files", "lines", "accepted", "rejected", "damaged bytes", "rows staged")


def stream_rows(con: duckdb.DuckDBPyConnection, dictionary: Dictionary) -> list[list[str | int]]:
    """One row per stream, in the dictionary's order: the numbers of raw.files and the size of the staging model."""
    totals = queries.file_totals(con)
    sizes = queries.table_sizes(con, [("staging", staging_model(stream)) for stream in dictionary.streams])
    return [
        [
            stream,
            *(totals[stream][column] if stream in totals else 0 for column in COLUMNS),
            sizes.get(("staging", staging_model(stream)), 0),
        ]
        for stream in dictionary.streams
    ]


def other_files(con: duckdb.DuckDBPyConnection) -> list[Row]:
    """Files that belong to no stream, by status: how many, and an example with its reason."""
    return rows(
        con,
        """
        select status, status_reason as reason, count(*) as files, min(source_file) as example
        from raw.files where stream is null
        group by status, status_reason
        order by status, reason
        """,
    )


def table(lines: Sequence[Sequence[str | int]]) -> str:
    """An aligned text table with a total line; the first column is text, the others are numbers."""
    total = ["total", *(sum(line[i] for line in lines) for i in range(1, len(HEADINGS)))]
    cells = [[value if isinstance(value, str) else f"{value:,}" for value in line] for line in [*lines, total]]
    widths = [max(len(line[i]) for line in [list(HEADINGS), *cells]) for i in range(len(HEADINGS))]

    def render(line: Sequence[str]) -> str:
        numbers = (cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))
        return "  ".join([line[0].ljust(widths[0]), *numbers])

    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    return "\n".join([render(HEADINGS), rule, *map(render, cells[:-1]), rule, render(cells[-1])])


def next_commands(settings: Settings) -> list[str]:
    """Three commands that make sense after a run."""
    at = "" if settings.data == REPOSITORY / "data" else f" DATA={settings.data}"
    return [
        f"make ui{at}    # lineage, checks, schedules in the browser",
        f"make run{at}   # again: takes in what has landed meanwhile",
        f"make sql{at}   # ask the marts: reads the published version, writes nothing",
    ]
