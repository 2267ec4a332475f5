"""An hour of a stream is shown as loaded when rows of it are in, and not otherwise: told by the ledger, kill or no kill."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

from dagster_project.assets.loaded_hours import loaded_hours_asset
from dagster_project.assets.raw import raw_assets
from dagster_project.instance import prepare_home
from dagster_project.partitions import hourly
from dagster_project.resources import warehouse_resource
from dagster_project.schedules import range_tags
from dagster_project.settings import Settings
from raw_loaders.dictionary import load_dictionary
from raw_tables import FILLS, fill, line, member, put

STREAM = "hyperliquid_fills"
DAY = "2025-11-21"
HOURS = [f"{DAY}-12:00", f"{DAY}-23:00", "2025-11-22-00:00"]
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def emitted(i: int, at: str) -> bytes:
    return member(line(fill(i, ts_ist=f"{at}+05:30")))


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A landing with rows in the hours 12 and 23 of one day and 0 of the next, all of one stream."""
    made = Settings(landing=tmp_path / "landing", data=tmp_path / "data")
    put(made.landing, FILLS, emitted(1, f"{DAY}T12:00:00") + emitted(2, f"{DAY}T23:59:59.999999"))
    put(made.landing, FILLS.replace("11-21", "11-22"), emitted(3, "2025-11-22T00:00:00"))
    monkeypatch.setenv("DAGSTER_HOME", os.environ.get("DAGSTER_HOME", ""))
    prepare_home(made)
    return made


@pytest.fixture
def instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.get() as made:
        yield made


def load(settings: Settings, instance: dg.DagsterInstance, first: str, last: str | None = None, *, fails: bool = False) -> None:
    done = dg.materialize(
        [raw_assets(settings, load_dictionary())],
        instance=instance,
        resources={"warehouse": warehouse_resource(settings)},
        partition_key=None if last else first,
        tags=range_tags(first, last) if last else None,
        run_config=QUIET,
        raise_on_error=not fails,
    )
    assert done.success != fails


def green(instance: dg.DagsterInstance) -> dict[str, list[str]]:
    """The hours of each raw stream that Dagster shows as materialised."""
    streams = load_dictionary().streams
    shown = {stream: sorted(instance.get_materialized_partitions(dg.AssetKey(["raw", stream]))) for stream in streams}
    return {stream: hours for stream, hours in shown.items() if hours}


def test_only_hours_with_rows_are_green_and_no_stream_that_never_landed(settings: Settings, instance: dg.DagsterInstance) -> None:
    load(settings, instance, f"{DAY}-14:00")  # an hour without a row
    assert green(instance) == {STREAM: HOURS}


def test_a_range_is_green_in_the_hours_that_hold_rows(settings: Settings, instance: dg.DagsterInstance) -> None:
    load(settings, instance, "2025-11-21-20:00", "2025-11-22-02:00")
    assert green(instance) == {STREAM: HOURS}


def test_hours_that_a_rewrite_emptied_are_no_longer_green(settings: Settings, instance: dg.DagsterInstance) -> None:
    def shown() -> set[str]:
        """What the UI has noted of the stream: it adds to that and does not count anew."""
        key, hours = dg.AssetKey(["raw", STREAM]), hourly(settings.partitions_start)
        noted = get_and_update_asset_status_cache_value(instance, key, hours)
        return set(noted.deserialize_materialized_partition_subsets(hours).get_partition_keys())

    load(settings, instance, HOURS[0])
    assert shown() == set(HOURS)
    put(settings.landing, FILLS, emitted(9, f"{DAY}T12:30:00"))
    load(settings, instance, HOURS[2])
    assert green(instance) == {STREAM: [HOURS[0], HOURS[2]]}
    assert shown() == {HOURS[0], HOURS[2]}


def test_hours_of_a_file_that_cannot_be_read_are_not_green_until_it_is_read(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    load(settings, instance, HOURS[0])
    file, held = settings.landing / FILLS, (settings.landing / FILLS).read_bytes()
    file.unlink()
    file.symlink_to(settings.data)  # stands in for rights, which root ignores
    load(settings, instance, HOURS[1])
    assert green(instance) == {STREAM: [HOURS[2]]}
    file.unlink()
    file.write_bytes(held + emitted(4, f"{DAY}T13:00:00"))
    load(settings, instance, "2025-11-25-00:00")
    assert green(instance) == {STREAM: [HOURS[0], f"{DAY}-13:00", *HOURS[1:]]}


def test_what_is_beyond_the_limit_is_told_by_the_next_runs(settings: Settings, instance: dg.DagsterInstance) -> None:
    few = replace(settings, announcement_limit=1)
    for known in ([HOURS[2]], HOURS[1:], HOURS, HOURS):
        load(few, instance, "2025-11-25-00:00")
        assert green(instance) == {STREAM: known}
    with duckdb.connect(str(settings.warehouse), read_only=True) as con:
        assert con.sql("select count(*) from ops.unreported_hours").fetchone() == (0,)


def test_a_run_that_dies_before_it_could_tell_leaves_it_to_the_next_one(
    settings: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("dagster_project.assets.announcements._tell", lambda *_: 1 / 0)
        load(settings, instance, f"{DAY}-14:00", fails=True)
    load(settings, instance, f"{DAY}-15:00")
    assert green(instance) == {STREAM: HOURS}


def test_hours_wait_to_be_withdrawn_until_a_backfill_has_seen_them_green(
    settings: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as at_work:
        at_work.setattr(dg.DagsterInstance, "get_backfills", lambda *_, **__: [object()])
        load(settings, instance, f"{DAY}-14:00")
    assert len(green(instance)) == len(load_dictionary().streams)
    load(settings, instance, HOURS[0])
    assert green(instance) == {STREAM: HOURS}


def test_hours_of_a_stream_without_a_clock_are_those_of_its_staged_rows(settings: Settings, instance: dg.DagsterInstance) -> None:
    load(settings, instance, HOURS[0])
    told = loaded_hours_asset(settings, load_dictionary(), {})
    for minutes, hours in ((-30, HOURS[:1]), (60, [f"{DAY}-13:00"])):
        with duckdb.connect(str(settings.warehouse)) as con:
            con.execute("create schema if not exists staging")
            moment = f"timestamptz '{DAY} 12:30:00+05:30' + interval '{minutes} minutes'"
            con.execute(f"create or replace table staging.stg_feature_log as select {moment} as emitted_at")
        # a load only withdraws: it comes before dbt, and what it would tell is told after it
        load(settings, instance, f"{DAY}-15:00")
        assert green(instance) == {STREAM: HOURS}
        dg.materialize([told], instance=instance, resources={"warehouse": warehouse_resource(settings)}, run_config=QUIET)
        assert green(instance) == {STREAM: HOURS, "feature_log": hours}


def test_to_tell_all_anew_withdraws_what_was_shown_wrongly(settings: Settings, instance: dg.DagsterInstance) -> None:
    for stream in (STREAM, "feature_log", "signals"):
        instance.report_runless_asset_event(dg.AssetMaterialization(["raw", stream], partition=f"{DAY}-03:00"))
    load(replace(settings, announcement_limit=None), instance, HOURS[0])
    assert green(instance) == {STREAM: HOURS}
