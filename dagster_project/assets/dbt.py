"""The dbt models as assets, each with its row count; their tests come along as asset checks.

All models are full rebuilds, so they carry no partition: a partition would promise that only a part was rebuilt.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtCliResource, dbt_assets
from tqdm import tqdm

from dagster_project import queries
from dagster_project.resources import WRITER_POOL, Warehouse, dbt_environment, environment
from dagster_project.settings import Settings, SettingsError

TRANSLATOR = DagsterDbtTranslator(
    settings=DagsterDbtTranslatorSettings(enable_source_tests_as_checks=True, enable_asset_checks=True)
)
STEP_TYPES = ("model", "seed", "test")
_SOURCE_FOLDERS = ("models", "macros", "seeds", "tests", "snapshots", "analyses")


def read_manifest(settings: Settings) -> dict[str, Any]:
    """Read the manifest that `dbt parse` wrote. Raises SettingsError when it is missing or older than the project."""
    manifest = settings.manifest
    if not manifest.is_file():
        raise SettingsError(f"The dbt manifest {manifest} is missing: run `make setup`, which writes it.")
    written = manifest.stat().st_mtime
    files = [settings.dbt_project / "dbt_project.yml"]
    for folder in _SOURCE_FOLDERS:
        files += [file for file in (settings.dbt_project / folder).rglob("*") if file.suffix in (".sql", ".yml", ".csv")]
    newer = sorted(str(file.relative_to(settings.dbt_project)) for file in files if file.stat().st_mtime > written)
    if newer:
        raise SettingsError(
            f"The dbt manifest {manifest} is older than {newer[0]}"
            f"{f' and {len(newer) - 1} more files' if len(newer) > 1 else ''}: run `make setup`, which writes it anew."
        )
    return json.loads(manifest.read_text())


def model_key(manifest: Mapping[str, Any], name: str) -> dg.AssetKey | None:
    """Asset key of the dbt model `name`, or None when the project has no such model."""
    for node in manifest["nodes"].values():
        if node["resource_type"] == "model" and node["name"] == name:
            return TRANSLATOR.get_asset_key(node)
    return None


def dbt_definitions(settings: Settings, manifest: Mapping[str, Any]) -> dg.AssetsDefinition:
    """All models, seeds and tests of the dbt project, run by one `dbt build`."""
    relations = {
        TRANSLATOR.get_asset_key(node): (node["schema"], node["alias"])
        for node in manifest["nodes"].values()
        if node["resource_type"] in ("model", "seed")
    }

    steps = sum(node["resource_type"] in STEP_TYPES for node in manifest["nodes"].values())

    @dbt_assets(manifest=manifest, name="dbt_build", dagster_dbt_translator=TRANSLATOR, pool=WRITER_POOL)
    def dbt_build(context: dg.AssetExecutionContext, dbt: DbtCliResource, warehouse: Warehouse) -> Iterator[Any]:
        # one folder for all runs: dbt finds its last parse there, and artefacts do not pile up
        target = settings.data / "dbt_target"
        events, failure = [], None
        try:
            with environment(dbt_environment(settings)):
                invocation = dbt.cli(["build", "--exclude-resource-type", "unit_test"], context=context, target_path=target)
                with tqdm(total=steps, desc="dbt build", disable=not settings.progress, leave=False) as bar:
                    for event in invocation.stream():
                        events.append(event)
                        bar.update()
        except dg.Failure as error:
            failure = error
        # dbt has let go of the file: count now, then hand its results on, those of a partly failed build too
        with warehouse.connect(read_only=True) as con:
            sizes = queries.table_sizes(con, list(relations.values()))
        for event in events:
            if isinstance(event, dg.Output):
                key = context.asset_key_for_output(event.output_name)
                if (size := sizes.get(relations.get(key, ("", "")))) is not None:
                    context.add_output_metadata({"dagster/row_count": size}, output_name=event.output_name)
            yield event
        if failure:
            raise failure

    return dbt_build
