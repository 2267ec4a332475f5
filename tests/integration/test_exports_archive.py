"""Tier 1: partitions become Parquet, are verified, move on, come back; nothing is lost on the way."""

import datetime as dt
import gzip
import shutil
from pathlib import Path

import duckdb
import pytest

from archives import COLD_DAY, FIRST_DAY, STREAMS, WARM_DAY, archived, ask, places, simulated_landing, tree
from exports.archive.files import delete_landing_files
from exports.archive.partitions import Selection
from exports.archive.restore import restore
from exports.archive.run import Destinations, archive, verify
from exports.errors import ConflictError, CorruptArchiveError, NotArchivedError, SelectionError
from raw_loaders.load import load_landing
from raw_tables import raw_state


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a damaged landing and its warehouse; tests work on copies."""
    folder = tmp_path_factory.mktemp("loaded")
    simulated_landing(folder)
    return folder


@pytest.fixture
def site(loaded: Path, tmp_path: Path) -> Path:
    """A copy of `loaded` in which a test may do as it likes; time stamps stay, so nothing looks changed."""
    shutil.copytree(loaded, tmp_path / "site")
    load_landing(tmp_path / "site" / "landing", tmp_path / "site" / "w.duckdb", adopt=True)
    return tmp_path / "site"


def everything(state: dict[str, list[tuple]]) -> dict[str, list[tuple]]:
    """A raw state without raw.files: its byte counts are those of the compression."""
    return {table: rows for table, rows in state.items() if table not in ("files", "damaged_ranges")}


def test_partitions_hold_every_record_with_file_and_line(site: Path) -> None:
    """Read as a hive-partitioned data set, the copies are the raw tables."""
    report = archived(site)
    assert report.count("written") == len(report.steps) > 10
    for stream in ("hyperliquid_fills", "signals", "health"):
        copy = f"read_parquet('{site}/warm/stream={stream}/*/*/*.parquet', hive_partitioning = true)"
        columns = "source_file, line_no, byte_offset, member_no, member_offset, record::varchar, emitted_at, bar_open_at"
        one, two = f"select {columns} from raw.{stream}", f"select {columns} from {copy}"
        assert ask(site, f"select count(*) from (({one} except all {two}) union all ({two} except all {one}))") == [(0,)]
        assert ask(site, f"select count(*) > 50, count(distinct date) > 1 from {copy}") == [(True, True)]
    assert ask(site, "select distinct tier, status from ops.archive_partitions") == [("warm", "verified")]
    sorted_rows = duckdb.sql(f"from read_parquet('{site}/warm/stream=signals/date=2025-11-21/*/*.parquet')").fetchall()
    assert [row[:2] for row in sorted_rows] == sorted(row[:2] for row in sorted_rows)


def test_same_rows_give_the_same_bytes_and_a_second_run_does_nothing(site: Path) -> None:
    archived(site)
    before = tree(site / "warm")
    again = archived(site)
    assert (again.count("kept"), again.count("written")) == (len(again.steps), 0)
    other = Destinations(str(site / "warm2"), str(site / "cold2"))
    archive(site / "w.duckdb", other, today=WARM_DAY, selection=Selection(streams=STREAMS), new_destination=True)
    assert tree(site / "warm2") == before


def test_dry_run_writes_nothing(site: Path) -> None:
    before = tree(site)
    report = archived(site, dry_run=True)
    assert report.count("planned") == len(report.steps) > 10
    assert {step.target for step in report.steps} == {"warm"}
    after = tree(site)
    assert {name for name in after if before.get(name) != after[name]} <= {"w.duckdb"}
    assert not (site / "warm").exists()


def test_what_is_young_stays_hot_and_what_is_old_moves_on(site: Path) -> None:
    """Half-open days: 30 days old is warm, 29 is hot; 90 is archived and its warm copy is gone."""
    report = archived(site, today=FIRST_DAY + dt.timedelta(days=30))
    assert {step.raw.key.date for step in report.steps} == {"2025-11-21"}
    assert archived(site).count("kept") == len(report.steps)
    report = archived(site, today=COLD_DAY)
    assert report.count("moved") == len(report.steps)
    assert not list((site / "warm").rglob("*.parquet"))
    assert ask(site, "select distinct tier, status from ops.archive_partitions") == [("archive", "verified")]
    assert verify(site / "w.duckdb", places(site)) == {}


def test_late_records_rewrite_their_partition_whole(site: Path) -> None:
    archived(site)
    [(name,)] = ask(
        site, "select min(source_file) from raw.files where stream = 'hyperliquid_fills' and bytes_damaged = 0 and lines > 0"
    )
    file = site / "landing" / name
    [(stream, date, count)] = ask(
        site, f"select stream, partition_date, row_count from ops.archive_partition_files where source_file = '{name}'"
    )
    with file.open("ab") as out:
        out.write(gzip.compress(gzip.decompress(file.read_bytes()).splitlines(keepends=True)[0]))
    load_landing(site / "landing", site / "w.duckdb")
    report = archived(site)
    written = [str(step.raw.key) for step in report.steps if step.outcome == "written"]
    assert written == [f"{stream} {date} BTCUSDT"]
    query = f"select row_count from ops.archive_partition_files where source_file = '{name}'"
    assert ask(site, query) == [(count + 1,)]


def test_restored_files_load_to_the_same_raw_tables(site: Path) -> None:
    """Landing deleted by name, a new folder restored from the copies: same rows, same rejects, same damage."""
    archived(site, selection=Selection())
    archived(site, today=COLD_DAY, selection=Selection())
    names = [row[0] for row in ask(site, "select source_file from ops.archive_files order by 1")]
    kinds = dict(ask(site, "select kept_as, count(*) from ops.archive_files group by all"))
    assert kinds["records"] > 20
    assert kinds["original"] >= 6
    before = raw_state(site / "w.duckdb")
    delete_landing_files(site / "w.duckdb", *places(site).__dict__.values(), names)
    assert not any((site / "landing" / name).exists() for name in names)
    result = restore(places(site), site / "back", selection=Selection())
    assert result.written == names
    for name in set(tree(site / "landing")) - {"_SYNTHETIC.json"}:  # files without one accepted record stay in the landing
        (site / "back" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(site / "landing" / name, site / "back" / name)
    load_landing(site / "back", site / "back.duckdb")
    after = raw_state(site / "back.duckdb")
    streams = set(before) - {"files", "rejected_lines", "damaged_ranges", "unknown_keys"}
    for state in (before, after):
        for table in streams:  # where a member begins depends on how well it was compressed
            state[table] = [row[:4] + row[5:] for row in state[table]]
    assert everything(after) == everything(before)
    assert len(after["damaged_ranges"]) == len(before["damaged_ranges"]) > 0


def test_restore_brings_a_whole_file_back_for_one_of_its_days(site: Path) -> None:
    """A file without a date in its path spans days: its line numbers are right only when it comes back from line 1."""
    archived(site)
    result = restore(places(site), site / "back", selection=Selection(streams=["signals"], first="2025-11-22", end="2025-11-23"))
    name = "5m/logs/default/signals/signals.jsonl"
    assert result.written == [name]
    assert [key.date for key in result.partitions] == ["2025-11-22"]
    assert (site / "back" / name).read_bytes() == (site / "landing" / name).read_bytes()
    fills = restore(places(site), site / "back", selection=Selection(streams=["hyperliquid_fills"], end="2025-11-22"))
    assert len(fills.written) > 0
    assert all("date=2025-11-21" in name for name in fills.written)  # dated files of other days are left out
    with pytest.raises(SelectionError, match="archive status"):
        restore(places(site), site / "back", selection=Selection(streams=["signals"], first="2031-01-01"))


def test_restore_never_overwrites(site: Path) -> None:
    archived(site)
    result = restore(places(site), site / "landing", selection=Selection())
    assert (result.written, len(result.present) > 10) == ([], True)
    target = site / "landing" / "5m/logs/default/signals/signals.jsonl"
    target.write_bytes(target.read_bytes()[:-5])
    before = tree(site / "landing")
    with pytest.raises(ConflictError, match=r"signals\.jsonl is there"):
        restore(places(site), site / "landing", selection=Selection())
    assert tree(site / "landing") == before


def test_corrupted_archive_is_named_and_healed(site: Path) -> None:
    """A flipped byte: verify names it, restore refuses, deletion refuses, the next run writes the same bytes again."""
    archived(site)
    victim = next((site / "warm").rglob("stream=signals/date=2025-11-21/**/records.parquet"))
    whole = victim.read_bytes()
    victim.write_bytes(whole[:2000] + bytes([whole[2000] ^ 255]) + whole[2001:])
    name = "5m/logs/default/signals/signals.jsonl"
    with pytest.raises(CorruptArchiveError, match="date=2025-11-21"):
        restore(places(site), site / "back", selection=Selection(streams=["signals"]))
    with pytest.raises(NotArchivedError, match="nothing was deleted"):
        delete_landing_files(site / "w.duckdb", *places(site).__dict__.values(), [name])
    assert (site / "landing" / name).exists()
    wrong = verify(site / "w.duckdb", places(site))
    assert list(wrong) == ["signals 2025-11-21"]
    assert ask(site, "select status from ops.archive_partitions where status <> 'verified'") == [("corrupt",)]
    report = archived(site)
    assert report.count("written") == 1
    assert victim.read_bytes() == whole


def test_changed_record_is_found_in_a_readable_copy(site: Path) -> None:
    """One letter of one record differs and everything else is in order, down to the footer."""
    archived(site)
    victim = next((site / "warm").rglob("stream=signals/date=2025-11-21/**/records.parquet"))
    with duckdb.connect() as connection:
        [(note,)] = connection.execute("select decode(value) from parquet_kv_metadata(?)", [str(victim)]).fetchall()
        quoted = note.replace("'", "''")
        connection.execute(f"create table rows as from read_parquet('{victim}', hive_partitioning = false)")
        connection.execute("update rows set record = replace(record, 'BTC', 'BTD') where line_no = 3")
        connection.execute(
            f"copy (from rows order by source_file, line_no) to '{victim}' "
            f"(format parquet, kv_metadata {{bandit_archive: '{quoted}'}})"
        )
    name = "5m/logs/default/signals/signals.jsonl"
    with pytest.raises(CorruptArchiveError, match="does not hold the records it should"):
        restore(places(site), site / "back", selection=Selection(streams=["signals"]))
    with pytest.raises(NotArchivedError, match="differs from it"):
        delete_landing_files(site / "w.duckdb", *places(site).__dict__.values(), [name])
    assert (site / "landing" / name).exists()


def test_a_file_that_records_do_not_say_whole_is_kept_itself(site: Path) -> None:
    """Nothing is refused and nothing damaged, but the last line has no end: lines alone would bring back one byte more."""
    name = "5m/logs/default/signals/signals.jsonl"
    file = site / "landing" / name
    file.write_bytes(file.read_bytes().rstrip(b"\n"))
    load_landing(site / "landing", site / "w.duckdb")
    assert ask(site, f"select rejected + bytes_damaged from raw.files where source_file = '{name}'") == [(0,)]
    archived(site)
    assert ask(site, f"select kept_as from ops.archive_files where source_file = '{name}'") == [("original",)]
    restore(places(site), site / "back", selection=Selection(streams=["signals"]))
    assert (site / "back" / name).read_bytes() == file.read_bytes()


def test_missing_copy_is_written_again(site: Path) -> None:
    archived(site)
    victim = next((site / "warm").rglob("records.parquet"))
    whole = victim.read_bytes()
    victim.unlink()
    assert archived(site).count("written") == 1
    assert victim.read_bytes() == whole


def test_a_copy_is_never_replaced_by_one_with_fewer_records(site: Path) -> None:
    """A warehouse that was made anew from part of the landing may not shrink the archive."""
    archived(site)
    before = tree(site / "warm")
    victim = next((site / "landing").rglob("ensemble_log.jsonl.gz"))
    victim.unlink()
    (site / "w.duckdb").unlink()
    signals = site / "landing" / "5m/logs/default/signals/signals.jsonl"
    signals.write_bytes(b"".join(signals.read_bytes().splitlines(keepends=True)[:40]))
    load_landing(site / "landing", site / "w.duckdb")
    report = archived(site)
    failed = {step.raw.key.stream for step in report.steps if step.outcome == "failed"}
    assert "signals" in failed
    assert ask(site, "select count(*) > 0 from ops.archive_partitions where status = 'conflict'") == [(True,)]
    after = tree(site / "warm")
    assert all(after[name] == data for name, data in before.items())
    archived(site, replace_lost=True)
    assert tree(site / "warm") != before


def test_deletion_needs_a_name_and_an_unchanged_archived_file(site: Path) -> None:
    name = "5m/logs/default/signals/signals.jsonl"
    there = places(site).__dict__.values()
    with pytest.raises(NotArchivedError, match="run the archive first"):
        delete_landing_files(site / "w.duckdb", *there, [name])
    archived(site)
    assert delete_landing_files(site / "w.duckdb", *there, [name], dry_run=True) == [site / "landing" / name]
    assert (site / "landing" / name).exists()
    with (site / "landing" / name).open("ab") as file:
        file.write(b"{}\n")
    with pytest.raises(NotArchivedError, match="changed since"):
        delete_landing_files(site / "w.duckdb", *there, [name])
    with pytest.raises(SelectionError, match="nothing was deleted"):
        delete_landing_files(site / "w.duckdb", *there, ["5m/no_such.jsonl"])
    others = [row[0] for row in ask(site, "select source_file from ops.archive_files order by 1") if row[0] != name]
    with pytest.raises(NotArchivedError):  # one that may not go keeps all of them
        delete_landing_files(site / "w.duckdb", *there, [others[0], name])
    assert (site / "landing" / others[0]).exists()


@pytest.mark.parametrize("url", ["file://{}/warm", "memory://{}/warm"])
def test_destinations_by_url(site: Path, url: str) -> None:
    """The same copies, whatever kind of store they go to."""
    selection = Selection(streams=["signals", "kpi_scorecard"])
    there = Destinations(url.format(site), url.format(site).replace("warm", "cold"))
    archive(site / "w.duckdb", there, today=WARM_DAY, selection=selection)
    archive(site / "w.duckdb", there, today=COLD_DAY, selection=selection)
    assert verify(site / "w.duckdb", there) == {}
    restore(there, site / "back", selection=Selection(streams=["signals"]))
    name = "5m/logs/default/signals/signals.jsonl"
    assert (site / "back" / name).read_bytes() == (site / "landing" / name).read_bytes()
