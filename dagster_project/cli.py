"""`python -m dagster_project run | prepare | publish`: what `make run` and `make ui` call, and a publication by hand."""

import argparse
import contextlib
import datetime as dt
import sqlite3
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import duckdb
import sqlalchemy
from dagster import Definitions
from tqdm import tqdm

from dagster_project import ops_tables, summary
from dagster_project.assets.day_reconciliation import days_to_reconcile
from dagster_project.assets.dbt import mart_keys, read_manifest
from dagster_project.assets.keys import DAY_RECONCILIATION
from dagster_project.build import build_definitions
from dagster_project.dbt_start import start_ahead
from dagster_project.instance import forget_materialisations, prepare_home
from dagster_project.landing import check_warehouse_is_there, make_demo_landing, make_room_for_real_logs
from dagster_project.partitions import DAY_FORMAT
from dagster_project.resources import warehouse_resource
from dagster_project.runner import RunFailedError, RunResult, Span, day_spans, execute, hour_span
from dagster_project.schedules import DAILY_JOB, HOURLY_JOB
from dagster_project.settings import HAND_ANNOUNCEMENT_LIMIT, Settings, SettingsError, remember_landing
from raw_loaders.dictionary import load_dictionary
from raw_loaders.errors import LoaderError, WarehouseLockedError, check_is_there
from raw_loaders.landing import check_landing
from raw_loaders.turns import hold_turn, this_command
from serving import ServingError, publish

_NAMED_SPANS = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code. Expected faults are one sentence on stderr."""
    options = _parser().parse_args(arguments)
    try:
        settings = replace(Settings.from_env(), progress=sys.stderr.isatty())
        if options.command == "prepare":
            settle(settings)
        elif options.command == "publish":
            _publish(settings)
        else:
            run(settings, options)
    except (LoaderError, ServingError, SettingsError, RunFailedError) as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except (duckdb.IOException, OSError) as error:
        print(f"error: A file could not be opened or written: {str(error).splitlines()[0]}", file=sys.stderr)
        return 1
    except (sqlite3.OperationalError, sqlalchemy.exc.OperationalError) as error:
        print(
            f"error: Dagster could not write its records in {settings.dagster_home}: {getattr(error, 'orig', error)}. See that "
            "the disk has room and the folder may be written, then run again: what was loaded is kept, and the version "
            "published last stands.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print("interrupted: what was loaded is kept, the same command goes on from there", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dagster_project",
        description="Runs the warehouse. LANDING, DATA and PARTITIONS_START are read from the environment.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run_command = commands.add_parser("run", help="take in what has landed, build and check everything")
    which = run_command.add_mutually_exclusive_group()
    which.add_argument("--partition", metavar="KEY", help="an IST hour (2025-11-21-14:00) or day (2025-11-21)")
    which.add_argument("--from", dest="first", metavar="KEY", help="first hour or day of a range, run as one")
    which.add_argument("--tick", action="store_true", help="the hourly job alone, as its schedule runs it")
    which.add_argument("--all", action="store_true", help="report every hour that holds data and reconcile every day anew")
    run_command.add_argument("--to", dest="last", metavar="KEY", help="last hour or day of the range, inclusive")
    commands.add_parser("publish", help="publish what stands in the warehouse, without any check")
    commands.add_parser("prepare", help="make the landing and Dagster's storage ready, load nothing (for the UI)")
    return parser


def settle(settings: Settings) -> None:
    """Make landing and Dagster's home ready: the demo landing when none was named, room for real logs after a demo.

    Waits for its turn at the warehouse. Raises LandingError, before anything is written or waited for, when the landing named
    is missing or holds no file of a stream, WarehouseGoneError when the warehouse was moved away.
    """
    _check_what_is_named(settings)
    with _turn_of(settings, "prepare"):
        if _lacks_demo(settings):
            with _stage(f"making the demo landing {settings.landing}"):
                make_demo_landing(settings.landing)
            check_landing(settings.landing, load_dictionary())
        check_warehouse_is_there(settings)
        message = make_room_for_real_logs(settings)
        prepare_home(settings)
        if message:
            print(f"  {message}", file=sys.stderr)
            forget_materialisations()
        remember_landing(settings)


def _check_what_is_named(settings: Settings) -> None:
    if not _lacks_demo(settings):
        check_landing(settings.landing, load_dictionary())
    check_warehouse_is_there(settings)


def _lacks_demo(settings: Settings) -> bool:
    return settings.landing == settings.data / "landing" and not settings.landing.exists()


def _turn_of(settings: Settings, command: str) -> contextlib.AbstractContextManager[None]:
    """The turn that every writer takes; the runs of this command go on in it."""
    return hold_turn(settings.turns, this_command(f"python -m dagster_project {command}"))


def run(settings: Settings, options: argparse.Namespace) -> None:
    """Both jobs: the hours asked for, then (but for a tick) the days that need reconciling; prints the summary to stdout.

    All of it is one turn: between the jobs, too, this command asks the warehouse what there is to do.
    Raises SettingsError for a wrong key or a stale manifest, LoaderError and RunFailedError for what goes wrong later.
    """
    if options.last and not options.first:
        raise SettingsError("--to needs --from: name the first partition of the range too.")
    hours = hour_span(settings, options.partition or options.first, options.last or options.partition)
    _check_what_is_named(settings)
    with _turn_of(settings, "run"):
        settle(settings)
        if not options.tick:
            settings = replace(settings, announcement_limit=None if options.all else HAND_ANNOUNCEMENT_LIMIT)
        if options.all:
            _forget_reports(settings)
        defs = build_definitions(settings)
        result, refused = _run_hours(settings, defs, hours)
        if refused and options.tick:
            raise refused
        asked = _days_of(hours) if options.partition or options.first or refused else set()
        spans = [] if options.tick else day_spans(settings, asked | _stale_days(settings))
        if spans:
            _run_days(settings, defs, spans, result)
        _print_summary(settings, result)


def _run_hours(settings: Settings, defs: Definitions, hours: Span) -> tuple[RunResult, RunFailedError | None]:
    """What the hourly job did; with the fault for which it did not publish, where it is one that the daily job looks at again."""
    with _stage(f"hourly job for {_describe(hours)}: load, check, dbt build, check, publish"), _output_to(settings, HOURLY_JOB):
        try:
            return execute(settings, defs, HOURLY_JOB, hours), None
        except RunFailedError as error:
            if error.is_for_daily_run:
                return error.result, error
            raise


def _run_days(settings: Settings, defs: Definitions, spans: Sequence[Span], result: RunResult) -> None:
    """The daily job for these days; `result` takes its warnings and what it published."""
    *older, newest = spans
    start_ahead(settings.parsed_project)
    with (
        _stage(f"daily job for {_describe(*spans)}: reconcile days, check whole tables, publish"),
        _output_to(settings, DAILY_JOB),
    ):
        for span in tqdm(older, desc="days apart", unit="range", disable=not settings.progress or not older, leave=False):
            execute(settings, defs, DAILY_JOB, span, only=[DAY_RECONCILIATION])
        # whole tables are checked and published once, after the last of the days
        daily_result = execute(settings, defs, DAILY_JOB, newest)
    result.warnings.update(daily_result.warnings)
    result.published = daily_result.published


def _publish(settings: Settings) -> None:
    """What stands in the warehouse, for the cases in which a person knows better than a check; a mart must not be missing."""
    check_is_there(settings.warehouse)
    expected = [key.path[-1] for key in mart_keys(read_manifest(settings))]
    with _turn_of(settings, "publish"):
        version = publish(settings.warehouse, settings.published, expected=expected, wait_s=settings.lock_wait_s)
    print(f"Published: version {version.version_id}, without any check")


def _describe(*spans: Span) -> str:
    named = [span.first if span.first == span.last else f"{span.first} to {span.last}" for span in spans[-_NAMED_SPANS:]]
    if more := len(spans) - len(named):
        named.append(f"{more} older range{'s' if more > 1 else ''} of days")
    return " and ".join(named)


def _days_of(hours: Span) -> set[dt.date]:
    first, last = (dt.datetime.strptime(key[:10], DAY_FORMAT).date() for key in (hours.first, hours.last))
    return {first + dt.timedelta(days=i) for i in range((last - first).days + 1)}


def _stale_days(settings: Settings) -> set[dt.date]:
    with warehouse_resource(settings).connect() as con:
        return set(days_to_reconcile(con, list(load_dictionary().streams)))


def _forget_reports(settings: Settings) -> None:
    if settings.warehouse.exists():
        with warehouse_resource(settings).connect() as con:
            ops_tables.create_ops_tables(con)
            con.execute("delete from ops.announced_loads")
            con.execute("delete from ops.reconciled_loads")
            con.execute("delete from ops.reconciled_load_days")


@contextlib.contextmanager
def _stage(what: str) -> Iterator[None]:
    print(f"  {what} ...", file=sys.stderr, flush=True)
    started = time.monotonic()
    yield
    print(f"  {what.split(' for ')[0].split(':')[0]}: {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _output_to(settings: Settings, job: str) -> Iterator[None]:
    """What dbt prints goes to <DATA>/last_<job>_run.log: the terminal shows stages, the UI events."""
    with (settings.data / f"last_{job}_run.log").open("w") as log, contextlib.redirect_stdout(log):
        yield


def _print_table(settings: Settings) -> None:
    with warehouse_resource(settings).connect(read_only=True) as con:
        lines = summary.stream_rows(con, load_dictionary())
        others = summary.other_files(con)
    print(summary.table(lines))
    for other in others:
        print(f"not loaded: {other['files']} {other['status']} files ({other['reason']}), e.g. {other['example']}")


def _print_summary(settings: Settings, result: RunResult) -> None:
    try:
        _print_table(settings)
    except WarehouseLockedError as error:
        # a stranger, who takes no turn, opened the file after the run was over and published: that is no fault of the run
        print(f"The run is done; its table cannot be shown: {error}")
    for first, *more in result.warnings.values():
        print(f"warning: {first}{f' - and of {len(more)} more tables' if more else ''}")
    files = sum(int(read["files_read"]) for read in result.read.values())
    size = sum(int(read["bytes_read"]) for read in result.read.values())
    print(f"\nThis run: {size:,} bytes read from {files:,} files, {result.checks} checks evaluated.")
    if result.published:
        print(f"Published: version {result.published['version']}, newest event {result.published['newest_event']}")
    print(f"Landing:   {settings.landing}\nWarehouse: {settings.warehouse}\nNext:")
    for command in summary.next_commands(settings):
        print(f"  {command}")
