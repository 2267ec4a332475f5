"""Fixtures of the tests that publish."""

from pathlib import Path

import pytest

from publications import write_marts


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    """A warehouse with two marts and a view of generation 1, in a data folder of its own."""
    file = tmp_path / "warehouse.duckdb"
    write_marts(file, 1)
    return file


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Where that data folder publishes."""
    return tmp_path / "published"
