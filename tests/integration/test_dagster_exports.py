"""The exports in Dagster: a range of days is one run, each day has its folder, a fault is one sentence."""

import datetime as dt
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from archives import simulated_landing
from contract_marts import make_marts
from dagster_project.assets.exports import ARCHIVE, DAILY_EXPORTS, export_assets, export_job, export_schedule
from dagster_project.assets.keys import DAY_RECONCILIATION, EXPORT_GROUP
from dagster_project.resources import warehouse_resource
from dagster_project.settings import Settings
from raw_loaders.dictionary import load_dictionary

DAY = dt.date(2025, 11, 21)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A loaded warehouse, and published marts with a decision on each of two days."""
    data = tmp_path_factory.mktemp("data")
    landing = simulated_landing(data, defects="")
    (data / "w.duckdb").rename(data / "warehouse.duckdb")
    (data / "published").mkdir()
    moments = [dt.datetime(2025, 11, day, 6, tzinfo=dt.UTC) for day in (21, 22)]
    decisions = [
        {
            "decision_id": f"d{m.day}",
            "bot": "5m",
            "bar_open_at": m,
            "decided_at": m,
            "decided_date_ist": m.date(),
            "final_side": "BUY",
        }
        for m in moments
    ]
    health = [{"bot": "5m", "bucket_start_at": m, "bucket_end_at": m + dt.timedelta(minutes=5), "as_of_at": m} for m in moments]
    make_marts(data / "published" / "serve.duckdb", {"fct_decisions": decisions, "mart_health_5m": health})
    return Settings(landing=landing, data=data)


def run(settings: Settings, *keys: str, expect: bool = True, **options: object) -> dg.ExecuteInProcessResult:
    """Materialise some of the export assets in process."""
    assets = export_assets(settings, load_dictionary())
    chosen = [asset for asset in assets if asset.key.path[-1] in keys]
    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize(
            chosen, instance=instance, resources={"warehouse": warehouse_resource(settings)}, raise_on_error=expect, **options
        )


def test_a_range_of_days_is_one_run(settings: Settings) -> None:
    span = {"dagster/asset_partition_range_start": "2025-11-21", "dagster/asset_partition_range_end": "2025-11-22"}
    result = run(settings, "summaries", "sheets", "audit_report", "health_buckets", tags=span)
    assert result.success
    exports = settings.data / "exports"
    for kind in ("summaries", "sheets"):
        assert sorted(path.name for path in (exports / kind).iterdir()) == ["date=2025-11-21", "date=2025-11-22"]
    assert [path.name for path in (exports / "audit").iterdir()] == ["dates=2025-11-21_2025-11-22"]
    text = (exports / "summaries" / "date=2025-11-22" / "guard_rejections_sample.jsonl").read_text()
    assert '"d22"' in text and '"d21"' not in text
    metadata = result.asset_materializations_for_node("exports__summaries")[0].metadata
    assert metadata["files"].value == 12 and metadata["bytes"].value > 0


def test_archive_in_a_run(settings: Settings) -> None:
    """Dry run first, then for good: all is older than the days given, and the landing stays as it is."""
    config = {"ops": {"__".join(ARCHIVE.path): {"config": {"hot_days": 30, "warm_days": 40, "dry_run": True}}}}
    result = run(settings, "archive", run_config=config)
    planned = result.asset_materializations_for_node("exports__archive")[0].metadata["planned"].value
    assert planned > 30 and not (settings.data / "archive").exists()
    config["ops"]["__".join(ARCHIVE.path)]["config"]["dry_run"] = False
    run(settings, "archive", run_config=config)
    with duckdb.connect(str(settings.warehouse), read_only=True) as connection:
        states = connection.execute("select tier, status, count(*) from ops.archive_partitions group by all").fetchall()
    assert states == [("archive", "verified", planned)]
    assert all((settings.landing / name).exists() for name in ("5m", "_SYNTHETIC.json"))


def test_a_fault_is_one_sentence(settings: Settings, tmp_path: Path) -> None:
    empty = Settings(landing=settings.landing, data=tmp_path)
    result = run(empty, "health_buckets", expect=False)
    assert not result.success
    failure = result.failure_data_for_node("exports__health_buckets").error
    assert "There is no file" in failure.cause.message if failure.cause else "There is no file" in failure.message


def test_job_and_schedule(settings: Settings) -> None:
    """The nightly job holds the whole group."""
    job = export_job()
    assets = export_assets(settings, load_dictionary())
    resolved = dg.Definitions(
        assets=assets, jobs=[job], schedules=[export_schedule(job)], resources={"warehouse": warehouse_resource(settings)}
    )
    selected = resolved.resolve_job_def("exports").asset_layer.executable_asset_keys
    assert {key.path[-1] for key in selected} == {"summaries", "audit_report", "sheets", "health_buckets", "archive"}
    assert {group for asset in assets for group in asset.group_names_by_key.values()} == {EXPORT_GROUP}


@pytest.mark.parametrize(
    ("exported", "reconciled", "expected"),
    [
        ([], [3], ["2025-11-21"]),  # a first night
        ([20], [21], ["2025-11-21"]),
        ([18], [], ["2025-11-19..2025-11-21"]),  # nights that were missed
        ([5, 6, 20], [5, 21], ["2025-11-05", "2025-11-21"]),  # a day that was reconciled again since
        ([20, 22], [21, 22], ["2025-11-21"]),  # the running day is not over
    ],
)
def test_the_night_asks_for_what_is_not_exported_as_it_is(
    exported: list[int], reconciled: list[int], expected: list[str]
) -> None:
    due = dt.datetime(2025, 11, 21, 19, 10, tzinfo=dt.UTC)  # 00:40 IST of the 22nd
    with dg.instance_for_test() as instance, dg.build_schedule_context(instance, due) as context:
        told = [(key, day) for day in exported for key in DAILY_EXPORTS] + [(DAY_RECONCILIATION, day) for day in reconciled]
        for key, day in told:
            instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=f"2025-11-{day:02}"))
        requests = export_schedule(export_job())(context)
    assert ["..".join(filter(None, (request.partition_key, *request.tags.values()))) for request in requests] == expected
    assert [request.asset_selection is None for request in requests] == [False] * (len(requests) - 1) + [True]
