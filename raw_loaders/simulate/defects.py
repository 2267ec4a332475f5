"""Puts the known kinds of damage into a clean tree, each at a known place; nothing in it is random."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from raw_loaders.simulate import defect_kinds as kinds
from raw_loaders.simulate.defect_kinds import Context, line_defect, without
from raw_loaders.simulate.file_image import FileFacts, FileImage
from raw_loaders.simulate.simulation import Simulated
from raw_loaders.simulate.tree import FileKey

_MANY_MEMBERS = ("hyperliquid_fills", "overlay_status", "ensemble_log")
_MIN_LINES = 4  # so that the three gaps of stray bytes lie between different members

# kind -> (streams it may be put into, the first that has a free file; whether the largest file is taken, not the first; change)
IN_FILE: dict[str, tuple[tuple[str, ...], bool, Callable[[FileImage, Context], None]]] = {
    "repolled_rows": (_MANY_MEMBERS[:1], True, kinds.repoll),
    "stray_bytes": (_MANY_MEMBERS, True, kinds.stray_bytes),
    "crc_mismatch": (_MANY_MEMBERS, True, kinds.crc_mismatch),
    "corrupt_member": (_MANY_MEMBERS, True, kinds.corrupt_member),
    "truncated_member": (_MANY_MEMBERS, True, kinds.truncated_member),
    "half_line": (("health",), False, kinds.half_line),
    "nul_byte": (("calibration_log",), False, line_defect("nul_byte", lambda text: text[:40] + b"\0\0\0" + text[43:])),
    "invalid_utf8": (("sizing_risk_log",), False, line_defect("invalid_utf8", lambda text: text[:40] + b"\xff\xfe" + text[42:])),
    "invalid_json": (("ensemble_log",), False, line_defect("invalid_json", lambda text: text[:50] + b"\n")),
    "not_an_object": (("order_intent",), False, line_defect("not_an_object", lambda text: b"[1, 2, 3]\n")),
    "missing_key": (("feature_log",), False, line_defect("missing_key", without(b"asset"))),
    "bad_clock": (("pnl_equity_log",), False, line_defect("bad_clock", lambda text: text.replace(b'st":"20', b'st":"xx', 1))),
    "blank_line": (("calibration",), False, line_defect("blank_line", lambda text: b"   \n")),
    "long_line": (("repro",), False, kinds.long_line),
    "long_line_gzip": (("market_ingest_log",), False, kinds.long_line),
    "unknown_key": (("signals",), False, kinds.unknown_key),
}  # fmt: skip
ADDED = ("not_gzip_plain", "not_gzip_random", "empty_file")
KINDS = (*IN_FILE, *ADDED, "late_file")


def apply_defects(
    context: Context, wanted: tuple[str, ...], files: dict[str, FileFacts], held_back: Path
) -> list[dict[str, object]]:
    """Change the tree in place, bring `files` (by source_file) up to date, and list what was done where.

    A late file is moved below `held_back` under its own relative path. Raises ValueError when a stream a defect needs is empty.
    """
    done: list[dict[str, object]] = []
    taken: set[str] = set()
    simulated = context.simulated
    root = simulated.tree.root
    for kind, (streams, is_largest, change) in IN_FILE.items():
        if kind not in wanted:
            continue
        path = _target(files, streams, is_largest, taken)
        taken.add(path)
        target = root / path
        is_one_member = simulated.settings.is_one_member
        image = FileImage(path, files[path].stream, target.read_bytes(), files[path].bursts, is_one_member=is_one_member)
        change(image, context)
        content, files[path] = image.assemble()
        target.write_bytes(content)
        done.append({"kind": kind, "source_file": path})
    for kind in ADDED:
        if kind in wanted:
            facts = _add_file(simulated, kind, files)
            files[facts.source_file] = facts
            done.append({"kind": kind, "source_file": facts.source_file})
    if "late_file" in wanted:
        path = _target(files, ("calibration_log",), False, taken)
        late = held_back / path
        late.parent.mkdir(parents=True, exist_ok=True)
        (root / path).rename(late)
        done.append({"kind": "late_file", "source_file": path})
    return done


def _target(files: dict[str, FileFacts], streams: tuple[str, ...], is_largest: bool, taken: set[str]) -> str:
    """The file a defect goes into: one that has none yet."""
    least = _MIN_LINES if is_largest else 1
    for stream in streams:
        free = [file for file in files.values() if file.stream == stream and file.lines >= least]
        free = [file for file in free if file.source_file not in taken]
        if free:
            return min(free, key=lambda file: (-file.lines if is_largest else 0, file.source_file)).source_file
    raise ValueError(f"No file of {' or '.join(streams)} is left to put a defect into: simulate more days or fewer defects.")


def _add_file(simulated: Simulated, kind: str, files: dict[str, FileFacts]) -> FileFacts:
    """A .gz file on the day after the last, so that nothing else is lost."""
    stream = {"not_gzip_plain": "kpi_scorecard", "not_gzip_random": "sizing_risk_log", "empty_file": "calibration_log"}[kind]
    settings = simulated.settings
    folder = FileKey(stream, "5m", settings.assets[0]).folder
    day = settings.start + timedelta(days=settings.days + 1)
    path = f"{folder}/date={day.isoformat()}/asset={settings.assets[0]}/{stream}.jsonl.gz"
    content = b""
    if kind == "not_gzip_plain":
        content = b'{"run_id":"none","asset":"none","event":"kpi_scorecard"}\n' * 3
    elif kind == "not_gzip_random":
        # no byte below 0x20: no gzip member can begin in it by chance
        content = bytes(0x20 + (index * index * 31 + index * 17) % 0xDF for index in range(4096))
    target = simulated.tree.root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    facts = FileFacts(path, stream, len(content))
    if content:
        whole = {"byte_start": 0, "byte_end": len(content), "reason": "not_gzip", "min_lost_records": 1}
        facts.damaged.append(whole)
    return facts
