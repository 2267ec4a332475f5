"""What has changed in the landing that no schedule expects: late, rewritten and deleted files, a new bot or asset.

Growth of the running day is none of these: the next hourly run takes it in; so is the last hour of the day before, which the
run at 00:05 takes in.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from dagster_project.partitions import IST
from raw_loaders.dictionary import PathFacts
from raw_loaders.landing import LandedFile
from raw_loaders.ledger import LedgerEntry, decide_mode

# by then the hourly run of the last hour of a day has had its chance
LAST_HOUR_IN = timedelta(minutes=15)


@dataclass(frozen=True)
class Change:
    """A file and what happened to it: late, rewritten, deleted, new bot or new asset; `detail` names the bot, asset or day."""

    source_file: str
    kind: str
    detail: str
    size: int
    mtime_ns: int


def unexpected_changes(
    landed: Iterable[LandedFile], ledger: Mapping[str, LedgerEntry], facts: Mapping[str, PathFacts], now: datetime, quiet_s: float
) -> list[Change]:
    """Changes that no schedule expects, by comparing stats with the ledger; no file is opened.

    `facts` are what the paths in the ledger say. A file that changed within the last `quiet_s` seconds waits: it may still
    be in the middle of being copied.
    """
    files = {file.source_file: file for file in landed}
    bots = {fact.path_bot for fact in facts.values()}
    assets = {fact.partition_asset for fact in facts.values()}
    today = (now - LAST_HOUR_IN).astimezone(IST).date()
    found = []
    for file in files.values():
        age_s = now.timestamp() - file.mtime_ns / 1e9  # negative where a clock was set back: nobody is copying then
        if file.facts.stream is None or 0 <= age_s < quiet_s:
            continue
        entry = ledger.get(file.source_file)
        mode = decide_mode(file, entry)
        if mode != "unchanged" and not _is_known_to_be_unreadable(file, entry):
            kind, detail = _judge(file, mode, bots, assets, today)
            if kind:
                found.append(Change(file.source_file, kind, detail, file.size, file.mtime_ns))
    for name, entry in ledger.items():
        if name not in files and entry.status != "missing" and entry.stream:
            found.append(Change(name, "deleted", facts[name].partition_date or "a file of all days", 0, 0))
    return found


def _is_known_to_be_unreadable(file: LandedFile, entry: LedgerEntry | None) -> bool:
    return entry is not None and entry.status == "unreadable" and entry.has_stat_of(file)


def _judge(file: LandedFile, mode: str, bots: set, assets: set, today: date) -> tuple[str | None, str]:
    facts = file.facts
    if facts.path_bot and facts.path_bot not in bots:
        return "new bot", facts.path_bot
    if facts.partition_asset and facts.partition_asset not in assets:
        return "new asset", facts.partition_asset
    if mode == "rewritten":
        return "rewritten", facts.partition_date or "a file of all days"
    if facts.partition_date and facts.partition_date < today.isoformat():
        return "late", facts.partition_date
    return None, ""


def summary(changes: Iterable[Change]) -> str:
    """One line for people: how many changes of each kind, and the days, bots or assets."""
    details: dict[str, list[str]] = {}
    for change in changes:
        details.setdefault(change.kind, []).append(change.detail)
    parts = []
    for kind, named in sorted(details.items()):
        names = sorted(set(named))
        parts.append(f"{len(named)} {kind} ({', '.join(names[:5])}{', …' if len(names) > 5 else ''})")
    return "; ".join(parts)


def fingerprint(changes: Iterable[Change]) -> str:
    """The same for the same changes: what a run has not cleared away is not reported a second time."""
    lines = sorted(f"{change.source_file}|{change.kind}|{change.size}|{change.mtime_ns}" for change in changes)
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=12).hexdigest()
