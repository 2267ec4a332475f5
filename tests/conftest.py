"""Fixtures shared by all tests."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
REAL_LOGS = REPOSITORY / ".." / "shared" / "real_logs" / "paper_trading_outputs"


@pytest.fixture(scope="session")
def real_logs() -> Path:
    """The bot's real log tree; tests that need it are skipped where it is not checked out beside the project."""
    if not REAL_LOGS.is_dir():
        pytest.skip(f"needs the real logs in {REAL_LOGS}")
    return REAL_LOGS.resolve()


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the project."""
    return REPOSITORY


@pytest.fixture(scope="session", autouse=True)
def _quiet_tools() -> None:
    """No telemetry from the tools under test, and no settings of the person who runs the tests."""
    os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
    for name in ("LANDING", "DATA", "PARTITIONS_START", "LOCK_WAIT_S", "DAGSTER_HOME", "WAREHOUSE_PATH", "ALERT_WEBHOOK_URL"):
        os.environ.pop(name, None)


@pytest.fixture(scope="session")
def dbt_manifest() -> Path:
    """The manifest of the dbt project, written anew when it is missing or stale (as `make setup` does)."""
    # Dagster takes seconds to import: only the tests that need it pay for it
    from dagster_project.assets.dbt import read_manifest
    from dagster_project.settings import Settings, SettingsError

    project = REPOSITORY / "dbt_project"
    (project / "target").mkdir(exist_ok=True)
    settings = Settings(landing=REPOSITORY, data=REPOSITORY / "data", dbt_project=project)
    with (project / "target" / ".parse.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test workers share the folder
        try:
            read_manifest(settings)
        except SettingsError:
            command = [str(Path(sys.executable).parent / "dbt"), "--quiet", "parse", "--profiles-dir", "."]
            done = subprocess.run(command, cwd=project, check=False, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr
            settings.manifest.touch()
    return settings.manifest
