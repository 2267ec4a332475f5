"""The command line: a range of hours is one run with a bar, and exactly the days asked for or touched are reconciled."""

import io
import os
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from dagster_project import cli
from dagster_project.assets.keys import DAY_RECONCILIATION
from dagster_project.assets.raw import raw_assets
from dagster_project.partitions import daily, window_of
from dagster_project.resources import warehouse_resource
from dagster_project.settings import Settings
from raw_loaders.dictionary import load_dictionary
from raw_tables import FILLS, fill, line, member, put


class Terminal(io.StringIO):
    """A stderr that somebody looks at."""

    def isatty(self) -> bool:
        """Yes."""
        return True


@pytest.fixture
def reconciled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Environment of a command on a landing with two days far apart, and the ranges of days it has reconciled.

    Loader, Dagster and its storage are real; of the jobs only the first and the last step are there, which takes seconds.
    """
    for day in ("05", "28"):
        data = member(line(fill(1, ts_ist=f"2025-11-{day}T12:00:00+05:30")))
        put(tmp_path / "landing", FILLS.replace("11-21", f"11-{day}"), data)
    for name, value in {"LANDING": tmp_path / "landing", "DATA": tmp_path / "data"}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("DAGSTER_HOME", os.environ.get("DAGSTER_HOME", ""))
    windows: list[tuple[str, str]] = []

    def definitions(settings: Settings) -> dg.Definitions:
        @dg.asset(
            key=DAY_RECONCILIATION,
            partitions_def=daily(settings.partitions_start),
            backfill_policy=dg.BackfillPolicy.single_run(),
        )
        def days(context: dg.AssetExecutionContext) -> None:
            window = window_of(context)
            windows.append((str(window.first_day), str(window.end_day)))

        raw = raw_assets(settings, load_dictionary())
        jobs = [dg.define_asset_job("hourly", [raw]), dg.define_asset_job("daily", [days])]
        return dg.Definitions(
            [raw, days], jobs=jobs, resources={"warehouse": warehouse_resource(settings)}, executor=dg.in_process_executor
        )

    monkeypatch.setattr(cli, "build_definitions", definitions)
    return windows


def test_a_range_is_one_run_with_a_bar_and_late_days_far_apart_do_not_drag_in_the_days_between(
    reconciled: list[tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    assert cli.main(["run", "--from", "2025-11-20", "--to", "2025-11-21-11:00"]) == 0, terminal.getvalue()
    assert "daily job for 2025-11-05 and 2025-11-20 to 2025-11-21 and 2025-11-28: " in terminal.getvalue()
    assert "%|" in terminal.getvalue()  # a bar
    assert reconciled == [("2025-11-05", "2025-11-06"), ("2025-11-20", "2025-11-22"), ("2025-11-28", "2025-11-29")]
    with dg.DagsterInstance.get() as instance:
        runs = [run for run in instance.get_runs() if run.job_name == "hourly"]
        (green,) = [instance.get_materialized_partitions(dg.AssetKey(["raw", "hyperliquid_fills"]))]
    assert [run.tags["dagster/asset_partition_range_start"] for run in runs] == ["2025-11-20-00:00"]
    assert green == {"2025-11-05-12:00", "2025-11-28-12:00"}
    with duckdb.connect(str(tmp_path / "data" / "warehouse.duckdb"), read_only=True) as con:
        assert con.sql("select count(*) from raw.hyperliquid_fills").fetchone() == (2,)
