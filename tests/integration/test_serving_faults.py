"""What a publication that fails says and leaves: kills, full disks, missing rights, somebody else in the files."""

import errno
import fcntl
import os
import random
import signal
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
from serving.reading import open_version
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
