"""The commands `bandit-warehouse export …` and `bandit-warehouse archive …`."""

import argparse
import contextlib
import datetime as dt
from pathlib import Path

from exports.archive.files import delete_landing_files
from exports.archive.partitions import Policy, Selection
from exports.archive.restore import restore
from exports.archive.run import ArchiveReport, Destinations, archive, verify
from exports.archive.status import archive_status
from exports.errors import CorruptArchiveError, SelectionError
from exports.health import export_health
from exports.report.render import export_audit
from exports.settings import ExportSettings, window_of
from exports.sheets.crosscheck import cross_check
from exports.sheets.mirror import SHEETS, export_sheets
from exports.summaries.run import HOLD_SHARE, NAMES, export_summaries
from raw_loaders.errors import check_is_there
from raw_loaders.status import format_table
from raw_loaders.turns import hold_turn, this_command, turns_folder

WHOLE = "dates are IST dates, both included; what is left open reaches as far as the decisions do"


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `export` and `archive` to a parser whose options have `data`, the folder of the warehouse."""
    _add_export(commands.add_parser("export", help="write summaries, health buckets, the audit report or sheets"))
    _add_archive(commands.add_parser("archive", help="keep raw partitions as Parquet, and bring them back"))


def _add_export(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(required=True)
    summaries = _kind(kinds, "summaries", "JSON lines for language models", _summaries)
    summaries.add_argument("--only", action="append", choices=NAMES, help="only this one (repeatable)")
    summaries.add_argument("--hold-share", type=float, default=HOLD_SHARE, help="share of HOLD decisions kept (default 0.05)")
    _kind(kinds, "audit", "the audit report as Markdown and HTML", _audit)
    sheets = _kind(kinds, "sheets", "CSV and Parquet mirrors of the bot's sheets", _sheets)
    sheets.add_argument("--only", action="append", choices=SHEETS, help="only this one (repeatable)")
    health = _kind(kinds, "health", "health buckets with their retentions", _health, has_window=False)
    health.add_argument("--as-of", type=dt.datetime.fromisoformat, help="instant with offset (default: the newest record)")
    check = _kind(kinds, "check-sheet", "compare a sheet the bot kept (CSV) with ours", _check_sheet)
    check.add_argument("sheet")
    check.add_argument("--bot", help="the bot whose sheet it is (each bot keeps its own)")
    check.add_argument("csv", type=Path)


def _kind(kinds: object, name: str, text: str, run: object, *, has_window: bool = True) -> argparse.ArgumentParser:
    parser = kinds.add_parser(name, help=text, epilog=WHOLE if has_window else None)
    if has_window:
        parser.add_argument("--from", dest="first", type=dt.date.fromisoformat, metavar="DATE")
        parser.add_argument("--to", dest="last", type=dt.date.fromisoformat, metavar="DATE")
    parser.add_argument("--out", type=Path, help="folder to write to (default: $EXPORTS or <data>/exports)")
    parser.add_argument("--marts", type=Path, help="file with the marts (default: the published one, else the warehouse)")
    parser.set_defaults(run=run)
    return parser


def _add_archive(parser: argparse.ArgumentParser) -> None:
    steps = parser.add_subparsers(required=True)
    run = _step(steps, "run", "write, move and verify what is due", _archive_run)
    run.add_argument("--hot-days", type=int, help="days before a partition is written (default: $HOT_DAYS or 30)")
    run.add_argument("--warm-days", type=int, help="days before it moves to the archive (default: $WARM_DAYS or 90)")
    run.add_argument("--dry-run", action="store_true", help="only say what would be done")
    run.add_argument("--replace-lost", action="store_true", help="replace copies that hold records the warehouse lacks")
    run.add_argument("--new-destination", action="store_true", help="fill a destination that holds no archive yet")
    _step(steps, "status", "list what is archived, and where", _archive_status)
    _step(steps, "verify", "read every copy again", _archive_verify)
    back = _step(steps, "restore", "bring partitions back as landing files", _archive_restore)
    back.add_argument("--into", type=Path, required=True, help="landing folder to write to; what is there is never changed")
    back.add_argument("--dry-run", action="store_true", help="check everything, write nothing")
    delete = _step(steps, "delete-landing", "delete archived landing files by name", _archive_delete, has_selection=False)
    delete.add_argument("files", nargs="+", help="paths relative to the landing, as in raw.files")
    delete.add_argument("--dry-run", action="store_true", help="check everything, delete nothing")


def _step(steps: object, name: str, text: str, run: object, *, has_selection: bool = True) -> argparse.ArgumentParser:
    parser = steps.add_parser(name, help=text)
    if has_selection:
        parser.add_argument("--stream", action="append", dest="streams", help="only this stream (repeatable)")
        parser.add_argument("--asset", action="append", dest="assets", help="only this asset (repeatable)")
        parser.add_argument("--from", dest="first", type=dt.date.fromisoformat, metavar="DATE")
        parser.add_argument("--to", dest="last", type=dt.date.fromisoformat, metavar="DATE", help="last date, included")
    parser.add_argument("--warm", help="path or URL of warm partitions (default: $ARCHIVE_WARM or <data>/archive/warm)")
    parser.add_argument("--cold", help="path or URL of the archive (default: $ARCHIVE_COLD or <data>/archive/cold)")
    parser.set_defaults(run=run)
    return parser


def _settings(options: argparse.Namespace) -> ExportSettings:
    return ExportSettings.from_env(options.data)


def _summaries(options: argparse.Namespace) -> None:
    marts, out, window = _places(options, "summaries")
    for file in export_summaries(marts, out, window, names=options.only or NAMES, hold_share=options.hold_share):
        print(f"{file.path}: {file.records:,} records, {file.bytes:,} bytes")


def _audit(options: argparse.Namespace) -> None:
    for path in export_audit(*_places(options, "audit")):
        print(path)


def _sheets(options: argparse.Namespace) -> None:
    for mirror in export_sheets(*_places(options, "sheets"), sheets=options.only or SHEETS):
        print(f"{mirror.csv}: {mirror.rows:,} rows (and as Parquet)")


def _health(options: argparse.Namespace) -> None:
    settings = _settings(options)
    if options.as_of is not None and options.as_of.tzinfo is None:
        raise SelectionError(f"--as-of {options.as_of.isoformat()} has no offset: write it with one, such as +05:30.")
    for file in export_health(options.marts or settings.marts, options.out or settings.exports, as_of=options.as_of):
        print(f"{file.path}: {file.records:,} buckets")


def _places(options: argparse.Namespace, kind: str) -> tuple[Path, Path, object]:
    settings = _settings(options)
    marts = options.marts or settings.marts
    return marts, options.out or settings.exports / kind, window_of(marts, options.first, options.last)


def _check_sheet(options: argparse.Namespace) -> None:
    marts, _, window = _places(options, "sheets")
    result = cross_check(marts, options.sheet, options.csv, window, options.bot)
    print(
        f"{result.sheet}: {result.matched:,} rows match, {result.only_theirs:,} only in the sheet, "
        f"{result.only_ours:,} only here; "
        f"{result.difference_count:,} values differ in {', '.join(result.compared_columns) or 'no common column'}"
    )
    if result.unknown_columns:
        print(f"not compared: {', '.join(result.unknown_columns)}")
    if result.set_aside_rows:
        print(f"set aside: {result.set_aside_rows:,} rows of a kind that no log carries")
    for title, keys in (("only in the sheet", result.missing_here), ("only here", result.missing_there)):
        for key in keys:
            print(f"{title}: {key}")
    names = ("key", "column", "sheet", "here")
    if result.differences:
        print(format_table([dict(zip(names, difference, strict=True)) for difference in result.differences]))


def _there(options: argparse.Namespace) -> Destinations:
    default = _settings(options).destinations
    return Destinations(options.warm or default.warm, options.cold or default.archive)


def _selection(options: argparse.Namespace) -> Selection:
    end = (options.last + dt.timedelta(days=1)).isoformat() if options.last else None
    return Selection(options.streams, options.assets, options.first.isoformat() if options.first else None, end)


def _in_turn(options: argparse.Namespace, step: str) -> contextlib.AbstractContextManager[None]:
    """The turn that runs take, too: each of these steps writes its state into the warehouse."""
    warehouse = _settings(options).warehouse
    check_is_there(warehouse)  # where there is none, nobody is waited for and no folder is made
    return hold_turn(turns_folder(warehouse), this_command(f"bandit-warehouse archive {step}"))


def _archive_run(options: argparse.Namespace) -> None:
    settings = _settings(options)
    policy = Policy(
        settings.policy.hot_days if options.hot_days is None else options.hot_days,
        settings.policy.warm_days if options.warm_days is None else options.warm_days,
    )
    with _in_turn(options, "run"):
        report = archive(
            settings.warehouse,
            _there(options),
            policy=policy,
            selection=_selection(options),
            dry_run=options.dry_run,
            replace_lost=options.replace_lost,
            new_destination=options.new_destination,
        )
    _print_report(report)
    report.raise_if_failed()


def _print_report(report: ArchiveReport) -> None:
    if report.is_dry_run:
        for step in report.steps:
            if step.action != "keep":
                print(f"would {step.action} {step.raw.key} ({step.raw.row_count:,} records) to {step.target}")
        print(f"nothing was changed; {sum(step.action == 'keep' for step in report.steps)} partitions are in order")
        return
    size = sum(step.size_bytes for step in report.steps)
    print(
        f"{report.count('written')} partitions written, {report.count('moved')} moved ({size:,} bytes), "
        f"{report.count('kept')} in order, {report.count('failed')} failed; "
        f"{len(report.settled)} landing files are archived whole since now"
    )
    for file, reason in report.unsettled.items():
        print(f"  {file} is not archived whole: {reason}")


def _archive_status(options: argparse.Namespace) -> None:
    with _in_turn(options, "status"):
        rows = archive_status(_settings(options).warehouse, _selection(options))
    print(format_table(rows))


def _archive_verify(options: argparse.Namespace) -> None:
    with _in_turn(options, "verify"):
        wrong = verify(_settings(options).warehouse, _there(options), selection=_selection(options))
    if wrong:
        for reason in wrong.values():
            print(f"  {reason}")
        raise CorruptArchiveError(
            f"{len(wrong)} archived partitions are not in order, first {next(iter(wrong))}: run the archive again."
        )
    print("every archived copy is what was verified")


def _archive_restore(options: argparse.Namespace) -> None:
    result = restore(_there(options), options.into, selection=_selection(options), dry_run=options.dry_run)
    verb = "would be written" if result.is_dry_run else "written"
    print(f"{len(result.partitions)} partitions: {len(result.written)} files {verb}, {len(result.present)} there already")
    for file in result.unfinished:
        print(f"  {file}: the archive has its first lines only, the landing had more")


def _archive_delete(options: argparse.Namespace) -> None:
    there = _there(options)
    with _in_turn(options, "delete-landing"):
        paths = delete_landing_files(
            _settings(options).warehouse, there.warm, there.archive, options.files, dry_run=options.dry_run
        )
    for path in paths:
        print(f"{'would delete' if options.dry_run else 'deleted'} {path}")
