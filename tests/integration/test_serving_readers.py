"""Readers in other processes: in the middle of a query, on old versions, with locks that got lost, and some that write."""

import multiprocessing
import os
from pathlib import Path

import duckdb
import pytest

from publications import HOLDER, ROWS, hold, let_go, python, write_marts
from serving import publish
from serving.errors import QueryError
from serving.places import serve_file
from serving.reading import open_version
from serving.versions import list_versions

READING = multiprocessing.get_context("spawn")
# closes a second descriptor of the file it reads, as a copy or a checksum of it does; its locks on the file are gone with that
WITHOUT_LOCK = HOLDER.replace('print("open"', 'open(sys.argv[1], "rb").close(); print("open"')


def read_on(published: Path, stop: Path, found: "multiprocessing.Queue") -> None:
    """Open versions and query them until told to stop; reports how often, and every fault."""
    sessions, faults = 0, []
    while not stop.exists():
        try:
            with open_version(published) as connection:
                for _ in range(3):
                    seen = connection.execute(
                        "select min(f.generation), max(o.generation), count(*) from fct_fills f join fct_orders o using (id)"
                    ).fetchone()
                    if seen[0] != seen[1] or seen[2] != ROWS:
                        faults.append(str(seen))
            sessions += 1
        except Exception as error:
            faults.append(repr(error))
    found.put((sessions, faults[:3]))


@pytest.mark.parametrize("publications", [15, pytest.param(100, marks=pytest.mark.long)])
def test_readers_see_whole_versions_while_others_are_published(
    warehouse: Path, published: Path, tmp_path: Path, publications: int
) -> None:
    stop, found = tmp_path / "stop", READING.Queue()
    publish(warehouse, published)
    with open_version(published) as held:
        readers = [READING.Process(target=read_on, args=(published, stop, found)) for _ in range(2)]
        for reader in readers:
            reader.start()
        for generation in range(2, publications + 2):
            write_marts(warehouse, generation)
            version = publish(warehouse, published, keep=3)
        stop.touch()
        reports = [found.get(timeout=60) for _ in readers]
        for reader in readers:
            reader.join()
        assert all(sessions > 0 and faults == [] for sessions, faults in reports), reports
        # a version that was pruned long ago is still whole for who has it open
        assert held.execute("select min(generation), count(*) from fct_fills").fetchone() == (1, ROWS)
    assert [path.stem for path in list_versions(published)][-1] == version.version_id
    assert len(list_versions(published)) == 3
    with open_version(published) as connection:
        assert connection.execute("select version_id from published_version").fetchone() == (version.version_id,)
        assert connection.execute("select max(generation) from v_fills").fetchone() == (publications + 1,)


@pytest.mark.parametrize("script", [HOLDER, WITHOUT_LOCK], ids=["with its lock", "whose lock got lost"])
def test_a_version_held_by_another_process_is_not_written_over(warehouse: Path, published: Path, script: str) -> None:
    """Its columns are read from the disk long after the version was pruned; without readers the spare is used."""
    publish(warehouse, published, keep=1)
    with open_version(published) as connection:
        expected = connection.execute("select min(generation), max(generation), bit_xor(noise) from fct_fills").fetchone()
    reader = hold(published / "serve.duckdb", script)
    copied = []
    for generation in (2, 3, 4, None, None):
        if generation:
            write_marts(warehouse, generation)
        version = publish(warehouse, published, keep=1)
        copied.append(version.bytes_copied == serve_file(warehouse).stat().st_size)
    assert let_go(reader) == str(expected)
    # the second version finds no spare, the third finds one that is read, the last one that is free and nearly the same
    assert copied[:2] == [True, True] and copied[-1] is False


def test_a_spare_is_out_of_reach_before_it_is_looked_at(
    warehouse: Path, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who comes between the look and the first byte must not find it, under no name."""
    for generation in (1, 2):
        write_marts(warehouse, generation)
        publish(warehouse, published, keep=1)
    from serving import publish as package_function
    from serving.publish import copy_changed_blocks

    spare = (published / "versions" / "spare").stat()
    seen = []

    def looked_at(source: Path, target: Path, block_size: int) -> int | None:
        assert os.path.samestat(target.stat(), spare)
        seen.extend(str(file) for file in published.rglob("[!.]*") if file.is_file() and os.path.samestat(file.stat(), spare))
        return copy_changed_blocks(source, target, block_size)

    monkeypatch.setitem(package_function.__globals__, "copy_changed_blocks", looked_at)
    version = publish(warehouse, published, keep=1)
    assert seen == [] and version.bytes_copied < version.bytes


def test_without_leases_every_version_is_a_copy_of_its_own(
    warehouse: Path, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other systems and most network file systems have none."""
    monkeypatch.delattr("fcntl.F_SETLEASE")
    for generation in range(1, 5):
        write_marts(warehouse, generation)
        version = publish(warehouse, published, keep=1)
        assert version.bytes_copied == serve_file(warehouse).stat().st_size
        with open_version(published) as connection:
            assert connection.execute("select max(generation) from fct_fills").fetchone() == (generation,)


WRITER = (
    "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); "
    "c.execute('update marts.fct_fills set generation = 99'); os.kill(os.getpid(), 9)"
)


def test_what_a_killed_writer_left_beside_a_version_changes_no_later_one(warehouse: Path, published: Path) -> None:
    """Root, or whoever gave the file its rights back, can open it for writing; DuckDB finds the log by its name alone."""
    publish(warehouse, published)
    for file in (published / "serve.duckdb", *list_versions(published)):
        file.chmod(0o644)
        python(WRITER, file)
        assert file.with_name(file.name + ".wal").exists()
    with pytest.raises(QueryError, match=r"left serve\.duckdb\.wal beside it") as caught:
        open_version(published)  # rather than show what was never published
    assert "\n" not in str(caught.value)
    write_marts(warehouse, 2)
    publish(warehouse, published)
    assert not list(published.rglob("*.wal"))
    with duckdb.connect(str(published / "serve.duckdb"), read_only=True) as connection:
        assert connection.execute("select min(generation), max(generation) from marts.fct_fills").fetchone() == (2, 2)


def test_a_writer_on_the_version_stops_no_publication(warehouse: Path, published: Path) -> None:
    """It locks out the readers of that version, until the next one is there."""
    publish(warehouse, published)
    (published / "serve.duckdb").chmod(0o644)
    writer = hold(published / "serve.duckdb", read_only=False)
    with pytest.raises(QueryError, match="cannot be opened"):
        open_version(published)
    write_marts(warehouse, 2)
    publish(warehouse, published)
    with open_version(published) as connection:
        assert connection.execute("select min(generation), max(generation) from fct_fills").fetchone() == (2, 2)
    let_go(writer)
