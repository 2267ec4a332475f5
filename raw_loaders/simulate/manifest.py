"""The truth about a simulated tree: what was written, what was damaged, which trades exist."""

import json
from array import array
from collections import Counter, defaultdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from raw_loaders.simulate.clock import ist, utc_ms
from raw_loaders.simulate.file_image import FOREIGN, FileFacts
from raw_loaders.simulate.round_trips import as_manifest
from raw_loaders.simulate.shadows import shadow_trades
from raw_loaders.simulate.simulation import Simulated

VERSION = 1


def clean_files(simulated: Simulated) -> dict[str, FileFacts]:
    """Facts of every file of a clean tree, by source_file."""
    tree = simulated.tree
    files = {}
    for path in sorted(tree.bursts_of_lines):
        bursts = tree.bursts_of_lines[path]
        size = (tree.root / path).stat().st_size
        files[path] = FileFacts(path, tree.streams[path], size, len(bursts), len(bursts), bursts=bursts)
    return files


def write_manifest(
    path: Path, simulated: Simulated, files: dict[str, FileFacts], defects: list[dict[str, object]]
) -> dict[str, object]:
    """Write the manifest as JSON and return it. Decimals are strings; it names no place on disk."""
    document = {
        "version": VERSION,
        "is_synthetic": True,
        "arguments": simulated.settings.as_manifest(),
        "streams": _streams(files),
        "files": [_file(files[name]) for name in sorted(files)],
        "defects": defects,
        "runs": _runs(simulated),
        "executions": _executions(simulated),
        "round_trips": _round_trips(simulated),
        "guards": _guards(simulated),
        "third_party_fills": {asset: {"true_fills": sum(seen)} for asset, seen in simulated.seen_fills.items()},
    }
    if simulated.settings.has_incidents:
        document["alerts"] = simulated.alerts
        document["registry"] = simulated.registry
    if simulated.second_system:
        document["second_system"] = simulated.second_system.as_manifest()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")
    return document


def _streams(files: dict[str, FileFacts]) -> dict[str, dict[str, int]]:
    totals: dict[str, Counter] = defaultdict(Counter)
    for facts in files.values():
        totals[facts.stream].update(
            files=1,
            lines=facts.lines,
            accepted=facts.accepted,
            rejected=sum(facts.rejected.values()),
            damaged_bytes=sum(damage["byte_end"] - damage["byte_start"] for damage in facts.damaged),
        )
    return {stream: dict(totals[stream]) for stream in sorted(totals)}


def _file(facts: FileFacts) -> dict[str, object]:
    return {
        "source_file": facts.source_file,
        "stream": facts.stream,
        "size_bytes": facts.size_bytes,
        "lines": facts.lines,
        "accepted": facts.accepted,
        "rejected": dict(sorted(facts.rejected.items())),
        "unknown_keys": dict(sorted(facts.unknown_keys.items())),
        "damaged": facts.damaged,
    }


def _runs(simulated: Simulated) -> list[dict[str, object]]:
    bursts: dict[tuple[int, str, str], list] = defaultdict(list)
    for burst in simulated.bursts:
        if burst.kind == "decision":
            bursts[burst.run, burst.bot, burst.asset].append(burst)
    rows = []
    for run in simulated.runs:
        books = [
            {
                "bot": bot,
                "symbol": asset,
                "bursts": len(of_book),
                "first_ensemble_at": ist(of_book[0].ensemble_us),
                "last_record_at": ist(of_book[-1].end_us),
                "executions": len(simulated.books[number, bot, asset].fills),
            }
            for (number, bot, asset), of_book in bursts.items()
            if number == run.number
        ]
        rows.append({"run_id": run.run_id, "kind": run.kind, "git_sha": run.release.git_sha, "books": books})
    return rows


def _executions(simulated: Simulated) -> dict[str, object]:
    fills = [fill for book in simulated.books.values() for fill in book.fills]
    return {
        "total": len(fills),
        "buys": sum(fill.qty > 0 for fill in fills),
        "sells": sum(fill.qty < 0 for fill in fills),
        "forced": sum(fill.is_forced for fill in fills),
    }


def _round_trips(simulated: Simulated) -> list[dict[str, object]]:
    settings = simulated.settings
    tree_end_us = (utc_ms(settings.start) + settings.days * 86_400_000) * 1000
    rows = []
    for (number, _, _), book in simulated.books.items():
        run = simulated.runs[number]
        rows += as_manifest(book, run.run_id, run.end_us < tree_end_us)
    return rows


def _guards(simulated: Simulated) -> list[dict[str, object]]:
    rows = []
    for guard in simulated.guards:
        burst = simulated.bursts[guard.burst]
        rows.append(
            {
                "bot": burst.bot,
                "run_id": simulated.runs[burst.run].run_id,
                "symbol": burst.asset,
                "bar_open_ms": burst.bar_ms,
                "token": guard.token,
                "is_causal": guard.is_causal,
                "masked_token": guard.masked,
                "intended_direction": guard.intended_direction,
            }
        )
    return rows


def write_truth(folder: Path, simulated: Simulated, files: dict[str, FileFacts]) -> None:
    """Write who wrote what: lines.parquet (one row per accepted line) and bursts.parquet (one row per decision, and one
    of kind 'poll_only' where a run did nothing but poll)."""
    folder.mkdir(parents=True, exist_ok=True)
    bursts = simulated.bursts
    run_ids = [run.run_id for run in simulated.runs]
    _write(
        folder / "bursts.parquet",
        burst=list(range(len(bursts))),
        kind=[burst.kind for burst in bursts],
        bot=[burst.bot for burst in bursts],
        run_id=[run_ids[burst.run] for burst in bursts],
        symbol=[burst.asset for burst in bursts],
        bar_open_ms=[burst.bar_ms for burst in bursts],
        bar_counter=[burst.counter for burst in bursts],
        ensemble_us=[burst.ensemble_us for burst in bursts],
        pnl_equity_us=[burst.pnl_us for burst in bursts],
        last_us=[burst.end_us for burst in bursts],
    )
    names, numbers, streams, of_burst = [], array("q"), [], array("i")
    for facts in files.values():
        kept = [(number, burst) for number, burst in enumerate(facts.bursts, start=1) if burst != FOREIGN]
        names += [facts.source_file] * len(kept)
        streams += [facts.stream] * len(kept)
        numbers.extend(number for number, _ in kept)
        of_burst.extend(burst for _, burst in kept)
    _write(
        folder / "lines.parquet",
        source_file=names,
        line_no=numbers,
        stream=streams,
        bot=[bursts[burst].bot for burst in of_burst],
        run_id=[run_ids[bursts[burst].run] for burst in of_burst],
        symbol=[bursts[burst].asset for burst in of_burst],
        burst=of_burst,
    )


def write_traces(folder: Path, simulated: Simulated) -> None:
    """Write traces.parquet (one row per decision) and trace_steps.parquet (one per step); `burst` is that of bursts.parquet."""
    traces = list(simulated.steps.traces())
    _write_rows(folder / "traces.parquet", [trace.columns() for trace in traces])
    _write_rows(folder / "trace_steps.parquet", [row for trace in traces for row in trace.step_columns()])


def write_shadow_trades(folder: Path, simulated: Simulated) -> None:
    """Write shadow_trades.parquet: what each trade that a guard held back would have made."""
    _write_rows(folder / "shadow_trades.parquet", list(shadow_trades(simulated)))


def _write(path: Path, **columns: object) -> None:
    pq.write_table(pa.table(columns), path, compression="zstd")


def _write_rows(path: Path, rows: list[dict[str, object]]) -> None:
    pq.write_table(pa.Table.from_pylist(rows), path, compression="zstd")
