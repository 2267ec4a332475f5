"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest

from dbt_commands import manifest

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
    """The manifest of the dbt project, written anew when it is missing or stale."""
    return manifest()
