"""What a publication writes and what it refuses."""

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb
import pytest

from publications import AS_NOBODY, ROWS, python, write_marts
from serving import publish
from serving.errors import NothingPublishedError
from serving.places import serve_file
from serving.reading import describe, open_version
from serving.versions import list_versions


def test_two_publications_at_once_take_turns(warehouse: Path, published: Path) -> None:
    script = "import sys; from pathlib import Path; from serving import publish; publish(Path(sys.argv[1]), Path(sys.argv[2]))"
    command = [sys.executable, "-c", script, str(warehouse), str(published)]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(4)]
    assert [process.communicate(timeout=120)[1] for process in running] == [b""] * 4
    assert [path.stem[-6:] for path in list_versions(published)] == ["000001", "000002", "000003", "000004"]
    with open_version(published) as connection:
        assert connection.execute("select version_id from published_version").fetchone()[0].endswith("-000004")


def test_what_is_not_checkpointed_yet_is_published_too(warehouse: Path, published: Path) -> None:
    """A writer that was killed leaves its last transactions in the write-ahead log."""
    script = (
        "import duckdb, os, signal, sys; c = duckdb.connect(sys.argv[1]); "
        "c.execute('update marts.fct_fills set generation = 7'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    python(script, serve_file(warehouse))
    assert serve_file(warehouse).with_suffix(".duckdb.wal").exists()
    publish(warehouse, published)
    with open_version(published) as connection:
        assert connection.execute("select min(generation), count(*) from fct_fills").fetchone() == (7, ROWS)


def test_views_work_under_any_name_of_the_file(warehouse: Path, published: Path) -> None:
    """dbt writes the name of its database into views; the versions, and files that were renamed or attached, have others."""
    with duckdb.connect() as connection:
        connection.execute(f"attach '{serve_file(warehouse)}' as serve")
        connection.execute("create or replace view serve.marts.v_fills as select * from serve.marts.fct_fills")
    version = publish(warehouse, published)
    with duckdb.connect(str(version.path), read_only=True) as connection:
        assert connection.execute("select count(*) from marts.v_fills").fetchone() == (ROWS,)
    with duckdb.connect() as connection:
        connection.execute(f"attach '{version.path}' as anything (read_only)")
        assert connection.execute("select count(*) from anything.marts.v_fills").fetchone() == (ROWS,)


def test_a_version_tells_what_it_is(warehouse: Path, published: Path) -> None:
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("create schema ops")
        connection.execute("create table ops.day_reconciliation as select date '2025-11-21' as date_ist, false as is_complete")
        connection.execute(
            """
            create table ops.check_results as
            select now() - to_days(days) as checked_at, days as days_ago from (values (0), (13), (15)) as ages (days)
            """
        )
    version = publish(warehouse, published, facts={"run_id": "r-1", "checks_passed": 12})
    with open_version(published) as connection:
        row = connection.execute("select version_id, run_id, checks_passed, published_at from published_version").fetchone()
        assert row == (version.version_id, "r-1", 12, version.published_at)
        assert dict(connection.execute("from published_tables").fetchall()) == version.tables
        assert connection.execute("select guard from guards").fetchall() == [("spread_guard",)]
        assert connection.execute("select is_complete from day_reconciliation").fetchall() == [(False,)]
        assert connection.execute("select days_ago from check_results order by all").fetchall() == [(0,), (13,)]
        assert connection.execute("select count(*) from duckdb_tables() where table_name = 'stg_signals'").fetchone() == (0,)
        assert version.version_id in describe(connection)
        types = dict(connection.execute("select column_name, column_type from (describe published_version)").fetchall())
        assert types["newest_event_at"] == types["built_at"] == "TIMESTAMP WITH TIME ZONE"  # also when nothing is known


def test_versions_are_in_order_even_when_the_clock_goes_back(warehouse: Path, published: Path) -> None:
    publish(warehouse, published)
    (first,) = list_versions(published)
    first.rename(first.with_name("29991231T235959Z-000001.duckdb"))
    second = publish(warehouse, published)
    third = publish(warehouse, published, keep=2)
    assert [path.stem for path in list_versions(published)] == [second.version_id, third.version_id]


def test_files_of_other_people_beside_the_versions_are_left_alone(warehouse: Path, published: Path) -> None:
    publish(warehouse, published)
    strays = [published / "versions" / name for name in ("before-fix.duckdb", "notes.duckdb", "x-1.duckdb", "copy-of-0001")]
    for stray in strays:
        stray.write_text("mine")
    versions = [publish(warehouse, published, keep=2) for _ in range(3)]
    assert [path.stem for path in list_versions(published)] == [version.version_id for version in versions[-2:]]
    assert [stray.read_text() for stray in strays] == ["mine"] * len(strays)


def test_marts_that_got_lost_are_not_published_as_if_they_never_were(warehouse: Path, published: Path) -> None:
    """A lost file of the marts is built again by the next run, but only what an hourly run builds."""
    first = publish(warehouse, published)
    serve_file(warehouse).unlink()
    write_marts(warehouse, 2, marts=("fct_fills",))
    with pytest.raises(NothingPublishedError, match=r"missing in .* \(fct_orders\): `make run` builds them.*`expected`"):
        publish(warehouse, published)
    known = {"fct_fills", "fct_orders", "v_fills"}
    with pytest.raises(NothingPublishedError, match="fct_orders") as caught:
        publish(warehouse, published, expected=known)
    assert "`expected`" not in str(caught.value) and "\n" not in str(caught.value)
    with duckdb.connect(str(serve_file(warehouse))) as connection:
        connection.execute("drop view marts.v_fills")
    with pytest.raises(NothingPublishedError, match=r"\(fct_orders, v_fills\)"):  # views are marts, too
        publish(warehouse, published, expected=known)
    assert [path.stem for path in list_versions(published)] == [first.version_id]
    with open_version(published) as connection:
        assert connection.execute("select max(generation) from fct_orders").fetchone() == (1,)
        # also while this process reads the version before; what the project has no more may go
        version = publish(warehouse, published, expected={"fct_fills", "mart_that_is_built_tomorrow"})
    assert version.tables == {"fct_fills": ROWS}


def test_a_version_cannot_be_written_and_keeps_its_other_rights(warehouse: Path, published: Path) -> None:
    previous = os.umask(0o027)
    try:
        for generation in range(1, 6):  # the last are written over spares
            write_marts(warehouse, generation)
            version = publish(warehouse, published, keep=1)
            for file in (version.path, published / "serve.duckdb"):
                assert stat.S_IMODE(file.stat().st_mode) == 0o440
    finally:
        os.umask(previous)


def test_who_opens_the_version_for_writing_is_refused() -> None:
    """`duckdb serve.duckdb` without -readonly, by the person who publishes; root is refused nothing."""
    with tempfile.TemporaryDirectory(prefix="rights-") as name:
        folder = Path(name)
        folder.chmod(0o777)
        write_marts(folder / "warehouse.duckdb", 1)
        for file in (folder / "warehouse.duckdb", serve_file(folder / "warehouse.duckdb")):
            file.chmod(0o666)
        script = AS_NOBODY + (
            "for _ in range(4): version = publish(Path(sys.argv[1]), Path(sys.argv[2]), keep=1)\n"
            "print(version.bytes_copied < version.bytes)\n"
            "for file in (version.path, Path(sys.argv[2]) / 'serve.duckdb'):\n"
            "    try: duckdb.connect(str(file)).execute('update marts.fct_fills set generation = 9'); print('written')\n"
            "    except duckdb.IOException as error: print('Permission denied' in str(error))\n"
            "    print(duckdb.connect(str(file), read_only=True).sql('select max(generation) from marts.fct_fills').fetchone())\n"
        )
        done = python(script, folder / "warehouse.duckdb", folder / "published")
        assert done.stderr == "" and done.stdout.split("\n") == ["True", "True", "(1,)", "True", "(1,)", ""]
        assert not list((folder / "published").rglob("*.wal"))
