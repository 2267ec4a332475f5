"""Writes the sheets of a window as CSV and Parquet."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from exports.errors import SelectionError, SourceError
from exports.folders import replacing
from exports.marts import Window, open_marts

SQL = Path(__file__).parent / "sql"
SHEETS = tuple(sorted(path.stem for path in SQL.glob("*.sql")))


@dataclass(frozen=True)
class Mirror:
    """A sheet that was written: the two files, and their rows."""

    sheet: str
    csv: Path
    parquet: Path
    rows: int


def sheet_sql(sheet: str, window: Window) -> str:
    """The query of a sheet with the dates of `window` in place (COPY takes no parameters). Raises SelectionError."""
    if sheet not in SHEETS:
        raise SelectionError(f"No sheet is called {sheet}: there are {', '.join(SHEETS)}.")
    text = (SQL / f"{sheet}.sql").read_text()
    for name, value in window.parameters().items():
        text = text.replace(f"${name}", f"date '{value.isoformat()}'")
    return text


def export_sheets(marts: Path, out: Path, window: Window, *, sheets: Iterable[str] = SHEETS) -> list[Mirror]:
    """Write <sheet>.csv and <sheet>.parquet of each sheet below <out>/<window>, replacing them whole.

    Rows are in a fixed order and instants in UTC, so that the same marts give the same bytes. Raises SelectionError, SourceError,
    NoSpaceError, DestinationError.
    """
    sheets = list(sheets)
    written = []
    with open_marts(marts) as connection, replacing(out / window.name, lambda name: Path(name).stem in sheets) as folder:
        for sheet in sheets:
            csv, parquet = folder / f"{sheet}.csv", folder / f"{sheet}.parquet"
            try:
                rows = connection.execute(
                    f"copy ({sheet_sql(sheet, window)}) to '{_quoted(csv)}' (format csv, header)"
                ).fetchone()[0]
                connection.execute(
                    f"copy ({sheet_sql(sheet, window)}) to '{_quoted(parquet)}' (format parquet, compression zstd)"
                )
            except (duckdb.CatalogException, duckdb.BinderException) as error:
                raise SourceError(
                    f"The sheet {sheet} cannot be made ({str(error).splitlines()[0]}): build the marts with `make run`, "
                    "or leave the sheet out."
                ) from error
            final = out / window.name
            written.append(Mirror(sheet, final / csv.name, final / parquet.name, rows))
    return written


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
