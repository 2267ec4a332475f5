"""The archive under fire: no room, a destination that goes away, a process that is killed. The source stays; a re-run heals."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from archives import STREAMS, WARM_DAY, archived, ask, places, simulated_landing, tree
from exports.archive.partitions import Selection
from exports.archive.restore import restore
from exports.archive.run import ArchiveReport, Destinations, archive, verify
from exports.archive.stores import LocalStore, open_store
from exports.errors import CorruptArchiveError, DestinationError, SelectionError
from raw_loaders.load import load_landing
from raw_tables import raw_state

RUN = f"""
import datetime as dt, sys
from pathlib import Path
from exports.archive.partitions import Selection
from exports.archive.run import Destinations, archive
from exports.errors import ExportError
try:
    day = dt.date({WARM_DAY:%Y, %-m, %-d})
    there = Destinations(sys.argv[2], sys.argv[3])
    archive(Path(sys.argv[1]), there, today=day, selection=Selection(streams={STREAMS!r}))
except ExportError as error:
    print(error.exit_code, error)
else:
    print(0)
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loaded")
    simulated_landing(folder, defects="")
    return folder


@pytest.fixture
def site(loaded: Path, tmp_path: Path) -> Path:
    shutil.copytree(loaded, tmp_path / "site")
    load_landing(tmp_path / "site" / "landing", tmp_path / "site" / "w.duckdb", adopt=True)
    return tmp_path / "site"


def in_small_disk(folder: Path, script: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run Python code with `folder` on a tmpfs of 300 kB that only that process sees; skips where that is not allowed."""
    folder.mkdir()
    mount = 'mount -t tmpfs -o size=300k tmpfs "$1" && shift && "$@"'
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    probe = [*unshare, "sh", "-c", mount, "sh", str(folder)]
    if subprocess.run([*probe, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs in a namespace of its own")
    command = [*probe, sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, cwd=Path(__file__).parents[2])


def test_no_room_at_the_destination(site: Path) -> None:
    """The run ends with one sentence, keeps what was verified, leaves nothing half written; with room the next one goes on."""
    script = f"""
import os, subprocess, sys
run = [sys.executable, '-c', {RUN!r}, *sys.argv[1:4]]
print(subprocess.run(run, capture_output=True, text=True).stdout.strip())
found = [name for _, _, names in os.walk(sys.argv[2]) for name in names if name != '.bandit-archive']
copies = [name for name in found if name == 'records.parquet']
print(len(copies), [name for name in found if name not in copies])
subprocess.run(['mount', '-o', 'remount,size=50m', sys.argv[2]], check=True)
print(subprocess.run(run, capture_output=True, text=True).stdout.strip())
"""
    before = raw_state(site / "w.duckdb")
    landing = tree(site / "landing")
    result = in_small_disk(site / "warm", script, site / "w.duckdb", site / "warm", site / "cold")
    first, written, second = result.stdout.splitlines()
    assert first.startswith(f"5 The destination {site}/warm has no room left"), result.stderr
    assert int(written.split()[0]) > 0
    assert written.endswith("[]")
    assert second == "0"
    assert ask(site, "select distinct status from ops.archive_partitions") == [("verified",)]
    assert raw_state(site / "w.duckdb") == before
    assert tree(site / "landing") == landing


def test_no_room_names_the_state(site: Path) -> None:
    result = in_small_disk(site / "warm", RUN, site / "w.duckdb", site / "warm", site / "cold")
    assert result.stdout.startswith("5 "), result.stderr
    states = dict(ask(site, "select status, count(*) from ops.archive_partitions group by all"))
    assert states["failed"] == 1
    [(reason,)] = ask(site, "select status_reason from ops.archive_partitions where status = 'failed'")
    assert "no room left" in reason


def test_destination_that_vanishes_in_between(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unmounted disk must not be mistaken for an empty folder; once it is back the next run finishes."""
    put, calls = LocalStore.put, []

    def put_then_unmount(self: LocalStore, staged: Path, name: str) -> None:
        put(self, staged, name)
        calls.append(name)
        if len(calls) == 3:
            (site / "warm").rename(site / "unplugged")

    monkeypatch.setattr(LocalStore, "put", put_then_unmount)
    with pytest.raises(DestinationError, match="every source stays as it was"):
        archived(site)
    monkeypatch.undo()
    assert not (site / "warm").exists()
    with pytest.raises(DestinationError, match="is not the archive that was written before"):
        archived(site)
    assert not (site / "warm").exists()
    (site / "unplugged").rename(site / "warm")
    archived(site)
    assert verify(site / "w.duckdb", places(site)) == {}
    assert ask(site, "select distinct status from ops.archive_partitions") == [("verified",)]


def test_put_never_makes_a_vanished_destination(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "warm")
    store.check(must_exist=False)
    (tmp_path / "staged").write_text("x")
    (tmp_path / "warm").rename(tmp_path / "unplugged")
    with pytest.raises(FileNotFoundError):
        store.put(tmp_path / "staged", "a/b.parquet")
    assert not (tmp_path / "warm").exists()


def test_folder_without_rights(site: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    (site / "warm").mkdir(mode=0o500)
    with pytest.raises(DestinationError, match="Permission denied"):
        archived(site)


@pytest.mark.parametrize("kills", [4, pytest.param(25, marks=pytest.mark.long)])
def test_killed_at_any_moment(site: Path, kills: int) -> None:
    """Whatever moment a run dies at, the next one brings the archive to the bytes of an undisturbed one."""
    command = [sys.executable, "-c", RUN, str(site / "w.duckdb"), str(site / "warm"), str(site / "cold")]
    cwd = Path(__file__).parents[2]
    began = time.monotonic()
    archived(site)
    whole = time.monotonic() - began
    wanted = tree(site / "warm")
    for kill in range(kills):
        shutil.rmtree(site / "warm")
        (site / "w.duckdb").unlink()
        load_landing(site / "landing", site / "w.duckdb")
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=cwd)
        try:
            process.wait(1.0 + whole * (kill + 0.5) / kills)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        archived(site)
        assert tree(site / "warm") == wanted
        assert verify(site / "w.duckdb", places(site)) == {}


def test_restore_into_a_full_disk_leaves_no_half_file(site: Path) -> None:
    archived(site)
    script = f"""
import os, sys
from pathlib import Path
from exports.archive.partitions import Selection
from exports.archive.restore import restore
from exports.archive.run import Destinations
from exports.errors import ExportError
try:
    restore(Destinations({str(site / "warm")!r}, {str(site / "cold")!r}), Path(sys.argv[1]), selection=Selection())
except ExportError as error:
    print(error.exit_code, [n for _, _, names in os.walk(sys.argv[1]) for n in names if n.endswith('.part')])
"""
    result = in_small_disk(site / "back", script, site / "back")
    assert result.stdout.strip() == "5 []", result.stderr
    assert len(restore(places(site), site / "elsewhere", selection=Selection()).written) > 10


def test_wrong_days_are_refused(site: Path) -> None:
    from exports.archive.partitions import Policy

    for hot, warm in ((0, 90), (30, 10)):
        with pytest.raises(SelectionError, match="at least 1 day"):
            Policy(hot, warm)


class ServiceError(Exception):
    """What a driver passes on from its service; no OSError."""


class UnreliableFileSystem(MemoryFileSystem):
    """An object store whose service goes away after `calls_left` uploads."""

    protocol = ("unreliable",)
    store: ClassVar[dict] = {}
    pseudo_dirs: ClassVar[list] = [""]
    calls_left = 10**9

    @classmethod
    def _spend(cls) -> None:
        cls.calls_left -= 1
        if cls.calls_left < 0:
            raise ServiceError("no route to the service")

    def put_file(self, *args: object, **kwargs: object) -> None:
        self._spend()
        super().put_file(*args, **kwargs)

    def get_file(self, *args: object, **kwargs: object) -> None:
        if type(self).calls_left < 0:
            raise ServiceError("no route to the service")
        super().get_file(*args, **kwargs)


def test_object_store_that_vanishes_corrupts_and_heals(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver's own exception is a sentence, an outage is no missing copy, and once the service is back a run finishes."""
    fsspec.register_implementation("unreliable", UnreliableFileSystem, clobber=True)
    there = Destinations("unreliable://bucket/warm", "unreliable://bucket/cold")
    selection = Selection(streams=STREAMS)

    def run() -> ArchiveReport:
        return archive(site / "w.duckdb", there, today=WARM_DAY, selection=selection)

    monkeypatch.setattr(UnreliableFileSystem, "calls_left", 3)
    with pytest.raises(DestinationError, match=r"no route to the service.*every source stays as it was"):
        run().raise_if_failed()
    with pytest.raises(DestinationError, match="no route to the service"):
        verify(site / "w.duckdb", there)
    assert "missing" not in {status for [status] in ask(site, "select status from ops.archive_partitions")}
    monkeypatch.undo()
    run().raise_if_failed()
    assert verify(site / "w.duckdb", there) == {}

    name = next(path for path in UnreliableFileSystem.store if path.endswith("records.parquet"))
    UnreliableFileSystem().pipe_file(name, b"not what was verified")
    [reason] = verify(site / "w.duckdb", there).values()
    assert "has other bytes than were verified" in reason
    with pytest.raises(CorruptArchiveError, match="unreliable://bucket/warm/stream="):
        restore(there, site / "back", selection=selection)
    run().raise_if_failed()
    assert verify(site / "w.duckdb", there) == {}
    assert len(restore(there, site / "back", selection=selection).written) > 10


def test_local_urls_are_guarded_like_folders(tmp_path: Path) -> None:
    """local:// is a disk too: it can be unmounted, and must not be made anew."""
    assert isinstance(open_store(f"local://{tmp_path}/warm"), LocalStore)
