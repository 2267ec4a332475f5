"""The command `bandit-warehouse`: reads the published marts."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from exports.cli import add_commands as add_exports
from exports.errors import ExportError
from raw_loaders.errors import LoaderError
from serving.docs import add_command as add_docs
from serving.errors import ServingError
from serving.explain import add_command as add_explain
from serving.places import data_folder, published_folder
from serving.query import FORMATS, write_result
from serving.reading import describe, open_version, run
from serving.shell import shell


def build_parser() -> argparse.ArgumentParser:
    """The parser; other packages add their commands to it (`add_command(subparsers)`)."""
    parser = argparse.ArgumentParser(
        prog="bandit-warehouse", description="Reads the published marts. Nothing here writes to them."
    )
    parser.add_argument(
        "--data", type=Path, default=data_folder(), help="folder of the warehouse (default: $DATA, else data in the project)"
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
    add_docs(commands)
    add_explain(commands)
    add_exports(commands)
    return parser


def _query(options: argparse.Namespace) -> None:
    sql = sys.stdin.read() if options.sql == "-" else options.sql
    with open_version(published_folder(options.data)) as connection:
        write_result(run(connection, sql), options.format, options.output)


def _version(options: argparse.Namespace) -> None:
    with open_version(published_folder(options.data)) as connection:
        print(describe(connection))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit code; an expected fault is one sentence on standard error."""
    options = build_parser().parse_args(arguments)
    try:
        options.run(options)
    except (ServingError, ExportError, LoaderError) as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # whoever read our output has seen enough; nothing may be flushed into the closed pipe at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
