"""Days gone by are reconciled again when the ledger says so, asked for once, and no day between them."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from dagster_project.assets.day_reconciliation import replace_days
from dagster_project.assets.keys import DAY_RECONCILIATION
from dagster_project.partitions import IST, days_window
from dagster_project.sensors import late_days_sensor
from dagster_project.settings import Settings
from raw_loaders.dictionary import load_dictionary
from raw_loaders.load import load_landing
from raw_tables import FILLS, fill, line, member, put

LATER = dt.datetime(2025, 11, 28, 12, 0, tzinfo=IST)
Asked = list[tuple[str, bool]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(landing=tmp_path / "landing", data=tmp_path / "data")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def arrive(settings: Settings, *days: int, data: bytes = b"") -> None:
    """Files of these days of November arrive, or grow by `data`, and are loaded by no run of Dagster at all."""
    for day in days:
        name = FILLS.replace("11-21", f"11-{day}")
        held = (settings.landing / name).read_bytes() if data else b""
        put(settings.landing, name, held + (data or member(line(fill(day, ts_ist=f"2025-11-{day}T12:00:00+05:30")))))
    settings.data.mkdir(exist_ok=True)
    load_landing(settings.landing, settings.warehouse)


def reconcile(settings: Settings, *days: int) -> None:
    """What the runs asked for do: replace days. What is staged is made from raw here, for all streams."""
    streams = load_dictionary().streams
    with duckdb.connect(str(settings.warehouse)) as con:
        con.execute("set TimeZone = 'UTC'; create schema if not exists staging")
        for stream in streams:
            con.execute(
                f"create or replace table staging.stg_{stream} as select source_file, line_no, load_id, '5m' as bot, "
                f"'r' as run_id, cast(emitted_at at time zone 'Asia/Kolkata' as date) as emitted_date_ist from raw.{stream}"
            )
        for day in days:
            replace_days(con, list(streams), days_window(dt.date(2025, 11, day), dt.date(2025, 11, day)), settings.first_day)


class Daemon:
    """Looks at the sensor, and keeps its cursor."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance) -> None:
        self.settings, self.instance, self.cursor = settings, instance, ""

    def look(self, now: dt.datetime = LATER) -> Asked:
        """The partition or range of each run asked for, and whether it is the whole job."""
        job = dg.define_asset_job("daily", selection=[DAY_RECONCILIATION])
        sensor = late_days_sensor(self.settings, load_dictionary(), job, clock=lambda: now)
        with dg.build_sensor_context(self.instance, cursor=self.cursor) as context:
            answer = sensor(context)
            self.cursor = context.cursor
        if isinstance(answer, dg.SkipReason):
            return []
        named = {request.run_key: request for request in answer}
        assert len(named) == len(answer)
        ends = [(request.partition_key, *request.tags.values()) for request in answer]
        return [
            ("..".join(filter(None, end)), request.asset_selection is None) for end, request in zip(ends, answer, strict=True)
        ]


def test_days_are_asked_for_in_ranges_without_gaps_once_and_the_last_run_publishes(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    daemon = Daemon(settings, instance)
    assert daemon.look() == []  # no warehouse yet
    arrive(settings, 10, 20, 21, 22)
    assert daemon.look() == [("2025-11-10", False), ("2025-11-20..2025-11-22", True)]
    assert daemon.look() == []
    reconcile(settings, 10, 20, 21, 22)
    assert daemon.look() == []


@pytest.mark.parametrize("data", [member(b"[]\n"), b"\x1f\x8bnothing"], ids=["refused", "damaged"])
def test_a_day_that_received_no_row_but_refused_lines_or_damage_is_asked_for(
    settings: Settings, instance: dg.DagsterInstance, data: bytes
) -> None:
    arrive(settings, 10, 20)
    reconcile(settings, 10, 20)
    arrive(settings, 10, data=data)
    daemon = Daemon(settings, instance)
    assert daemon.look() == [("2025-11-10", True)]
    reconcile(settings, 10)
    assert daemon.look() == []
    arrive(settings, 10, data=data)  # the same day again, before anybody looked
    assert daemon.look() == [("2025-11-10", True)]


def test_what_a_run_did_not_reconcile_is_asked_for_again_the_next_day(settings: Settings, instance: dg.DagsterInstance) -> None:
    arrive(settings, 10)
    daemon = Daemon(settings, instance)
    asked = [daemon.look(LATER + dt.timedelta(hours=hours)) for hours in range(0, 36, 6)]
    assert [hour for hour, found in enumerate(asked) if found] == [0, 3]


def test_the_day_before_is_left_to_the_run_of_the_night_and_today_to_the_next(
    settings: Settings, instance: dg.DagsterInstance
) -> None:
    arrive(settings, 20, 21)
    reconcile(settings, 20, 21)
    arrive(settings, 20, 21, data=member(b"[]\n"))
    midnight = dt.datetime(2025, 11, 21, tzinfo=IST)
    daemon = Daemon(settings, instance)
    assert daemon.look(midnight + dt.timedelta(minutes=6)) == []
    assert daemon.look(midnight + dt.timedelta(minutes=30)) == [("2025-11-20", True)]


def test_nothing_is_asked_for_while_a_run_is_at_work(settings: Settings, instance: dg.DagsterInstance) -> None:
    arrive(settings, 10)
    run = instance.add_run(dg.DagsterRun(job_name="hourly", status=dg.DagsterRunStatus.STARTED))
    daemon = Daemon(settings, instance)
    assert daemon.look() == []
    instance.delete_run(run.run_id)
    assert daemon.look() == [("2025-11-10", True)]


def test_a_day_that_was_reconciled_before_it_was_over_is_asked_for(settings: Settings, instance: dg.DagsterInstance) -> None:
    arrive(settings, 10)
    reconcile(settings, 10)
    with duckdb.connect(str(settings.warehouse)) as con:
        con.execute("update ops.day_reconciliation set is_complete = false, incomplete_reason = 'the day is not over'")
    assert Daemon(settings, instance).look() == [("2025-11-10", True)]
