"""A backfill over a range, launched as the UI does and carried out by Dagster's own daemon code, is one run."""

import logging
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.test_utils import create_test_daemon_workspace_context, instance_for_test
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget
from dagster._daemon.backfill import execute_backfill_iteration
from dagster._time import get_current_timestamp

from dagster_project.schedules import range_tags

# Dagster's daemon reads the code location anew: half a minute on a busy machine
pytestmark = pytest.mark.long
HOURS = [f"2025-11-{day}-{hour:02}:00" for day, hour in ((20, 23), (21, 0), (21, 1))]


@pytest.fixture(scope="module")
def workspace(dbt_manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkspaceProcessContext]:
    """The code location of the production graph and an instance that puts runs into a queue that nobody empties."""
    folder = tmp_path_factory.mktemp("backfill")
    queue = {"run_coordinator": {"module": "dagster.core.run_coordinator", "class": "QueuedRunCoordinator"}}
    target = ModuleTarget("dagster_project.definitions", attribute=None, working_directory=None, location_name="bandit")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DATA", str(folder))
        with (
            instance_for_test(overrides=queue) as instance,
            create_test_daemon_workspace_context(target, instance) as context,
        ):
            yield context


def queued(workspace: WorkspaceProcessContext, backfill: PartitionBackfill) -> list[dg.DagsterRun]:
    instance = workspace.instance
    instance.add_backfill(backfill)
    faults = [fault for fault in execute_backfill_iteration(workspace, logging.getLogger("test")) if fault]
    assert not faults
    return [run for run in instance.get_runs() if run.tags.get("dagster/backfill") == backfill.backfill_id]


def test_of_a_job(workspace: WorkspaceProcessContext) -> None:
    location = workspace.create_request_context().get_code_location("bandit")
    (repository,) = location.get_repositories().values()
    (partitions,) = [found for found in repository.get_partition_sets() if found.job_name == "hourly"]
    (run,) = queued(
        workspace,
        PartitionBackfill(
            backfill_id="job",
            status=BulkActionStatus.REQUESTED,
            from_failure=False,
            tags={},
            backfill_timestamp=get_current_timestamp(),
            partition_set_origin=partitions.get_remote_origin(),
            partition_names=HOURS,
        ),
    )
    assert run.tags.items() >= range_tags(HOURS[0], HOURS[-1]).items()


def test_of_assets(workspace: WorkspaceProcessContext) -> None:
    (run,) = queued(
        workspace,
        PartitionBackfill.from_asset_partitions(
            backfill_id="assets",
            asset_graph=workspace.create_request_context().asset_graph,
            partition_names=HOURS,
            asset_selection=[dg.AssetKey(["raw", name]) for name in ("signals", "feature_log")],
            backfill_timestamp=get_current_timestamp(),
            tags={},
            dynamic_partitions_store=workspace.instance,
            all_partitions=False,
            title=None,
            description=None,
            run_config=None,
        ),
    )
    assert run.tags.items() >= range_tags(HOURS[0], HOURS[-1]).items()
