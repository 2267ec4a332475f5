"""Times as the bot writes them: UTC+05:30, microseconds. All instants here are integers: us or ms since 1970 UTC."""

import functools
from datetime import UTC, date, datetime, timedelta

IST_US = 19_800_000_000
DAY_US = 86_400_000_000
_EPOCH = datetime(1970, 1, 1)


@functools.lru_cache(maxsize=4096)
def _second(second: int) -> str:
    return (_EPOCH + timedelta(seconds=second + 19_800)).isoformat()


def ist(us: int) -> str:
    """Instant `us` as the bot prints it: no fraction at a whole second, as Python's isoformat does."""
    second, fraction = divmod(us, 1_000_000)
    return f"{_second(second)}.{fraction:06d}+05:30" if fraction else _second(second) + "+05:30"


def ist_second(ms: int) -> str:
    """Bar open `ms` in whole seconds."""
    return _second(ms // 1000) + "+05:30"


def ist_day(us: int) -> int:
    """Number of the IST day (days since 1970) the instant lies in."""
    return (us + IST_US) // DAY_US


def day_name(day: int) -> str:
    """ISO date of an IST day number."""
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()


def utc_ms(day: date) -> int:
    """UTC midnight of `day`."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
