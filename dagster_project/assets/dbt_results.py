"""What dbt did, from its own run_results.json, as Dagster's materialisations and check results."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb

from dagster_project.checks.history import FAILED, SKIPPED, WARNED, state_of
from dagster_project.checks.result import outcome
from dagster_project.queries import Row, rows

BUILT = ("model", "seed", "snapshot")
DBT_TESTS = "dbt_tests"


@dataclass(frozen=True)
class NodeResult:
    """One node of one dbt command: `status` as dbt says it (success, error, skipped, pass, fail, warn)."""

    unique_id: str
    status: str
    message: str | None
    failures: int | None
    seconds: float
    sql: str | None

    @property
    def kind(self) -> str:
        """model, seed, test, …"""
        return self.unique_id.split(".")[0]

    @property
    def name(self) -> str:
        """Name of the node in its project."""
        return self.unique_id.split(".")[2]


def read_results(target: Path) -> list[NodeResult]:
    """The results of the last command in `target`; none when dbt ended before it came to a node."""
    file = target / "run_results.json"
    if not file.is_file():
        return []
    return [
        NodeResult(
            found["unique_id"],
            str(found["status"]),
            found.get("message"),
            found.get("failures"),
            found.get("execution_time") or 0.0,
            found.get("compiled_code"),
        )
        for found in json.loads(file.read_text())["results"]
    ]


def broken(results: Iterable[NodeResult]) -> list[NodeResult]:
    """Models and seeds that dbt could not build."""
    return [result for result in results if result.kind in BUILT and result.status == "error"]


def left_out(results: Sequence[NodeResult]) -> list[NodeResult]:
    """Nodes that dbt skipped although every model before them was built: a failed test stands before them."""
    return [] if broken(results) else [result for result in results if result.status == "skipped"]


def selector(node: Mapping[str, Any]) -> str:
    """What selects this node alone; its bare name would also select a folder called so."""
    return f"fqn:{'.'.join(node['fqn'])}"


def merged(results: Sequence[NodeResult], more: Sequence[NodeResult]) -> list[NodeResult]:
    """What became of each node in two commands, the later one counts."""
    return list({result.unique_id: result for result in [*results, *more]}.values())


def materialisations(
    results: Iterable[NodeResult], keys: Mapping[str, dg.AssetKey], sizes: Mapping[str, int]
) -> Iterator[dg.MaterializeResult]:
    """One per model and seed that was built, with its rows and seconds. `keys` and `sizes` are by dbt's unique id."""
    for result in results:
        if result.kind in BUILT and result.status == "success" and result.unique_id in keys:
            metadata: Row = {"seconds": round(result.seconds, 3)}
            if result.unique_id in sizes:
                metadata["dagster/row_count"] = sizes[result.unique_id]
            yield dg.MaterializeResult(asset_key=keys[result.unique_id], metadata=metadata)


def tested(node: Mapping[str, Any]) -> str:
    """Unique id of the table a test stands on: the one its YAML hangs it on, else the first that it reads."""
    return node.get("attached_node") or next(iter(node["depends_on"]["nodes"]), "")


def test_name(node: Mapping[str, Any]) -> str:
    """Name of a dbt test's answer in `ops.check_results`."""
    return f"{DBT_TESTS}: {node['name']}"


def part_rows(con: duckdb.DuckDBPyConnection, manifest: Mapping[str, Any]) -> dict[str, int]:
    """Rows of the part of its table that a test looked at, by the test's unique id; tests of whole tables are not in it.

    The macro note_tests wrote it down when dbt ended.
    """
    found = rows(con, "select test, model, row_count from build.part_tests, build.part_rows")
    counts = {(row["test"], row["model"]): row["row_count"] for row in found}
    tests = {id_: node for id_, node in manifest["nodes"].items() if node["resource_type"] == "test"}
    names = {id_: (node["name"], tested(node).split(".")[-1]) for id_, node in tests.items()}
    return {id_: counts[name] for id_, name in names.items() if name in counts}


def results_of_tests(
    con: duckdb.DuckDBPyConnection,
    results: Iterable[NodeResult],
    manifest: Mapping[str, Any],
    tests: Mapping[str, dg.AssetKey],
    sizes: Mapping[str, int],
    parts: Mapping[str, int],
) -> Iterator[dg.AssetCheckResult]:
    """One per test that ran: rows it looked at, number of failing rows, ten of them, and what to do.

    `sizes` has the rows of whole tables by the table's unique id, `parts` those of part_rows().
    """
    for result in results:
        key = tests.get(result.unique_id)
        if key is None or result.status == "skipped":
            continue
        node = manifest["nodes"][result.unique_id]
        table = ".".join(key.path)
        is_part = result.unique_id in parts
        yield outcome(
            key,
            test_name(node),
            rows_examined=parts[result.unique_id] if is_part else sizes.get(tested(node), 0),
            failing=[] if result.status == "pass" else _failing_rows(con, result),
            failing_count=result.failures if result.status != "pass" else None,
            remedy=node["config"]["meta"].get("what_to_do") or _remedy(node, key),
            nothing_because=f"no row of {table} was written by this run" if is_part else f"{table} has no row",
            is_warning=result.status == "warn",
        )


def by_table(results: Sequence[dg.AssetCheckResult]) -> Iterator[dg.AssetCheckResult]:
    """One result per table for all its tests: fails when one fails; not yielded when there was nothing to examine."""
    tables: dict[dg.AssetKey, list[dg.AssetCheckResult]] = {}
    for result in results:
        tables.setdefault(result.asset_key, []).append(result)
    for key, group in tables.items():
        states = [state_of(result) for result in group]
        if all(state == SKIPPED for state in states):
            continue
        first = next((result for state in (FAILED, WARNED) for result in group if state_of(result) == state), None)
        lines = [f"- {state}: {result.check_name}" for state, result in zip(states, group, strict=True)]
        metadata: dict[str, Any] = {
            "rows_examined": max((result.metadata["rows_examined"] for result in group), key=lambda count: count.value),
            "tests": dg.MetadataValue.md("\n".join(lines)),
            **({name: first.metadata[name] for name in ("failing_rows", "examples", "what_to_do")} if first else {}),
        }
        yield dg.AssetCheckResult(
            asset_key=key,
            check_name=DBT_TESTS,
            passed=first is None,
            severity=first.severity if first else dg.AssetCheckSeverity.ERROR,
            metadata=metadata,
            description=f"{first.check_name}: {first.description}" if first else None,
        )


def _failing_rows(con: duckdb.DuckDBPyConnection, result: NodeResult) -> list[Row]:
    """Up to ten rows that the test's query finds; a test that could not be evaluated fails with dbt's message."""
    message = {"message": (result.message or f"the test ended as {result.status}").strip()}
    if result.status == "error" or not result.sql:
        return [message]
    try:
        return rows(con, f"select * from ({result.sql}) limit 10") or [message]
    except duckdb.Error:
        return [message]


def _remedy(node: Mapping[str, Any], key: dg.AssetKey) -> str:
    what = node.get("description") or f"The test is `{node['name']}` in {node['original_file_path']}"
    return (
        f"{what.rstrip('.')}. Look at the rows in {'.'.join(key.path)}: "
        "if the landed records are right, the model is wrong; mend it and run again."
    )
