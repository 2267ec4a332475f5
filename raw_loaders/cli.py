"""The command line of the loader: `python -m raw_loaders load|status`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import duckdb

from raw_loaders.dictionary import load_dictionary
from raw_loaders.errors import LoaderError
from raw_loaders.landing import check_landing
from raw_loaders.load import LoadReport, load_landing
from raw_loaders.status import format_table, other_files, stream_summary
from raw_loaders.turns import hold_turn, this_command, turns_folder
from raw_loaders.warehouse import open_warehouse

EXIT_CODES = """exit codes: 0 done, 1 unexpected fault, 2 landing or arguments wrong, 3 some files unreadable (the others
are loaded), 4 warehouse locked, 5 disk full, 6 warehouse of a newer version, 7 stream dictionary wrong"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; expected faults are one sentence on standard error."""
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except LoaderError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted: every file finished so far is kept, the next load goes on from there", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m raw_loaders",
        description=__doc__,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    commands = parser.add_subparsers(required=True)
    load = commands.add_parser("load", help="read everything that has landed and is not read yet", epilog=EXIT_CODES)
    load.add_argument("--landing", type=Path, required=True, help="folder with the bots' folders 5m, 1h, 12h, 24h in it")
    load.add_argument("--warehouse", type=Path, required=True, help="the DuckDB file; made when it is not there")
    load.add_argument("--stream", action="append", dest="streams", help="load only this stream (repeatable)")
    load.add_argument("--lock-wait", type=float, default=30.0, metavar="S", help="wait this long for a locked warehouse")
    load.add_argument("--adopt", action="store_true", help="the landing was moved here; go on with its warehouse")
    load.add_argument("--reread", action="store_true", help="read every file again, changed or not")
    load.add_argument("--no-progress", action="store_true", help="no progress bar")
    load.set_defaults(run=_load)
    status = commands.add_parser("status", help="show what the warehouse holds", epilog=EXIT_CODES)
    status.add_argument("--warehouse", type=Path, required=True)
    status.add_argument("--lock-wait", type=float, default=30.0, metavar="S")
    status.set_defaults(run=_status)
    return parser


def _load(options: argparse.Namespace) -> int:
    check_landing(options.landing, load_dictionary())  # for a landing that is not there nobody is waited for
    with hold_turn(turns_folder(options.warehouse), this_command("python -m raw_loaders load")):
        report = load_landing(
            options.landing,
            options.warehouse,
            streams=options.streams,
            progress=not options.no_progress and sys.stderr.isatty(),
            lock_wait_s=options.lock_wait,
            adopt=options.adopt,
            reread=options.reread,
        )
    print(_sentence(report))
    report.raise_if_unreadable()
    return 0


def _sentence(report: LoadReport) -> str:
    accepted = sum(file.accepted for file in report.files_read)
    rejected = sum(file.rejected for file in report.files_read)
    return (
        f"{report.load_id}: {len(report.files_read)} files read ({report.bytes_read:,} bytes), {report.unchanged} unchanged, "
        f"{report.missing} gone; {accepted:,} records accepted, {rejected:,} lines rejected"
    )


def _status(options: argparse.Namespace) -> int:
    if not options.warehouse.exists():
        raise LoaderError(f"There is no warehouse {options.warehouse}: load a landing into it first.")
    with (
        # the raw schema is brought up to date: this writes, too
        hold_turn(turns_folder(options.warehouse), this_command("python -m raw_loaders status")),
        open_warehouse(options.warehouse, load_dictionary(), lock_wait_s=options.lock_wait) as connection,
    ):
        print(format_table(stream_summary(connection)))
        print()
        print(format_table(other_files(connection)))
        _print_list(
            connection,
            "damaged ranges",
            "raw.damaged_ranges",
            "source_file, byte_start, byte_end, reason, min_lost_records",
        )
        _print_list(connection, "rejected lines", "raw.rejected_lines", "source_file, line_no, reason, detail")
        _print_list(connection, "unknown keys", "raw.unknown_keys", "stream, key, source_file, records")
    return 0


def _print_list(connection: duckdb.DuckDBPyConnection, title: str, table: str, columns: str) -> None:
    count = connection.execute(f"select count(*) from {table}").fetchone()[0]
    if count:
        print(f"\n{count:,} {title} (all of them in {table}):")
        for row in connection.execute(f"select {columns} from {table} order by all limit 10").fetchall():
            print("  " + "  ".join(str(value) for value in row))
