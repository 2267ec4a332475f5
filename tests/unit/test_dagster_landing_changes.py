"""Which changes of the landing ask for a run: late, rewritten, deleted, new bot or asset; growth of today does not."""

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from dagster_project.landing_changes import fingerprint, summary, unexpected_changes
from raw_loaders.dictionary import load_dictionary
from raw_loaders.landing import scan_landing
from raw_loaders.ledger import read_ledger
from raw_loaders.load import load_landing
from raw_tables import FILLS, fill, line, member, put

TODAY = datetime(2025, 11, 21, 12, 0, tzinfo=UTC)
LATER = datetime(2025, 11, 23, 12, 0, tzinfo=UTC)
PLAIN = "5m/logs/default/feature_log/feature_log.jsonl"


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    folder = tmp_path / "landing"
    put(folder, FILLS, member(line(fill(1))))
    put(folder, PLAIN, b"")
    load_landing(folder, tmp_path / "w.duckdb")
    return folder


def changes(landing: Path, now: datetime, quiet_s: float = 60) -> list[tuple[str, str]]:
    dictionary = load_dictionary()
    with duckdb.connect(str(landing.parent / "w.duckdb"), read_only=True) as con:
        ledger = read_ledger(con)
    facts = {name: dictionary.classify(name) for name in ledger}
    found = unexpected_changes(scan_landing(landing, dictionary), ledger, facts, now, quiet_s)
    return sorted((change.kind, change.detail) for change in found)


def test_nothing_changed_is_nothing(landing: Path) -> None:
    assert changes(landing, TODAY) == []


def test_growth_of_the_running_day_and_of_files_of_all_days_is_expected(landing: Path) -> None:
    put(landing, FILLS, member(line(fill(1))) + member(line(fill(2))))
    put(landing, PLAIN, b"{}\n")
    put(landing, FILLS.replace("5m/logs/5m", "1h/logs/1h").replace("1h", "5m"), member(line(fill(1))) + member(line(fill(2))))
    assert changes(landing, TODAY) == []


def test_the_same_growth_of_a_day_gone_by_is_late(landing: Path) -> None:
    put(landing, FILLS, member(line(fill(1))) + member(line(fill(2))))
    assert changes(landing, LATER) == [("late", "2025-11-21")]


def test_the_last_hour_of_a_day_is_late_when_the_run_at_five_past_midnight_in_india_left_it(landing: Path) -> None:
    put(landing, FILLS, member(line(fill(1))) + member(line(fill(2))))
    assert changes(landing, datetime(2025, 11, 21, 18, 44, 59, tzinfo=UTC)) == []
    assert changes(landing, datetime(2025, 11, 21, 18, 45, tzinfo=UTC)) == [("late", "2025-11-21")]


def test_rewritten_and_deleted_files_and_new_bots_and_assets_are_named(landing: Path) -> None:
    (landing / PLAIN).unlink()
    put(landing, FILLS, member(line(fill(9, address="0x1"))))
    put(landing, FILLS.replace("BTCUSDT", "ETHUSDT"), member(line(fill(1))))
    put(landing, FILLS.replace("5m", "12h"), member(line(fill(1))))
    assert changes(landing, TODAY) == [
        ("deleted", "a file of all days"),
        ("new asset", "ETHUSDT"),
        ("new bot", "12h"),
        ("rewritten", "2025-11-21"),
    ]


def test_a_deletion_that_the_ledger_knows_is_no_change_any_more(landing: Path) -> None:
    (landing / PLAIN).unlink()
    load_landing(landing, landing.parent / "w.duckdb")
    assert changes(landing, TODAY) == []


def test_a_file_that_is_still_being_copied_waits(landing: Path) -> None:
    put(landing, FILLS.replace("11-21", "11-20"), member(line(fill(1))))
    assert changes(landing, datetime.now(UTC), quiet_s=3600) == []
    assert changes(landing, datetime.now(UTC), quiet_s=0) != []


def test_the_summary_counts_by_kind_and_the_fingerprint_follows_the_change(landing: Path) -> None:
    dictionary = load_dictionary()
    put(landing, FILLS.replace("11-21", "11-19"), member(line(fill(1))))
    put(landing, FILLS.replace("11-21", "11-20"), member(line(fill(1))))
    found = unexpected_changes(scan_landing(landing, dictionary), {}, {"x": dictionary.classify(FILLS)}, LATER, 0)
    late = [change for change in found if change.kind == "late"]
    assert summary(late[:2]) == f"2 late ({late[0].detail}, {late[1].detail})"
    assert fingerprint(late) == fingerprint(late[::-1]) != fingerprint(late[:1])
