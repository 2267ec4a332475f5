"""Where things lie in the data folder: one place that says so, for everything that reads or writes there."""

import os
from collections.abc import Mapping
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


def data_folder(env: Mapping[str, str] = os.environ) -> Path:
    """The folder of warehouse, versions and Dagster's records: $DATA, else `data` in the project."""
    return Path(env.get("DATA") or REPOSITORY / "data").expanduser().resolve()


def warehouse_file(data: Path) -> Path:
    """The working file of a data folder, which one process at a time may open."""
    return data / "warehouse.duckdb"


def serve_file(warehouse: Path) -> Path:
    """The file with the marts that belongs to a warehouse file: beside it, as dbt's profile has it."""
    return warehouse.with_name(warehouse.name.removesuffix(".duckdb") + ".serve.duckdb")


def published_folder(data: Path) -> Path:
    """Where the marts of a data folder are published."""
    return data / "published"
