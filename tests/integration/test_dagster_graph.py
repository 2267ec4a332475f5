"""The graph Dagster loads: lineage from file to published marts, one writer, checks before publication, Indian time."""

from datetime import datetime
from pathlib import Path

import dagster as dg
import pytest

from dagster_project.assets.dbt_results import DBT_TESTS
from dagster_project.assets.keys import DAY_RECONCILIATION, LOADED_HOURS, PUBLISHED_MARTS
from dagster_project.build import build_definitions
from dagster_project.checks.raw import BYTES, LINES, PARTITIONS
from dagster_project.checks.staging import ATTRIBUTED, STAGED
from dagster_project.partitions import IST
from dagster_project.resources import WRITER_POOL
from dagster_project.schedules import range_tags
from dagster_project.settings import Settings
from raw_loaders.dictionary import load_dictionary
from raw_loaders.load import load_landing
from raw_tables import FILLS, fill, line, member, put

RAW_CHECKS = (LINES, BYTES, PARTITIONS)
STAGING_CHECKS = (STAGED, ATTRIBUTED)
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


@pytest.mark.parametrize("job", ["hourly", "daily", "exports"])
def test_every_step_writes_through_the_one_pool(defs: dg.Definitions, job: str) -> None:
    nodes = defs.resolve_job_def(job).all_node_defs
    assert {node.pool for node in nodes} == {WRITER_POOL}
    if job == "exports":  # what opens no warehouse must ask for the turn all the same
        assert all("warehouse" in node.required_resource_keys for node in nodes)


def test_each_stream_has_its_reconciliation_checks_and_none_stops_the_rest_of_the_run(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    for stream in STREAMS:
        raw, staged = dg.AssetKey(["raw", stream]), dg.AssetKey(["staging", f"stg_{stream}"])
        checks = [STAGED] if load_dictionary().streams[stream].is_optional else STAGING_CHECKS
        for key, name in [*((raw, name) for name in RAW_CHECKS), *((staged, name) for name in checks)]:
            assert not graph.get_check_spec(dg.AssetCheckKey(key, name)).blocking


def priority(defs: dg.Definitions, job: str) -> dict[str, int]:
    return {node.name: int(node.tags.get("dagster/priority", 0)) for node in defs.resolve_job_def(job).all_node_defs}


@pytest.mark.parametrize("job", ["hourly", "daily"])
def test_publication_rests_on_every_mart_and_comes_after_every_check(defs: dg.Definitions, job: str) -> None:
    graph = defs.resolve_asset_graph()
    marts = {key for key in graph.get_all_asset_keys() if key.path[0] == "marts"}
    assert len(marts) >= 34
    assert graph.get(PUBLISHED_MARTS).parent_keys == marts
    order = priority(defs, job)
    assert all(order[name] > order["published__marts"] for name in order if name.startswith("check_"))
    # it rests on no step, so that it answers also where one failed, and so comes last by its priority alone
    later = {"check_freshness", "published__marts", "ops__alert_delivery"}
    assert all(order["check_freshness"] < order[name] for name in order.keys() - later)


@pytest.mark.parametrize("job", ["hourly", "daily"])
def test_freshness_is_answered_also_when_publication_is_refused(defs: dg.Definitions, job: str) -> None:
    steps = defs.resolve_job_def(job).graph.dependencies
    (needed,) = [needs for step, needs in steps.items() if (step.alias or step.name) == "check_freshness"]
    assert not needed


def test_the_running_tick_checks_what_is_new_and_the_day_everything(defs: dg.Definitions) -> None:
    hourly, daily = ({node.name for node in defs.resolve_job_def(job).all_node_defs} for job in ("hourly", "daily"))
    each = {"check_raw", "check_staging", "check_records", "check_freshness", "published__marts"}
    assert each <= hourly
    assert each | {"check_streams", "check_tables", "ops__day_reconciliation"} <= daily
    assert not {"check_streams", "check_tables", "ops__day_reconciliation"} & hourly


def test_the_dbt_tests_of_a_table_are_one_check_of_its_asset(defs: dg.Definitions) -> None:
    from_dbt = {key.asset_key for key in defs.resolve_asset_graph().asset_check_keys if key.name == DBT_TESTS}
    assert {dg.AssetKey(["staging", f"stg_{stream}"]) for stream in STREAMS} <= from_dbt


def tick(defs: dg.Definitions, name: str, at: str) -> list[dg.RunRequest]:
    schedule = defs.resolve_schedule_def(name)
    due = datetime.fromisoformat(at).replace(tzinfo=IST)
    # a context that is not closed leaves its instance behind as the one that later definitions ask for their state
    with (
        dg.instance_for_test() as instance,
        dg.build_schedule_context(instance, due, repository_def=defs.get_repository_def()) as context,
    ):
        return schedule.evaluate_tick(context).run_requests


def test_the_hourly_schedule_asks_for_the_hour_that_closed_five_minutes_ago(defs: dg.Definitions) -> None:
    schedule = defs.resolve_schedule_def("every_hour")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("5 * * * *", "Asia/Kolkata")
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    (request,) = tick(defs, "every_hour", "2025-11-22T00:05:00")
    assert request.partition_key == "2025-11-21-23:00"


def test_the_hourly_schedule_adds_no_second_run_to_one_that_waits_for_its_turn(
    defs: dg.Definitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def one_is_queued(_instance: dg.DagsterInstance, filters: dg.RunsFilter, limit: int) -> list[object]:
        asked.append((filters.job_name, filters.statuses))
        return [object()]

    monkeypatch.setattr(dg.DagsterInstance, "get_run_records", one_is_queued)
    assert tick(defs, "every_hour", "2025-11-22T00:05:00") == []
    assert asked == [("hourly", [dg.DagsterRunStatus.QUEUED])]  # a run that has begun may have passed the files by


def test_a_clock_that_was_set_back_asks_for_the_same_hour_by_the_same_name(defs: dg.Definitions) -> None:
    (first,), (again,) = (tick(defs, "every_hour", "2025-11-22T00:05:00") for _ in range(2))
    assert first.run_key == again.run_key  # Dagster launches one run per schedule and run key


def test_a_tick_before_the_first_partition_is_skipped(defs: dg.Definitions) -> None:
    assert tick(defs, "every_hour", "2025-10-31T12:05:00") == []


def test_missed_ticks_are_one_run(defs: dg.Definitions) -> None:
    """Dagster evaluates all missed ticks of a schedule that has a partition set, and only the last of one that has none."""
    from dagster._core.remote_representation.external_data import ScheduleSnap

    snap = ScheduleSnap.from_def(defs.resolve_schedule_def("every_hour"), defs.get_repository_def())
    assert snap.partition_set_name is None


def test_the_daily_schedule_asks_for_the_ist_day_that_closed(defs: dg.Definitions) -> None:
    assert defs.resolve_schedule_def("every_day").default_status == dg.DefaultScheduleStatus.RUNNING
    (request,) = tick(defs, "every_day", "2025-11-22T00:20:00")
    assert request.partition_key == "2025-11-21"


@pytest.mark.parametrize("job", ["hourly", "daily", "exports"])
def test_a_backfill_over_a_range_is_one_run(defs: dg.Definitions, job: str) -> None:
    """What the UI goes by; test_dagster_backfill.py has Dagster's daemon do it."""
    partitioned = [node for node in defs.resolve_asset_graph().asset_nodes if node.is_partitioned]
    assert {node.backfill_policy for node in partitioned} == {dg.BackfillPolicy.single_run()}
    assert defs.resolve_job_def(job).backfill_policy == dg.BackfillPolicy.single_run()


def test_hours_are_told_again_after_dbt_in_the_hourly_job(defs: dg.Definitions) -> None:
    """Of some streams only staging knows the hours."""
    node = defs.resolve_asset_graph().get(LOADED_HOURS)
    assert node.parent_keys == {
        dg.AssetKey(["staging", f"stg_{name}"]) for name in ("feature_log", "calibration", "order_intent")
    }
    assert "ops__loaded_hours" in {node.name for node in defs.resolve_job_def("hourly").all_node_defs}


def test_the_daily_job_takes_what_the_sensor_asks_for(dbt_manifest: Path, tmp_path: Path) -> None:
    settings = Settings(landing=tmp_path / "landing", data=tmp_path)
    for day in (10, 20, 21):
        data = member(line(fill(day, ts_ist=f"2025-11-{day}T12:00:00+05:30")))
        put(settings.landing, FILLS.replace("11-21", f"11-{day}"), data)
    load_landing(settings.landing, settings.warehouse)
    built = build_definitions(settings)
    with dg.instance_for_test() as instance:
        context = dg.build_sensor_context(instance, repository_def=built.get_repository_def())
        older, newest = built.resolve_sensor_def("late_days").evaluate_tick(context).run_requests
    assert (older.partition_key, older.asset_selection) == ("2025-11-10", [DAY_RECONCILIATION])
    assert newest.tags.items() >= range_tags("2025-11-20", "2025-11-21").items()
    part = built.resolve_job_def("daily").get_subset(asset_selection=set(older.asset_selection))
    # with the checks of those days, without those of whole tables and without publication
    assert {node.name for node in part.all_node_defs} == {"ops__day_reconciliation", "check_days"}
