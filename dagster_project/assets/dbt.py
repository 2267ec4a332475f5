"""The dbt models as assets, each with its row count; their tests come along as asset checks.

They carry no partition: which days and runs a build touches is for its plan to say (docs/decisions/incremental_builds.md).
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import duckdb
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, dbt_assets
from tqdm import tqdm

from dagster_project import queries
from dagster_project.assets.dbt_results import (
    BUILT,
    DBT_TESTS,
    NodeResult,
    broken,
    by_table,
    left_out,
    materialisations,
    merged,
    part_rows,
    results_of_tests,
    selector,
    test_name,
    tested,
)
from dagster_project.checks.history import record
from dagster_project.checks.scope import TOUCHED, WHOLE
from dagster_project.dbt_command import run_dbt
from dagster_project.resources import WRITER_POOL, Warehouse
from dagster_project.schedules import HOURLY_JOB
from dagster_project.settings import Settings, SettingsError
from serving.versions import list_versions


class Translator(DagsterDbtTranslator):
    """One check per tested table stands for all of its dbt tests: three stored events per check are most of what a run costs."""

    def get_asset_check_spec(
        self, asset_spec: dg.AssetSpec, manifest: Mapping[str, Any], unique_id: str, project: Any
    ) -> dg.AssetCheckSpec | None:
        """The check `dbt_tests` of the table that the test `unique_id` stands on; None for a test of another table."""
        node = manifest["nodes"][unique_id]
        table = manifest["nodes"].get(tested(node)) or manifest["sources"].get(tested(node))
        if table is None or self.get_asset_key(table) != asset_spec.key:
            return None
        return dg.AssetCheckSpec(DBT_TESTS, asset=asset_spec.key, description="All dbt tests of this table, each with its rows.")


TRANSLATOR = Translator(settings=DagsterDbtTranslatorSettings(enable_source_tests_as_checks=True, enable_asset_checks=True))
WHOLE_HISTORY = "whole_history"
_SOURCE_FOLDERS = ("models", "macros", "seeds", "tests", "snapshots", "analyses")


def read_manifest(settings: Settings) -> dict[str, Any]:
    """Read the manifest that `dbt parse` wrote. Raises SettingsError when it is missing or older than the project."""
    manifest = settings.manifest
    for file in (manifest, settings.parsed_project):
        if not file.is_file():
            raise SettingsError(f"The dbt manifest {file} is missing: run `make setup`, which writes it.")
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


def mart_keys(manifest: Mapping[str, Any]) -> list[dg.AssetKey]:
    """Asset keys of the models in schema `marts`: what is published."""
    nodes = manifest["nodes"].values()
    return [TRANSLATOR.get_asset_key(node) for node in nodes if node["resource_type"] == "model" and node["schema"] == "marts"]


def whole_history_keys(manifest: Mapping[str, Any]) -> list[dg.AssetKey]:
    """Asset keys of the models that are built whole, by the daily job: what cannot be added to."""
    nodes = manifest["nodes"].values()
    return [
        TRANSLATOR.get_asset_key(node) for node in nodes if node["resource_type"] == "model" and WHOLE_HISTORY in node["tags"]
    ]


def view_keys(manifest: Mapping[str, Any]) -> list[dg.AssetKey]:
    """Asset keys of the models that are views: a query on one reads all the history it is over, also a query of a test."""
    nodes = manifest["nodes"].values()
    return [
        TRANSLATOR.get_asset_key(node)
        for node in nodes
        if node["resource_type"] == "model" and node["config"]["materialized"] == "view"
    ]


def tests_with_tables(manifest: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], dg.AssetKey]]:
    """Each dbt test with the asset key of the table that it stands on."""
    tables = {**manifest["nodes"], **manifest["sources"]}
    for node in manifest["nodes"].values():
        if node["resource_type"] == "test" and tested(node) in tables:
            yield node, TRANSLATOR.get_asset_key(tables[tested(node)])


def dbt_definitions(settings: Settings, manifest: Mapping[str, Any]) -> dg.AssetsDefinition:
    """All models, seeds and tests of the dbt project, run by one `dbt build`.

    A failed test keeps dbt from building what rests on the tested model; those models are built all the same, by a second
    command, so that a run ends with everything built and every check evaluated. It is publication that a failed check stops.
    """
    nodes = {node["unique_id"]: node for kind in ("nodes", "sources") for node in manifest[kind].values()}
    keys = {id_: TRANSLATOR.get_asset_key(node) for id_, node in nodes.items() if node["resource_type"] in (*BUILT, "source")}
    relations = {id_: (nodes[id_]["schema"], nodes[id_].get("alias") or nodes[id_]["identifier"]) for id_ in keys}
    tests = {node["unique_id"]: key for node, key in tests_with_tables(manifest)}

    @dbt_assets(manifest=manifest, name="dbt_build", dagster_dbt_translator=TRANSLATOR, pool=WRITER_POOL)
    def dbt_build(context: dg.AssetExecutionContext, warehouse: Warehouse) -> Iterator[Any]:
        with tqdm(desc="dbt build", total=len(keys) + len(tests), disable=not settings.progress, leave=False) as bar:
            chosen = _selection(context, nodes, keys, tests)
            if chosen and context.job_def.name == HOURLY_JOB and list_versions(settings.published):
                with warehouse.connect() as con:
                    chosen += _lost(con, nodes, relations)
            results = _build(context, settings, nodes, chosen, bar.update)
        # dbt has let go of the file: count now, then hand its results on, those of a partly failed build too
        with warehouse.connect() as con:
            found = queries.table_sizes(con, [relations[id_] for id_ in _counted(results, nodes, relations)])
            sizes = {id_: found[name] for id_, name in relations.items() if name in found}
            parts = part_rows(con, manifest)
            by_test = list(results_of_tests(con, results, manifest, tests, sizes, parts))
            of_parts = {test_name(nodes[id_]) for id_ in parts}
            record(con, context.run.run_id, WHOLE.name, [found for found in by_test if found.check_name not in of_parts])
            record(con, context.run.run_id, TOUCHED.name, [found for found in by_test if found.check_name in of_parts])
        for made in materialisations(results, keys, sizes):
            if made.asset_key in context.selected_asset_keys:
                yield made
            else:  # Dagster takes results of those only that it asked for
                context.log_event(dg.AssetMaterialization(made.asset_key, metadata=made.metadata))
        yield from by_table(by_test)
        if failed := broken(results):
            first = failed[0]
            more = f" and {len(failed) - 1} more models" if len(failed) > 1 else ""
            raise dg.Failure(f"dbt could not build {first.name}{more}: {' '.join((first.message or 'no message').split())}")

    return dbt_build


def _lost(
    con: duckdb.DuckDBPyConnection, nodes: Mapping[str, Mapping[str, Any]], relations: Mapping[str, tuple[str, str]]
) -> list[str]:
    """Models over all of history that have no table: the daily run that builds them may be hours away, and until then nothing
    could be published over a version that has them."""
    whole = [id_ for id_ in relations if WHOLE_HISTORY in nodes[id_].get("tags", ())]
    held = "select schema_name, table_name from duckdb_tables() union all select schema_name, view_name from duckdb_views()"
    there = set(con.execute(held).fetchall())
    return [id_ for id_ in whole if relations[id_] not in there]


def _counted(results: Sequence[NodeResult], nodes: Mapping[str, Mapping[str, Any]], relations: Mapping[str, Any]) -> list[str]:
    """What to tell the rows of: all tables, and the views that were tested, as to count a view is to run it."""
    examined = {tested(nodes[result.unique_id]) for result in results if result.unique_id.startswith("test.")}
    return [id_ for id_ in relations if id_ in examined or nodes[id_]["config"].get("materialized") != "view"]


def _selection(
    context: dg.AssetExecutionContext,
    nodes: Mapping[str, Mapping[str, Any]],
    keys: Mapping[str, dg.AssetKey],
    tests: Mapping[str, dg.AssetKey],
) -> list[str]:
    """Unique ids of the models, seeds and tests that are selected; none when all are."""
    assets = context.selected_asset_keys
    checked = {key.asset_key for key in context.selected_asset_check_keys}
    built = [id_ for id_, key in keys.items() if key in assets and nodes[id_]["resource_type"] in BUILT]
    asked = [id_ for id_, key in tests.items() if key in checked]
    is_all = len(asked) == len(tests) and len(built) == sum(nodes[id_]["resource_type"] in BUILT for id_ in keys)
    return [] if is_all else [*built, *asked]


def _build(
    context: dg.AssetExecutionContext,
    settings: Settings,
    nodes: Mapping[str, Mapping[str, Any]],
    chosen: Sequence[str],
    on_result: Callable[[], object],
) -> list[NodeResult]:
    """`dbt build`, and again for what stood behind a failed test."""

    is_tick = context.job_def.name == HOURLY_JOB

    def build(ids: Sequence[str]) -> list[NodeResult]:
        named = ["--indirect-selection", "empty", "--select", *(selector(nodes[id_]) for id_ in ids)] if ids else []
        return run_dbt(settings, ["build", "--exclude-resource-type", "unit_test", *named], on_result, tests_part=is_tick)

    results = build(chosen)
    while waiting := [result.unique_id for result in left_out(results)]:
        context.log.warning(f"{len(waiting)} nodes behind a failed test are built now.")
        more = build(waiting)
        results = merged(results, more)
        if not {result.unique_id for result in more if result.status != "skipped"} & set(waiting):
            break
    return results
