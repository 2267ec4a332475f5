"""A prompt for SQL on the published version."""

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb

from serving.errors import ServingError
from serving.query import write_result
from serving.reading import describe, open_version, results

_TABLES = """
select table_schema, table_name from information_schema.tables where table_schema in ('marts', 'reference') order by all
"""
_HELP = """\
  select …;        any query, ended by a semicolon, over as many lines as you like
  .tables          the marts and the reference tables
  .schema NAME     columns of a table and their types
  .version         which version this is and how old
  .reload          go on with the newest version
  .quit            leave (or Ctrl-D)"""


def shell(published: Path) -> None:
    """Read queries from standard input and print their rows until it ends. Raises NothingPublishedError."""
    connection = open_version(published)
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - line editing and history for input()
    interactive = sys.stdin.isatty()
    if interactive:
        print(f"marts, read-only: {describe(connection)}. `.help` says more.")
    pending = ""
    while True:
        try:
            line = input(("sql> " if not pending else "...> ") if interactive else "")
        except EOFError:
            break
        except KeyboardInterrupt:
            print()
            pending = ""
            continue
        if not pending and line.strip().startswith("."):
            if line.strip() in (".quit", ".exit"):
                break
            connection = _command(line.strip(), connection, published)
            continue
        pending = f"{pending}\n{line}" if pending else line
        if pending.rstrip().endswith(";"):
            _guarded(_show, connection, pending)
            pending = ""
    if pending.strip():
        _guarded(_show, connection, pending)
    connection.close()


def _show(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    for relation in results(connection, sql):
        write_result(relation, "table")


def _guarded(action: Callable[..., None], *arguments: object) -> None:
    try:
        action(*arguments)
    except ServingError as error:
        print(error, file=sys.stderr)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)


def _command(line: str, connection: duckdb.DuckDBPyConnection, published: Path) -> duckdb.DuckDBPyConnection:
    name, _, argument = line.partition(" ")
    if name == ".tables":
        _guarded(_show, connection, _TABLES)
    elif name == ".schema" and argument:
        table = argument.strip().rstrip(";")
        _guarded(_show, connection, f"select column_name, column_type from (describe {table})")
    elif name == ".version":
        print(describe(connection))
    elif name == ".reload":
        connection.close()
        connection = open_version(published)
        print(describe(connection))
    else:
        print(_HELP)
    return connection
