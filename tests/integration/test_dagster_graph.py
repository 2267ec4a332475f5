"""The graph Dagster loads: lineage from file to staging, one writer, blocking checks, schedules on Indian time."""

from datetime import datetime
from pathlib import Path

import dagster as dg
import pytest

from dagster_project.build import build_definitions
from dagster_project.checks.raw import BYTES, LINES, PARTITIONS
from dagster_project.checks.staging import ATTRIBUTED, STAGED
from dagster_project.partitions import IST
from dagster_project.resources import WRITER_POOL
from dagster_project.settings import Settings
from raw_loaders.dictionary import load_dictionary

RAW_CHECKS = (LINES, BYTES, PARTITIONS)
STAGING_CHECKS = (STAGED, ATTRIBUTED)
OUR_CHECKS = {*RAW_CHECKS, *STAGING_CHECKS}
STREAMS = sorted(load_dictionary().streams)


@pytest.fixture(scope="module")
def defs(dbt_manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    folder = tmp_path_factory.mktemp("graph")
    return build_definitions(Settings(landing=folder / "landing", data=folder / "data"))


def test_the_graph_loads_and_building_it_writes_nothing(defs: dg.Definitions, tmp_path: Path) -> None:
    dg.Definitions.validate_loadable(defs)
    settings = Settings(landing=tmp_path / "landing", data=tmp_path / "data")
    build_definitions(settings)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stream", STREAMS)
def test_each_stream_leads_from_its_files_over_raw_to_staging(defs: dg.Definitions, stream: str) -> None:
    graph = defs.resolve_asset_graph()
    raw, staged = dg.AssetKey(["raw", stream]), dg.AssetKey(["staging", f"stg_{stream}"])
    assert graph.get(raw).parent_keys == {dg.AssetKey(["landing", stream])}
    assert raw in graph.get_ancestor_asset_keys(staged)
    assert staged in graph.get(dg.AssetKey(["ops", "day_reconciliation"])).parent_keys


def test_raw_is_hourly_days_are_daily_and_full_rebuilds_have_no_partition(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    assert isinstance(graph.get(dg.AssetKey(["raw", "signals"])).partitions_def, dg.HourlyPartitionsDefinition)
    days = graph.get(dg.AssetKey(["ops", "day_reconciliation"])).partitions_def
    assert isinstance(days, dg.DailyPartitionsDefinition)
    assert days.timezone == "Asia/Kolkata"
    assert not graph.get(dg.AssetKey(["staging", "stg_signals"])).is_partitioned


@pytest.mark.parametrize("job", ["hourly", "daily"])
def test_every_step_writes_through_the_one_pool(defs: dg.Definitions, job: str) -> None:
    nodes = defs.resolve_job_def(job).all_node_defs
    assert {node.pool for node in nodes} == {WRITER_POOL}


def test_each_stream_has_its_reconciliation_checks_and_they_block(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    for stream in STREAMS:
        raw, staged = dg.AssetKey(["raw", stream]), dg.AssetKey(["staging", f"stg_{stream}"])
        for key, name in [*((raw, name) for name in RAW_CHECKS), *((staged, name) for name in STAGING_CHECKS)]:
            assert graph.get_check_spec(dg.AssetCheckKey(key, name)).blocking


def test_dbt_tests_are_asset_checks(defs: dg.Definitions) -> None:
    from_dbt = {key.asset_key for key in defs.resolve_asset_graph().asset_check_keys if key.name not in OUR_CHECKS}
    assert {dg.AssetKey(["staging", f"stg_{stream}"]) for stream in STREAMS} <= from_dbt


def tick(defs: dg.Definitions, name: str, at: str) -> list[dg.RunRequest]:
    schedule = defs.resolve_schedule_def(name)
    context = dg.build_schedule_context(
        scheduled_execution_time=datetime.fromisoformat(at).replace(tzinfo=IST),
        repository_def=defs.get_repository_def(),
    )
    return schedule.evaluate_tick(context).run_requests


def test_the_hourly_schedule_asks_for_the_hour_that_closed_five_minutes_ago(defs: dg.Definitions) -> None:
    schedule = defs.resolve_schedule_def("every_hour")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("5 * * * *", "Asia/Kolkata")
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    (request,) = tick(defs, "every_hour", "2025-11-22T00:05:00")
    assert request.partition_key == "2025-11-21-23:00"


def test_the_daily_schedule_asks_for_the_ist_day_that_closed(defs: dg.Definitions) -> None:
    assert defs.resolve_schedule_def("every_day").default_status == dg.DefaultScheduleStatus.RUNNING
    (request,) = tick(defs, "every_day", "2025-11-22T00:20:00")
    assert request.partition_key == "2025-11-21"


def hourly_run(instance: dg.DagsterInstance, *events: dg.AssetMaterialization) -> dg.ExecuteInProcessResult:
    """A run of a job with the name of ours that reports these materialisations."""

    @dg.op
    def load(context: dg.OpExecutionContext) -> None:
        for event in events:
            context.log_event(event)

    @dg.job(name="hourly")
    def hourly() -> None:
        load()

    return hourly.execute_in_process(instance=instance)


@pytest.mark.parametrize(
    ("partitions", "read", "expected"),
    [
        (["2025-11-21-23:00", "2025-11-24-03:00"], None, ("2025-11-21", "2025-11-24")),
        (["2025-11-21-23:00"], 5, "2025-11-21"),
        (["2025-11-21-23:00"], 0, None),
        (["2999-01-01-00:00"], None, None),
    ],
)
def test_days_gone_by_that_received_rows_are_reconciled_again_as_one_run(
    defs: dg.Definitions, partitions: list[str], read: int | None, expected: tuple[str, str] | str | None
) -> None:
    metadata = {} if read is None else {"accepted_read": read}
    events = [dg.AssetMaterialization(["raw", "signals"], partition=key, metadata=metadata) for key in partitions]
    with dg.DagsterInstance.ephemeral() as instance:
        done = hourly_run(instance, *events)
        context = dg.build_run_status_sensor_context("late_days", done.get_run_success_event(), instance, done.dagster_run)
        answer = defs.resolve_sensor_def("late_days")(context)
    if expected is None:
        assert isinstance(answer, dg.SkipReason)
    elif isinstance(expected, str):
        assert answer.partition_key == expected
    else:
        assert tuple(answer.tags[f"dagster/asset_partition_range_{end}"] for end in ("start", "end")) == expected
