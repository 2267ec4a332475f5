"""Settings come from the environment, the landing last loaded is remembered."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from dagster_project.assets.dbt import read_manifest
from dagster_project.settings import Settings, SettingsError, remember_landing


def test_the_warehouse_lies_in_data_and_the_landing_defaults_to_a_folder_in_it(tmp_path: Path) -> None:
    settings = Settings.from_env({"DATA": str(tmp_path)})
    assert settings.warehouse == tmp_path / "warehouse.duckdb"
    assert settings.landing == tmp_path / "landing"


def test_the_landing_last_loaded_is_used_until_another_is_named(tmp_path: Path) -> None:
    remember_landing(Settings(landing=tmp_path / "logs", data=tmp_path / "data"))
    environment = {"DATA": str(tmp_path / "data"), "LANDING": ""}
    assert Settings.from_env(environment).landing == tmp_path / "logs"
    assert Settings.from_env(environment | {"LANDING": str(tmp_path / "other")}).landing == tmp_path / "other"


def test_a_start_that_is_no_date_is_refused() -> None:
    with pytest.raises(SettingsError, match="PARTITIONS_START is 'soon'"):
        Settings.from_env({"PARTITIONS_START": "soon"})


def test_a_missing_or_stale_manifest_says_how_to_write_it(tmp_path: Path) -> None:
    settings = replace(Settings(landing=tmp_path, data=tmp_path), dbt_project=tmp_path)
    (tmp_path / "dbt_project.yml").write_text("name: x\n")
    with pytest.raises(SettingsError, match=r"manifest.json is missing: run `make setup`"):
        read_manifest(settings)
    settings.manifest.parent.mkdir()
    settings.manifest.write_text("{}")
    with pytest.raises(SettingsError, match=r"partial_parse.msgpack is missing: run `make setup`"):
        read_manifest(settings)
    settings.parsed_project.write_bytes(b"")
    assert read_manifest(settings) == {}
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "stg_signals.sql").write_text("select 1")
    later = settings.manifest.stat().st_mtime + 5
    os.utime(tmp_path / "models" / "stg_signals.sql", (later, later))
    with pytest.raises(SettingsError, match=r"older than models/stg_signals.sql: run `make setup`"):
        read_manifest(settings)
