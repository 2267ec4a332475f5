"""A part of the landing that cannot be read, or goes away while it is listed: the rest is loaded, nothing counts as deleted."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from dagster_project.checks.landed import landed_partitions
from dagster_project.checks.raw import check_partitions
from dagster_project.sensors import landing_sensor
from dagster_project.settings import Settings
from raw_loaders import landing as landing_module
from raw_loaders.dictionary import load_dictionary
from raw_loaders.errors import LandingError
from raw_loaders.landing import check_landing, scan_landing
from raw_loaders.load import load_landing
from raw_tables import FILLS, SIGNALS, assert_reconciled, fill, line, member, put

NOBODY = 65534
FOLDER = "5m/logs/5m/hyperliquid_fills/"
LATER = FILLS.replace("2025-11-21", "2025-11-22")
BESIDE = FILLS.replace("5m", "1h")
# rights stop root from nothing
LOAD = """
import os, sys
from raw_loaders.cli import main
if os.geteuid() == 0:
    os.setegid(65534)
    os.seteuid(65534)
sys.exit(main(["load", "--landing", sys.argv[1], "--warehouse", sys.argv[2]]))
"""


@pytest.fixture
def site() -> Iterator[Path]:
    """A landing and a folder for a warehouse, both of a person without special rights (pytest's own folders are root's)."""
    with tempfile.TemporaryDirectory(prefix="rights-") as name:
        folder = Path(name)
        put(folder / "landing", FILLS, member(line(fill(1))))
        put(folder / "landing", BESIDE, member(line(fill(2))))
        (folder / "data").mkdir()
        _own(folder)
        yield folder


def _own(folder: Path) -> None:
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY)


def load(site: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", LOAD, str(site / "landing"), str(site / "data" / "warehouse.duckdb")]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def files(site: Path) -> dict[str, tuple[str, str | None]]:
    with duckdb.connect(str(site / "data" / "warehouse.duckdb"), read_only=True) as con:
        found = con.execute("select source_file, status, status_reason from raw.files").fetchall()
    return {name: (status, reason) for name, status, reason in found}


@contextlib.contextmanager
def without_rights(path: Path, mode: int = 0) -> Iterator[None]:
    path.chmod(mode)
    try:
        yield
    finally:
        path.chmod(0o755)


@pytest.mark.parametrize("mode", [0o000, 0o444])  # may not be listed; may be listed, and nothing in it looked at
def test_a_folder_without_rights_is_named_and_hides_no_more_than_itself(site: Path, mode: int) -> None:
    assert load(site).returncode == 0
    put(site / "landing", BESIDE.replace("2025-11-21", "2025-11-22"), member(line(fill(3))))
    put(site / "landing", LATER, member(line(fill(4))))
    _own(site)
    folder = FOLDER if mode == 0 else f"{FOLDER}date=2025-11-21/asset=BTCUSDT/"
    with without_rights(site / "landing" / folder, mode):
        done = load(site)
    assert done.returncode == 3 and done.stderr.count("\n") == 1, done.stderr
    assert f"{folder} could not be read (Permission denied): every other file is loaded" in done.stderr
    found = files(site)
    assert found[FILLS] == ("loaded", None)  # nobody knows better
    assert found[folder] == ("unreadable", "Permission denied")
    assert found[BESIDE.replace("2025-11-21", "2025-11-22")] == ("loaded", None)
    assert load(site).returncode == 0
    assert folder not in files(site) and files(site)[LATER] == ("loaded", None)
    assert_reconciled(site / "data" / "warehouse.duckdb")


@pytest.mark.parametrize("folder", ["", "5m/", "5m/logs/"])
def test_a_landing_without_rights_is_one_sentence(site: Path, folder: str) -> None:
    shutil.rmtree(site / "landing" / "1h")
    with without_rights(site / "landing" / folder):
        done = load(site)
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    assert f"{folder or 'landing'} " in done.stderr and "Permission denied" in done.stderr and "mend its rights" in done.stderr
    assert not list((site / "data").iterdir())


def unreadable(monkeypatch: pytest.MonkeyPatch, folder: str, error: OSError) -> None:
    """Let the listing of a folder fail, whoever runs the test."""
    real = os.scandir

    def scandir(path: object) -> object:
        if str(path).rstrip("/").endswith("/" + folder.rstrip("/")):
            raise error
        return real(path)

    monkeypatch.setattr(landing_module.os, "scandir", scandir)


def two_streams(tmp_path: Path) -> Path:
    put(tmp_path / "landing", FILLS, member(line(fill(1))))
    put(tmp_path / "landing", SIGNALS, b"")
    return tmp_path / "landing"


def test_the_check_of_the_stream_fails_for_an_unreadable_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    landing, warehouse = two_streams(tmp_path), tmp_path / "w.duckdb"
    unreadable(monkeypatch, FOLDER, PermissionError(13, "Permission denied"))
    assert load_landing(landing, warehouse).unreadable == {FOLDER: "Permission denied"}
    landed = landed_partitions(landing, load_dictionary(), not_after_s=float("inf"))
    with duckdb.connect(str(warehouse)) as con:
        fills, signals = (check_partitions(con, name, landed.get(name, ())) for name in ("hyperliquid_fills", "signals"))
    assert not fills.passed and "unreadable: Permission denied" in fills.description and FOLDER in fills.description
    assert signals.passed


def test_a_folder_that_could_hold_any_stream_fails_the_check_of_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    landing, warehouse = two_streams(tmp_path), tmp_path / "w.duckdb"
    unreadable(monkeypatch, "5m/logs/5m", PermissionError(13, "Permission denied"))
    load_landing(landing, warehouse)
    with duckdb.connect(str(warehouse)) as con:
        assert not any(check_partitions(con, name, ()).passed for name in ("hyperliquid_fills", "signals"))


def test_the_sensor_skips_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(landing=two_streams(tmp_path), data=tmp_path / "data")
    load_landing(settings.landing, settings.warehouse)
    unreadable(monkeypatch, FOLDER, PermissionError(13, "Permission denied"))

    @dg.job
    def hourly() -> None: ...

    with dg.instance_for_test() as instance, dg.build_sensor_context(instance) as context:
        answer = landing_sensor(settings, load_dictionary(), hourly)(context)
    assert isinstance(answer, dg.SkipReason)
    assert f"{settings.landing / FOLDER} cannot be read (Permission denied)" in answer.skip_message


def test_a_folder_that_goes_away_while_it_is_listed_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    landing, warehouse = two_streams(tmp_path), tmp_path / "w.duckdb"
    load_landing(landing, warehouse)
    unreadable(monkeypatch, FOLDER, FileNotFoundError(2, "No such file or directory"))
    report = load_landing(landing, warehouse)
    assert (report.missing, report.unreadable) == (1, {})


def test_a_landing_that_goes_away_while_it_is_listed_is_no_landing_of_deleted_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing = two_streams(tmp_path)
    real = landing_module._check_any_stream

    def unplugged(*arguments: object) -> None:
        real(*arguments)
        landing.rename(tmp_path / "unplugged")

    monkeypatch.setattr(landing_module, "_check_any_stream", unplugged)
    with pytest.raises(LandingError, match="does not exist"):
        scan_landing(landing, load_dictionary())


def test_a_link_to_itself_is_one_unreadable_file(tmp_path: Path) -> None:
    landing, warehouse = two_streams(tmp_path), tmp_path / "w.duckdb"
    link = landing / LATER
    link.parent.mkdir(parents=True)
    link.symlink_to(link.name)
    check_landing(landing, load_dictionary())
    report = load_landing(landing, warehouse)
    assert list(report.unreadable) == [LATER]
    link.unlink()
    put(landing, LATER, member(line(fill(9))))
    assert load_landing(landing, warehouse).unreadable == {}
    with duckdb.connect(str(warehouse), read_only=True) as con:
        assert con.execute("select count(*) from raw.hyperliquid_fills").fetchone() == (2,)
    assert_reconciled(warehouse)
