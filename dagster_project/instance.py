"""Dagster's own storage below <DATA>/dagster_home."""

import os
import shutil
from pathlib import Path

import dagster as dg

from dagster_project.settings import Settings

CONFIG = Path(__file__).parent / "dagster.yaml"


def prepare_home(settings: Settings) -> None:
    """Create DAGSTER_HOME with our configuration, and its databases once.

    Several processes that open a new home at the same moment would spoil each other's tables, so this comes first.
    """
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(CONFIG, home / "dagster.yaml")
    os.environ["DAGSTER_HOME"] = str(home)
    # one "planned" event per asset and run; else a range of hours writes one per asset and hour before it begins
    os.environ["DAGSTER_EMIT_PARTITION_SUBSET_IN_PLANNED_EVENTS"] = "true"
    # the hours of an output are stored together (quick_storage)
    os.environ["DAGSTER_EVENT_BATCH_SIZE"] = "1000"
    with dg.DagsterInstance.get():
        pass


def forget_materialisations() -> None:
    """Let no hour of a warehouse that was set aside go on being shown as loaded; the runs stay."""
    with dg.DagsterInstance.get() as instance:
        instance.wipe_assets(list(instance.all_asset_keys()))
