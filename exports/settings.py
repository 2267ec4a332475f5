"""Where exports go and how long partitions stay in a tier, from the environment; arguments of a command line win."""

import datetime as dt
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from exports.archive.partitions import Policy
from exports.archive.run import Destinations
from exports.errors import SelectionError
from exports.marts import Window, open_marts, query
from serving.places import published_folder, warehouse_file
from serving.versions import CURRENT


@dataclass(frozen=True)
class ExportSettings:
    """`data` is the folder of the warehouse; `exports` where summaries, health, audit and sheets go."""

    data: Path
    exports: Path
    destinations: Destinations
    policy: Policy

    @property
    def warehouse(self) -> Path:
        """The DuckDB file of the writer."""
        return warehouse_file(self.data)

    @property
    def marts(self) -> Path:
        """What exports are made from: the published file, and before there is one the warehouse itself."""
        published = published_folder(self.data) / CURRENT
        return published if published.is_file() else self.warehouse

    @classmethod
    def from_env(cls, data: Path, env: Mapping[str, str] = os.environ) -> "ExportSettings":
        """Read EXPORTS, ARCHIVE_WARM, ARCHIVE_COLD (paths or URLs), HOT_DAYS and WARM_DAYS. Raises SelectionError."""
        try:
            policy = Policy(int(env.get("HOT_DAYS") or 30), int(env.get("WARM_DAYS") or 90))
        except ValueError:
            given = f"HOT_DAYS {env.get('HOT_DAYS')!r}, WARM_DAYS {env.get('WARM_DAYS')!r}"
            raise SelectionError(f"HOT_DAYS and WARM_DAYS must be whole numbers of days ({given}).") from None
        warm = env.get("ARCHIVE_WARM") or str(data / "archive" / "warm")
        cold = env.get("ARCHIVE_COLD") or str(data / "archive" / "cold")
        return cls(data, Path(env.get("EXPORTS") or data / "exports").expanduser(), Destinations(warm, cold), policy)


def window_of(marts: Path, first: dt.date | None, last: dt.date | None) -> Window:
    """The window from `first` to `last` (both included); what is left open ends where the decisions of the marts do.

    Raises SelectionError when there are none and a date is left open, or when the dates are in the wrong order.
    """
    if first is None or last is None:
        with open_marts(marts) as connection:
            sql = "select min(decided_date_ist), max(decided_date_ist) from marts.fct_decisions"
            [[oldest, newest]] = query(connection, sql)[1]
        if oldest is None:
            raise SelectionError("The marts hold no decision: load logs first, or name the dates with --from and --to.")
        first, last = first or oldest, last or newest
    return Window(first, last + dt.timedelta(days=1))
