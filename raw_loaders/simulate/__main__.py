"""The command line of the simulator: `python -m raw_loaders.simulate --out DIR ...`."""

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from raw_loaders.simulate.defect_kinds import Context
from raw_loaders.simulate.defects import KINDS, apply_defects
from raw_loaders.simulate.incident_tree import simulate_incidents
from raw_loaders.simulate.manifest import clean_files, write_manifest, write_shadow_trades, write_traces, write_truth
from raw_loaders.simulate.one_file import STREAMS, write_one_file
from raw_loaders.simulate.settings import Settings
from raw_loaders.simulate.simulation import simulate

EXIT_BAD_ARGUMENTS = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 done, 2 when the arguments cannot be met (one sentence on standard error)."""
    options = _parser().parse_args(arguments)
    try:
        return _one_file(options) if options.stream_records else _tree(options)
    except (ValueError, FileExistsError, NotADirectoryError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_BAD_ARGUMENTS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m raw_loaders.simulate", description=__doc__)
    parser.add_argument("--out", type=Path, help="landing folder to write; must not exist or be empty")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--start", type=date.fromisoformat, default=date(2025, 11, 21), help="first UTC day")
    parser.add_argument("--days", type=int, default=3)
    parser.add_argument("--assets", default="BTCUSDT", help="comma-separated symbols")
    parser.add_argument("--runs", type=int, default=3, help="concurrent replicas; each restarts now and then")
    parser.add_argument("--trading", choices=("realistic", "active"), default="realistic")
    parser.add_argument("--fills", type=int, help="aim at about this many own executions (at most about one per decision)")
    parser.add_argument("--third-party-fills", type=int, default=1000, help="other wallets' fills per asset and day")
    parser.add_argument("--late-share", type=float, default=0.02, help="share of executions that land after later ones")
    parser.add_argument("--one-member", action="store_true", help="one gzip member per file instead of one per record")
    parser.add_argument("--second-system", action="store_true", help="also the optional streams of the second system")
    parser.add_argument("--incidents", action="store_true", help="scripted incidents, a day each, instead of a market; no --days")
    parser.add_argument("--volatility", type=float, default=1.0, help="of the market, as a multiple of 0.12 %% per five minutes")
    parser.add_argument(
        "--trace-faults", type=float, default=0.0, help="share of bursts of which a record is left out, written twice or late"
    )
    parser.add_argument("--defects", default="", help=f"'all' or a comma-separated list of: {', '.join(KINDS)}")
    parser.add_argument("--long-line-mb", type=float, default=20.0, help="length of the line that is too long")
    parser.add_argument("--manifest", type=Path, help="where the truth goes (default: <out>.manifest.json)")
    parser.add_argument(
        "--truth", type=Path, help="folder for the truth row by row: who wrote which line, each step of each decision"
    )
    parser.add_argument("--stream-records", type=int, help="write one file of this many records instead of a tree")
    parser.add_argument("--stream", choices=STREAMS, default=STREAMS[0], help="stream of that one file")
    parser.add_argument("--file", type=Path, help="that one file; a name ending in .gz is compressed")
    return parser


def _tree(options: argparse.Namespace) -> int:
    if options.out is None:
        raise ValueError("Name the landing folder to write with --out.")
    if options.out.exists() and any(options.out.iterdir()):
        raise FileExistsError(f"The folder {options.out} is not empty: name a new one, or remove it first.")
    settings = Settings(
        seed=options.seed,
        start=options.start,
        days=_positive("--days", options.days),
        assets=_assets(options.assets),
        runs=_positive("--runs", options.runs),
        trading=options.trading,
        fills=options.fills,
        third_party_fills=options.third_party_fills,
        late_share=options.late_share,
        is_one_member=options.one_member,
        has_second_system=options.second_system,
        has_incidents=options.incidents,
        volatility=options.volatility,
        trace_faults=options.trace_faults,
    )
    kinds = _kinds(options.defects)
    began = time.perf_counter()
    options.out.mkdir(parents=True, exist_ok=True)
    simulated = (simulate_incidents if settings.has_incidents else simulate)(settings, options.out)
    seconds = time.perf_counter() - began
    files = clean_files(simulated)
    held_back = options.out.with_name(options.out.name + ".late")
    context = Context(simulated, int(options.long_line_mb * 1_000_000))
    defects = apply_defects(context, kinds, files, held_back)
    manifest = options.manifest or options.out.with_name(options.out.name + ".manifest.json")
    document = write_manifest(manifest, simulated, files, defects)
    if options.truth:
        write_truth(options.truth, simulated, files)
        write_traces(options.truth, simulated)
        if simulated.market:  # scripted incidents have none
            write_shadow_trades(options.truth, simulated)
    wanted = f" ({settings.fills:,} wanted)" if settings.fills is not None else ""
    print(
        f"{simulated.tree.records:,} records in {len(files)} files, {document['executions']['total']:,} executions{wanted}, "
        f"{len(defects)} defects; {simulated.tree.records / seconds:,.0f} records/s; truth in {manifest}"
    )
    return 0


def _one_file(options: argparse.Namespace) -> int:
    if options.file is None:
        raise ValueError("Name the file to write with --file.")
    count = _positive("--stream-records", options.stream_records)
    began = time.perf_counter()
    write_one_file(options.file, options.stream, count, seed=options.seed, is_one_member=options.one_member)
    print(f"{count:,} records in {options.file}; {count / (time.perf_counter() - began):,.0f} records/s")
    return 0


def _positive(name: str, value: int) -> int:
    if value < 1:
        raise ValueError(f"{name} must be at least 1, not {value}.")
    return value


def _assets(text: str) -> tuple[str, ...]:
    assets = tuple(name.strip() for name in text.split(",") if name.strip())
    if not assets or len(set(assets)) < len(assets) or not all(name.isalnum() for name in assets):
        raise ValueError(f"--assets must name one or more different symbols of letters and digits, not '{text}'.")
    return assets


def _kinds(text: str) -> tuple[str, ...]:
    if text == "all":
        return KINDS
    kinds = tuple(name.strip() for name in text.split(",") if name.strip())
    unknown = sorted(set(kinds) - set(KINDS))
    if unknown:
        raise ValueError(f"--defects names {', '.join(unknown)}, which is none of: {', '.join(KINDS)}.")
    return kinds


if __name__ == "__main__":
    sys.exit(main())
