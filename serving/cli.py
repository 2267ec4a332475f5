"""The command `bandit-warehouse`: reads the published marts."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from serving.errors import ServingError
from serving.explain import add_command as add_explain
from serving.query import FORMATS, write_result
from serving.reading import describe, open_version, run
from serving.shell import shell


def build_parser() -> argparse.ArgumentParser:
    """The parser; other packages add their commands to it (`add_command(subparsers)`)."""
    parser = argparse.ArgumentParser(
        prog="bandit-warehouse", description="Reads the published marts. Nothing here writes to them."
    )
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("DATA", "data")), help="folder of the warehouse (default: $DATA or data)"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    query = commands.add_parser("query", help="run one query and write its rows")
    query.add_argument("sql", help="the query; - reads it from standard input")
    query.add_argument("--format", choices=FORMATS, default="table")
    query.add_argument("--output", type=Path, help="file to write to (default: standard output)")
    query.set_defaults(run=_query)
    prompt = commands.add_parser("sql", help="a prompt for queries")
    prompt.set_defaults(run=lambda options: shell(published_folder(options.data)))
    version = commands.add_parser("version", help="which version is published, and how old it is")
    version.set_defaults(run=_version)
    add_explain(commands)
    return parser


def published_folder(data: Path) -> Path:
    """Where the versions of a data folder are published."""
    return data / "published"


def _query(options: argparse.Namespace) -> None:
    sql = sys.stdin.read() if options.sql == "-" else options.sql
    with open_version(published_folder(options.data)) as connection:
        relation = run(connection, sql)
        if relation is not None:
            write_result(relation, options.format, options.output)


def _version(options: argparse.Namespace) -> None:
    with open_version(published_folder(options.data)) as connection:
        print(describe(connection))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code; an expected fault is one sentence on standard error."""
    options = build_parser().parse_args(arguments)
    try:
        options.run(options)
    except ServingError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0
