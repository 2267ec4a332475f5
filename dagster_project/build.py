"""Builds the whole graph from settings. Opens no warehouse; reads the stream dictionary and dbt's manifest."""

import warnings

import dagster as dg

from dagster_project.assets.day_reconciliation import day_reconciliation_asset
from dagster_project.assets.dbt import dbt_definitions, model_key, read_manifest
from dagster_project.assets.keys import staging_model
from dagster_project.assets.landing import landing_assets
from dagster_project.assets.raw import raw_assets
from dagster_project.checks.raw import raw_checks
from dagster_project.checks.staging import staging_checks
from dagster_project.resources import dbt_resource, warehouse_resource
from dagster_project.schedules import jobs, late_days_sensor, schedules
from dagster_project.settings import Settings
from raw_loaders.dictionary import load_dictionary


def build_definitions(settings: Settings) -> dg.Definitions:
    """Everything Dagster knows: assets, checks, jobs, schedules, resources.

    Raises SettingsError when the dbt manifest is missing or stale, DictionaryError when the dictionary contradicts
    itself.
    """
    dictionary = load_dictionary()
    manifest = read_manifest(settings)
    staging_keys = [key for stream in dictionary.streams if (key := model_key(manifest, staging_model(stream)))]
    hourly_job, daily_job = jobs()
    with warnings.catch_warnings():
        # backfill policies are "beta" by name only, and what makes a range one run
        warnings.simplefilter("ignore", dg.BetaWarning)
        assets = [
            *landing_assets(dictionary),
            raw_assets(settings, dictionary),
            dbt_definitions(settings, manifest),
            day_reconciliation_asset(settings, dictionary, staging_keys),
        ]
    return dg.Definitions(
        assets=assets,
        asset_checks=[raw_checks(settings, dictionary), staging_checks(dictionary, manifest)],
        jobs=[hourly_job, daily_job],
        schedules=schedules(hourly_job, daily_job),
        sensors=[late_days_sensor(hourly_job, daily_job)],
        resources={"warehouse": warehouse_resource(settings), "dbt": dbt_resource(settings)},
        executor=dg.in_process_executor,  # one writer, few steps: a process per step would cost seconds each
    )
