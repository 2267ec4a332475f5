"""Opens the tables analysts read. The one place that knows which file holds the schema `marts`."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from exports.errors import SelectionError, SourceError
from serving.places import serve_file

TIME_ZONE = "Asia/Kolkata"


@dataclass(frozen=True)
class Window:
    """IST dates from `first` to before `end`."""

    first: dt.date
    end: dt.date

    def __post_init__(self) -> None:
        if self.first >= self.end:
            raise SelectionError(
                f"The window from {self.first} to before {self.end} is empty: the end must come after the start."
            )

    @property
    def name(self) -> str:
        """The folder of exports of this window: one date, or the first and the last."""
        last = self.end - dt.timedelta(days=1)
        return f"date={self.first}" if last == self.first else f"dates={self.first}_{last}"

    @property
    def days(self) -> list[dt.date]:
        """Every date of the window."""
        return [self.first + dt.timedelta(days=n) for n in range((self.end - self.first).days)]

    def parameters(self) -> dict[str, dt.date]:
        """The named parameters $first and $end of a query."""
        return {"first": self.first, "end": self.end}


@contextmanager
def open_marts(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection in UTC in which `marts.<table>` resolves.

    `path` is a published file, or a warehouse: its marts then lie in it or in <stem>.serve.duckdb beside it. Raises SourceError.
    """
    served = serve_file(path)
    source = (served if served.is_file() else path).resolve()
    if not source.is_file():
        raise SourceError(f"There is no file {path}: run the warehouse first, or name the published file.")
    try:
        connection = duckdb.connect(str(source), read_only=True)
    except duckdb.Error as error:
        raise SourceError(
            f"{source} cannot be opened ({str(error).splitlines()[0]}): wait for the run that writes it, "
            "or name the published file."
        ) from error
    try:
        connection.execute("set timezone = 'UTC'")
        yield connection
    finally:
        connection.close()


def query(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: dict[str, object] | None = None
) -> tuple[list[str], list[tuple]]:
    """Column names and rows. A table or column that is missing is a SourceError."""
    try:
        cursor = connection.execute(sql, parameters) if parameters else connection.execute(sql)
    except duckdb.CatalogException as error:
        raise SourceError(f"The marts lack a table ({str(error).splitlines()[0]}): build them with `make run`.") from error
    except duckdb.BinderException as error:
        raise SourceError(
            f"The marts are of another release ({str(error).splitlines()[0]}): build them with `make run`."
        ) from error
    return [column[0] for column in cursor.description], cursor.fetchall()
