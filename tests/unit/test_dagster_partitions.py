"""Partitions are half-open hours and days of India, half an hour off the hours of UTC."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dagster import HourlyPartitionsDefinition
from dagster._core.definitions.partitions.context import partition_loading_context

from dagster_project.partitions import IST, TIMEZONE, Window, daily, hour_key, hourly
from dagster_project.runner import Span, day_spans, hour_span
from dagster_project.settings import Settings, SettingsError

SETTINGS = Settings(landing=Path("landing"), data=Path("data"))


def test_an_hour_begins_at_half_past_in_utc_and_the_next_one_begins_where_it_ends() -> None:
    partitions = hourly("2025-11-01")
    first, second = (partitions.time_window_for_partition_key(f"2025-11-21-{hour}:00") for hour in ("00", "01"))
    assert first.start.astimezone(UTC) == datetime(2025, 11, 20, 18, 30, tzinfo=UTC)
    assert first.end == second.start


@pytest.mark.parametrize(
    ("moment", "key"),
    [
        (datetime(2025, 11, 20, 18, 29, 59, 999999, tzinfo=UTC), "2025-11-20-23:00"),
        (datetime(2025, 11, 20, 18, 30, tzinfo=UTC), "2025-11-21-00:00"),
        (datetime(2025, 11, 21, 0, 0, tzinfo=UTC), "2025-11-21-05:00"),
        (datetime(2025, 11, 21, 0, 30, tzinfo=UTC), "2025-11-21-06:00"),
    ],
)
def test_a_moment_belongs_to_the_ist_hour_that_holds_it(moment: datetime, key: str) -> None:
    window = hourly("2025-11-01").time_window_for_partition_key(key)
    assert hour_key(moment) == key
    assert window.start <= moment < window.end


def test_a_window_names_its_ist_days_with_an_exclusive_end() -> None:
    start = datetime(2025, 11, 20, 18, 30, tzinfo=UTC)
    window = Window(start, start + timedelta(days=2))
    assert (str(window.first_day), str(window.end_day)) == ("2025-11-21", "2025-11-23")


def test_the_running_day_is_a_partition_and_the_running_hour_is_not() -> None:
    with partition_loading_context(effective_dt=datetime(2025, 11, 21, 10, 0, tzinfo=UTC)):
        assert daily("2025-11-01").get_last_partition_key() == "2025-11-21"
        assert hourly("2025-11-01").get_last_partition_key() == "2025-11-21-14:00"


def test_a_day_stands_for_its_24_hours() -> None:
    assert hour_span(SETTINGS, "2025-11-21", "2025-11-21") == Span("2025-11-21-00:00", "2025-11-21-23:00")
    assert hour_span(SETTINGS, "2025-11-21-07:00", None) == Span("2025-11-21-07:00", "2025-11-21-07:00")


@pytest.mark.parametrize(
    ("first", "last", "sentence"),
    [
        ("2025-11-21-07:30", None, "2025-11-21-07:30 is no partition"),
        ("yesterday", None, "yesterday is no partition"),
        ("2024-01-01", "2024-01-01", "is no hourly partition: they run from 2025-11-01-00:00"),
        ("2025-11-22", "2025-11-21", "--from must not be later than --to"),
    ],
)
def test_a_wrong_key_is_refused_in_a_sentence(first: str, last: str | None, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        hour_span(SETTINGS, first, last)


def test_days_become_ranges_without_the_days_between_and_days_before_the_start_are_left_out() -> None:
    days = {datetime(2025, 11, day).date() for day in (25, 21, 26)} | {datetime(2020, 1, 1).date()}
    assert day_spans(SETTINGS, days) == [Span("2025-11-21", "2025-11-21"), Span("2025-11-25", "2025-11-26")]
    assert day_spans(SETTINGS, set()) == []


def test_hours_are_listed_as_dagster_lists_them_when_the_clock_goes_on_and_back() -> None:
    hours, plain = hourly("2025-11-20"), HourlyPartitionsDefinition(start_date="2025-11-20-00:00", timezone=TIMEZONE)
    assert hours == plain
    for now in ("2025-11-21T00:00", "2025-11-21T00:59", "2025-11-21T01:00", "2025-11-20T13:00", "2025-11-19T13:00"):
        moment = datetime.fromisoformat(now).replace(tzinfo=IST)
        assert hours.get_partition_keys(current_time=moment) == plain.get_partition_keys(current_time=moment)
        with partition_loading_context(effective_dt=moment):
            assert hours.get_partition_keys() == plain.get_partition_keys()
