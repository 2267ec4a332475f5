"""What a publication writes, what it refuses, and what it leaves when it fails."""

import errno
import fcntl
import os
import random
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import pytest

from publications import AS_NOBODY, ROWS, hold, let_go, python, write_marts
from raw_loaders.errors import WarehouseLockedError
from serving import ServingError, publish
from serving.errors import NothingPublishedError, PublicationError
from serving.places import serve_file
from serving.reading import describe, open_version
from serving.versions import list_versions


@pytest.mark.parametrize("kills", [6, pytest.param(40, marks=pytest.mark.long)])
def test_a_killed_publication_leaves_the_last_version(warehouse: Path, published: Path, kills: int) -> None:
    rng = random.Random(7)
    publish(warehouse, published)
    call = f"publish(Path({str(warehouse)!r}), Path({str(published)!r}))"
    script = f"from pathlib import Path; from serving import publish; print('go', flush=True); {call}"
    began = time.monotonic()
    write_marts(warehouse, 2, rows=2_000_000)
    publish(warehouse, published)
    usual = time.monotonic() - began
    struck = 0
    for _ in range(kills):
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(rng.random() * usual)
        process.send_signal(signal.SIGKILL)
        struck += process.wait() == -signal.SIGKILL
        with open_version(published) as connection:
            assert connection.execute("select count(*), max(generation) from fct_fills").fetchone() == (2_000_000, 2)
        for path in list_versions(published):
            with duckdb.connect(str(path), read_only=True) as connection:
                assert connection.execute("select count(*) from marts.published_version").fetchone() == (1,)
    assert struck > 0
    write_marts(warehouse, 3)
    version = publish(warehouse, published)
    assert version.tables == {"fct_fills": ROWS, "fct_orders": ROWS}
    assert not [file for file in (published / "versions").iterdir() if ".part" in file.name]


def test_two_publications_at_once_take_turns(warehouse: Path, published: Path) -> None:
    script = "import sys; from pathlib import Path; from serving import publish; publish(Path(sys.argv[1]), Path(sys.argv[2]))"
    command = [sys.executable, "-c", script, str(warehouse), str(published)]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(4)]
    assert [process.communicate(timeout=120)[1] for process in running] == [b""] * 4
    assert [path.stem[-6:] for path in list_versions(published)] == ["000001", "000002", "000003", "000004"]
    with open_version(published) as connection:
        assert connection.execute("select version_id from published_version").fetchone()[0].endswith("-000004")


def test_a_publication_that_never_ends_is_waited_for_and_then_named(warehouse: Path, published: Path) -> None:
    publish(warehouse, published)
    with (published / ".publish.lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4711\n")
        lock.flush()
        script = (
            "import sys; from pathlib import Path; from serving import ServingError, publish\n"
            "try: publish(Path(sys.argv[1]), Path(sys.argv[2]), wait_s=0.5)\n"
            "except ServingError as error: print(error)"
        )
        try:
            done = python(script, warehouse, published)
        except subprocess.TimeoutExpired:
            pytest.fail("it was waited for without end")
    assert "(PID 4711)" in done.stdout and "end it" in done.stdout and done.stdout.count("\n") == 1
    publish(warehouse, published)
    assert (published / ".publish.lock").read_text() == f"{os.getpid()}\n"


def test_a_stranger_in_the_working_file_is_waited_for_and_then_named(warehouse: Path, published: Path) -> None:
    first = publish(warehouse, published)
    script = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    for file in (serve_file(warehouse), warehouse):
        stranger = hold(file, script)
        with pytest.raises(WarehouseLockedError, match=rf"{file.name} is open in .*PID {stranger.pid}"):
            publish(warehouse, published, wait_s=0.5)
        let_go(stranger)
        assert [path.stem for path in list_versions(published)] == [first.version_id]
        assert not [file for file in (published / "versions").iterdir() if ".part" in file.name]
    publish(warehouse, published)


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
    with pytest.raises(NothingPublishedError, match=r"missing in .* \(fct_orders\): launch the job daily.*`expected`"):
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


def test_a_version_that_cannot_be_read_is_not_compared_with(warehouse: Path, published: Path) -> None:
    """It must not stop the publication that replaces it; the one before it is compared with."""
    publish(warehouse, published)
    second = publish(warehouse, published)
    second.path.unlink()
    second.path.write_bytes(b"damaged" * 9999)
    with duckdb.connect(str(serve_file(warehouse))) as connection:
        connection.execute("drop table marts.fct_orders")
    with pytest.raises(NothingPublishedError, match="fct_orders"):
        publish(warehouse, published)
    write_marts(warehouse, 2)
    publish(warehouse, published)


def test_failed_switches_leave_no_versions_behind(warehouse: Path, published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        publish(warehouse, published, keep=2)
    before = [path.stem for path in list_versions(published)]
    for code, words in (
        (errno.EPERM, "no hard links"),
        (errno.EOPNOTSUPP, "no hard links"),
        (errno.EIO, "could not be published"),
    ):

        def fail(*_: object, code: int = code) -> None:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, "link", fail)
        for _ in range(4):
            with pytest.raises(PublicationError, match=words) as caught:
                publish(warehouse, published, keep=2)
            assert "\n" not in str(caught.value)
        assert [path.stem for path in list_versions(published)] == before
        assert len(list((published / "versions").iterdir())) <= 3  # the two, and the spare
        assert not list(published.glob(".serve.duckdb.*"))
        with open_version(published) as connection:
            assert connection.execute("select version_id from published_version").fetchone() == (before[-1],)
    monkeypatch.undo()
    publish(warehouse, published, keep=2)


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


def test_faults_are_one_sentence_and_change_nothing(warehouse: Path, published: Path, tmp_path: Path) -> None:
    with pytest.raises(NothingPublishedError, match="Nothing is published"):
        open_version(published)
    with pytest.raises(NothingPublishedError, match="no marts to publish"):
        publish(tmp_path / "elsewhere.duckdb", published)
    (tmp_path / "file").touch()
    with pytest.raises(PublicationError, match="could not be published"):
        publish(warehouse, tmp_path / "file" / "published")
    with duckdb.connect() as open_here:
        open_here.execute(f"attach '{serve_file(warehouse)}' as serve (read_only)")
        with pytest.raises(PublicationError, match="close what this program has open"):
            publish(warehouse, published)
    with pytest.raises(ValueError, match="no column for weather"):
        publish(warehouse, published, facts={"weather": "fine"})
    assert list_versions(published) == [] and not list((published / "versions").iterdir())


def test_a_folder_without_rights_changes_nothing() -> None:
    """As a person who may not write there (root may write everywhere)."""
    with tempfile.TemporaryDirectory(prefix="rights-") as name:
        folder = Path(name)
        (folder / "published").mkdir()
        write_marts(folder / "warehouse.duckdb", 1)
        first = publish(folder / "warehouse.duckdb", folder / "published")
        script = AS_NOBODY + ("try: publish(Path(sys.argv[1]), Path(sys.argv[2]))\nexcept ServingError as error: print(error)\n")
        closed = (folder, folder / "published", folder / "published" / "versions")
        for path in closed:
            path.chmod(0o555)
        try:
            done = python(script, folder / "warehouse.duckdb", folder / "published")
        finally:
            for path in closed:
                path.chmod(0o755)
        assert done.stderr == "" and done.stdout.count("\n") == 1, done.stderr
        assert "could not be published into" in done.stdout and "may be written" in done.stdout
        assert [path.stem for path in list_versions(folder / "published")] == [first.version_id]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system, which takes root")
def test_a_full_disk_leaves_the_last_version(warehouse: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(small)], check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip(f"cannot mount a tmpfs here: {mounted.stderr.decode().strip()}")
    try:
        publish(warehouse, small)
        write_marts(warehouse, 2, rows=3_000_000)
        with pytest.raises(ServingError, match="no room"):
            publish(warehouse, small)
        with open_version(small) as connection:
            assert connection.execute("select max(generation) from fct_fills").fetchone() == (1,)
        assert len(list_versions(small)) == 1
    finally:
        subprocess.run(["umount", str(small)], check=False)
