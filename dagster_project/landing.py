"""Which landing a warehouse belongs to, and the demo landing that is made when none was named."""

import shutil
import subprocess
import sys
from pathlib import Path

import duckdb

from dagster_project.queries import rows, table_exists
from dagster_project.resources import warehouse_resource
from dagster_project.settings import Settings
from raw_loaders.dictionary import load_dictionary
from raw_loaders.errors import LandingError, WarehouseGoneError
from serving.places import serve_file


def check_warehouse_is_there(settings: Settings) -> None:
    """Raise WarehouseGoneError when the warehouse was moved away: a new one would take years of logs in without a word."""
    if not settings.warehouse.exists() and any((settings.published / "versions").glob("*.duckdb")):
        raise WarehouseGoneError(
            f"The warehouse {settings.warehouse} is gone, though versions were published from it: put it back; "
            f"or, to load everything anew, remove {settings.published} and run the same command again."
        )


DEMO_ARGUMENTS = ("--seed", "7", "--days", "3")


def make_demo_landing(landing: Path) -> None:
    """Write the demo landing with the simulator. Raises LandingError when the simulator fails."""
    landing.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "raw_loaders.simulate", "--out", str(landing), *DEMO_ARGUMENTS]
    done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        message = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise LandingError(
            f"The demo landing {landing} could not be written ({message}): "
            "make room for it, or name a landing of your own with LANDING=<folder>."
        )


def loaded_landing(con: duckdb.DuckDBPyConnection) -> tuple[str | None, bool]:
    """(landing folder the warehouse was loaded from, whether it is synthetic); (None, False) before any load."""
    if not table_exists(con, "raw", "meta"):
        return None, False
    meta = {row["key"]: row["value"] for row in rows(con, "select key, value from raw.meta")}
    return meta.get("landing"), str(meta.get("is_synthetic")).lower() == "true"


def is_synthetic(landing: Path) -> bool:
    """Whether the simulator wrote this landing."""
    return (landing / load_dictionary().synthetic_marker).exists()


def make_room_for_real_logs(settings: Settings) -> str | None:
    """Rename a demo warehouse to warehouse.demo.duckdb, with its marts and versions, when the landing now named is a real one.

    Returns a sentence saying so, or None when nothing was in the way. Any other pair of different landings is left to
    the loader, which refuses it.
    """
    if not settings.warehouse.exists():
        return None
    try:
        with warehouse_resource(settings).connect() as con:
            held, held_is_synthetic = loaded_landing(con)
    except duckdb.Error:
        return None  # no warehouse this release can open: the loader says so
    if not held_is_synthetic or is_synthetic(settings.landing) or not settings.landing.is_dir():
        return None
    aside = settings.warehouse.with_name("warehouse.demo.duckdb")
    settings.warehouse.replace(aside)
    for file in (serve_file(settings.warehouse), settings.published):
        if file.exists():
            demo = serve_file(aside) if file.is_file() else file.with_name("published.demo")
            shutil.rmtree(demo, ignore_errors=True)
            file.replace(demo)
    return f"The warehouse held the demo landing {held}: it was set aside as {aside}."
