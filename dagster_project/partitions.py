"""Hours and days of emission in Asia/Kolkata. The only place where a partition becomes a time window."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

TIMEZONE = "Asia/Kolkata"
IST = ZoneInfo(TIMEZONE)
HOUR_FORMAT = "%Y-%m-%d-%H:%M"
DAY_FORMAT = "%Y-%m-%d"


@dataclass(frozen=True)
class Window:
    """The half-open time span [start, end), both in UTC."""

    start: datetime
    end: datetime

    @property
    def first_day(self) -> date:
        """First IST date of the window."""
        return self.start.astimezone(IST).date()

    @property
    def end_day(self) -> date:
        """First IST date after the window (exclusive); the window must begin and end at IST midnights."""
        return self.end.astimezone(IST).date()

    @property
    def is_one_hour(self) -> bool:
        """Whether the window is a single hourly partition."""
        return self.end - self.start == timedelta(hours=1)

    def describe(self) -> str:
        """The window in IST, for people."""
        start, end = (moment.astimezone(IST).strftime("%Y-%m-%d %H:%M") for moment in (self.start, self.end))
        return f"[{start}, {end}) IST"


def hourly(start: str) -> dg.HourlyPartitionsDefinition:
    """One partition per closed IST hour since the IST date `start`, listed once an hour.

    A run has Dagster list them for each stream that it reads: 23 lists, of 0.1 s for each year of hours.
    """
    hours = dg.HourlyPartitionsDefinition(start_date=f"{start}-00:00", timezone=TIMEZONE)
    list_keys, listed = hours.get_partition_keys, {}

    def get_partition_keys(current_time: datetime | None = None, dynamic_partitions_store: Any = None) -> list[str]:
        with dg.partition_loading_context(current_time, dynamic_partitions_store):
            last = hours.get_last_partition_key()
            if last not in listed:
                listed.clear()
                listed[last] = list_keys()
        return list(listed[last])

    # on this object and not in a subclass: Dagster stores definitions by the name of their class
    object.__setattr__(hours, "get_partition_keys", get_partition_keys)
    return hours


def daily(start: str) -> dg.DailyPartitionsDefinition:
    """One partition per IST day since `start`, the running day included."""
    return dg.DailyPartitionsDefinition(start_date=start, timezone=TIMEZONE, end_offset=1)


def window_of(context: dg.AssetExecutionContext) -> Window:
    """The window of the run's partition, or of its whole range when a range is one run."""
    span = context.partition_time_window
    return Window(span.start.astimezone(UTC), span.end.astimezone(UTC))


def days_window(first: date, last: date) -> Window:
    """The window of the IST days from `first` to `last`, both included."""
    start, end = (datetime.combine(day, datetime.min.time(), IST) for day in (first, last + timedelta(days=1)))
    return Window(start.astimezone(UTC), end.astimezone(UTC))


def hour_key(moment: datetime) -> str:
    """Key of the hourly partition that holds `moment` (an aware datetime)."""
    return moment.astimezone(IST).replace(minute=0).strftime(HOUR_FORMAT)


def hour_of(key: str) -> datetime:
    """First instant of the hourly partition `key`, in UTC."""
    return datetime.strptime(key, HOUR_FORMAT).replace(tzinfo=IST).astimezone(UTC)


def day_key(day: date) -> str:
    """Key of the daily partition of an IST date."""
    return day.strftime(DAY_FORMAT)


def day_runs(days: Iterable[date]) -> list[tuple[date, date]]:
    """The days as ranges without gaps, each its first and last day, oldest first."""
    ranges: list[tuple[date, date]] = []
    for day in sorted(set(days)):
        if ranges and day - ranges[-1][1] == timedelta(days=1):
            ranges[-1] = (ranges[-1][0], day)
        else:
            ranges.append((day, day))
    return ranges
