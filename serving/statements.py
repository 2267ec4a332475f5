"""Tells, before anything runs, whether a text of SQL only reads.

Opened for reading and without external access, DuckDB still lets a statement write to its own file, to that file's write-ahead
log and to its folder for temporary files. So only statements that read are let through, and no function that acts on the session.
"""

import re

import duckdb

from serving.errors import QueryError

READ_ONLY = (
    "The published version is read-only: a query may write no table, no file and no setting, and may read no other file, "
    "address or extension"
)
# functions one can select from that log or profile into files, take SQL as text (which would not be looked at), or read memory
ACTING = frozenset(
    {
        "arrow_scan", "arrow_scan_dumb", "checkpoint", "disable_logging", "disable_profiling", "enable_logging",
        "enable_profiling", "force_checkpoint", "import_database", "json_execute_serialized_sql", "pandas_scan",
        "python_map_function", "query", "truncate_duckdb_logs", "write_log",
    }
)  # fmt: skip
# settings of one's own session: where names are looked up, and variables
_HARMLESS_SETTINGS = (("use",), ("set", "variable"), ("reset", "variable"))
_WORD = re.compile(r'"(?:[^"]|"")*"|\w+|.', re.DOTALL)
# DuckDB's parser takes them for blanks, its lexer for letters
_ODD_BLANKS = re.compile(r"[^\S\n\r ]|[\u180e\u200b-\u200f\u2060\ufeff]")
_Statement = duckdb.Statement
_Type = duckdb.StatementType


def read_statements(connection: duckdb.DuckDBPyConnection, sql: str) -> list[list[_Statement]]:
    """The statements of `sql`, none of which does more than read; for each, the parts that DuckDB runs it in.

    Reading are queries in all their forms (`from`, `values`, `describe`, `summarize`, `show`, `pivot` …), `explain` of one, and
    `use` and `set variable`, which change the session only. Nothing is run here. Raises QueryError, with one sentence, for a text
    that holds anything else, and duckdb.Error for one that is no SQL.
    """
    try:
        sql.encode()
    except UnicodeEncodeError as error:
        raise QueryError(f"The query is no text in UTF-8: look behind its first {error.start} characters.") from error
    words = [word for _, word in _words(sql)]
    for word, following in zip(words, [*words, ""][1:], strict=True):
        # what an import would run is not in the text; DuckDB reads it from files while it splits the text
        if (word in ACTING and following == "(") or (word, following) == ("import", "database"):
            raise QueryError(f"{READ_ONLY} ({word} does more than read).")
    parts = connection.extract_statements(sql)
    found: list[list[_Statement]] = []
    whole = True
    for part in parts:
        # DuckDB runs a pivot in two parts, of which the first makes a type of the values; they come without text
        of_pivot = not part.query and part.type == _Type.CREATE and any(word.startswith("pivot") for word in words)
        if not (of_pivot or _reads(connection, part)):
            raise QueryError(f"{READ_ONLY} ({_named(part)}).")
        if whole:
            found.append([])
        found[-1].append(part)
        whole = not of_pivot
    return found


def _reads(connection: duckdb.DuckDBPyConnection, statement: _Statement) -> bool:
    if statement.type == _Type.EXPLAIN:
        # `explain analyze` runs what it explains
        inner = connection.extract_statements(_explained(statement.query))
        return [part.type for part in inner] == [_Type.SELECT]
    if statement.type == _Type.SET:
        words = tuple(word for _, word in _words(statement.query)[:2])
        return any(words[: len(setting)] == setting for setting in _HARMLESS_SETTINGS)
    return statement.type == _Type.SELECT


def _named(statement: _Statement) -> str:
    of_what = " of something that does more than read" if statement.type == _Type.EXPLAIN else ""
    return f"statement of type {statement.type.name}{of_what}"


def _explained(text: str) -> str:
    """What follows `explain`, `explain analyze` or `explain (options)`; DuckDB's own lexer knows what is a comment."""
    text = _ODD_BLANKS.sub(" ", text)
    words = _words(text)
    at = 1
    if at < len(words) and words[at][1] in ("analyze", "analyse"):
        at += 1
    elif [word for _, word in words[at : at + 2]] in (["(", "analyze"], ["(", "analyse"], ["(", "format"]):
        at = next((number for number, (_, word) in enumerate(words) if word == ")"), len(words)) + 1
    return text.encode()[words[at][0] :].decode() if at < len(words) else ""


def _words(sql: str) -> list[tuple[int, str]]:
    """Words, signs and names of `sql`, in small letters and without quotes, each with the byte it begins at; no comments."""
    sql = _ODD_BLANKS.sub(" ", sql)
    text = sql.encode()
    starts = [start for start, _ in duckdb.tokenize(sql)]
    ends = [*starts, len(text)][1:]
    return [
        (start, _WORD.match(text[start:end].decode(errors="replace"))[0].strip('"').lower())
        for start, end in zip(starts, ends, strict=True)
    ]
