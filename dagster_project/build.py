"""Builds the whole graph from settings. Opens no warehouse; reads the stream dictionary and dbt's manifest."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from dagster_project.assets.alert_delivery import alert_delivery_asset
from dagster_project.assets.day_reconciliation import day_reconciliation_asset
from dagster_project.assets.dbt import (
    dbt_definitions,
    mart_keys,
    model_key,
    read_manifest,
    tests_with_tables,
    view_keys,
    whole_history_keys,
)
from dagster_project.assets.dbt_results import test_name
from dagster_project.assets.exports import export_assets, export_job, export_schedule
from dagster_project.assets.keys import staging_model
from dagster_project.assets.landing import landing_assets
from dagster_project.assets.loaded_hours import loaded_hours_asset
from dagster_project.assets.publication import publication_asset
from dagster_project.assets.raw import raw_assets
from dagster_project.checks.alerts import alert_checks
from dagster_project.checks.days import day_checks
from dagster_project.checks.freshness import freshness_check
from dagster_project.checks.raw import raw_checks
from dagster_project.checks.records import record_checks
from dagster_project.checks.staging import staging_checks
from dagster_project.checks.streams import stream_checks
from dagster_project.checks.tables import table_checks
from dagster_project.resources import warehouse_resource
from dagster_project.schedules import jobs, schedules
from dagster_project.sensors import landing_sensor, late_days_sensor
from dagster_project.settings import Settings
from raw_loaders.dictionary import load_dictionary


def build_definitions(settings: Settings) -> dg.Definitions:
    """Everything Dagster knows: assets, checks, jobs, schedules, resources.

    Raises SettingsError when the dbt manifest is missing or stale, DictionaryError when the dictionary contradicts
    itself.
    """
    dictionary = load_dictionary()
    manifest = read_manifest(settings)
    staging = {stream: key for stream in dictionary.streams if (key := model_key(manifest, staging_model(stream)))}
    each_run = [
        raw_checks(settings, dictionary),
        staging_checks(dictionary, manifest),
        record_checks(manifest),
        freshness_check(dictionary),
    ]
    with warnings.catch_warnings():
        # "beta" by name only: backfill policies, which make a range one run, and checks by partition
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        by_day = day_checks(settings, model_key(manifest, "mart_stream_coverage"))
        daily_only = [stream_checks(dictionary), table_checks(dictionary, manifest), by_day]
        hourly_job, daily_job = jobs(each_run, daily_only, whole_history_keys(manifest), view_keys(manifest))
        known = _known_checks([*each_run, *daily_only], manifest)
        assets = [
            *landing_assets(dictionary),
            raw_assets(settings, dictionary),
            dbt_definitions(settings, manifest),
            loaded_hours_asset(settings, dictionary, staging),
            day_reconciliation_asset(settings, dictionary, list(staging.values())),
            publication_asset(settings, dictionary, mart_keys(manifest), known),
            alert_delivery_asset(),
            *export_assets(settings, dictionary),
        ]
    exports_job = export_job()
    return dg.Definitions(
        assets=assets,
        asset_checks=[*each_run, *daily_only, alert_checks(manifest)],
        jobs=[hourly_job, daily_job, exports_job],
        schedules=[*schedules(settings, hourly_job, daily_job), export_schedule(exports_job)],
        sensors=[landing_sensor(settings, dictionary, hourly_job), late_days_sensor(settings, dictionary, daily_job)],
        resources={"warehouse": warehouse_resource(settings)},
        executor=dg.in_process_executor,  # one writer, few steps: a process per step would cost seconds each
    )


def _known_checks(checks: Sequence[dg.AssetChecksDefinition], manifest: Mapping[str, Any]) -> set[tuple[str, str]]:
    """(asset, check) as `ops.check_results` names them."""
    ours = {(".".join(spec.asset_key.path), spec.name) for each in checks for spec in each.check_specs}
    return ours | {(".".join(key.path), test_name(node)) for node, key in tests_with_tables(manifest)}
