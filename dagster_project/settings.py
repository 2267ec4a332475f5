"""Where things lie and how the graph behaves: one value object, so that tests build the same graph elsewhere."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from raw_loaders.turns import turns_folder
from serving.places import REPOSITORY, data_folder, published_folder, warehouse_file

DEFAULT_START = "2025-11-01"
# Dagster takes up to two milliseconds for each: a first load of years tells the newest hours, and each later run goes on from
# there; a tick with the fewer, so that it costs no more with years behind it, a run by hand with the more
TICK_ANNOUNCEMENT_LIMIT = 250
HAND_ANNOUNCEMENT_LIMIT = 2_000


class SettingsError(Exception):
    """A setting is unusable. The message is one sentence for people."""

    exit_code = 2


@dataclass(frozen=True)
class Settings:
    """`landing` is where files land, `data` the folder we write; `partitions_start` is an IST date (YYYY-MM-DD).

    `lock_wait_s` is how many seconds to wait for another process that has the warehouse open, `progress` whether to draw
    progress bars. `announcement_limit` bounds how many hours of streams one run reports as materialised, the rest waiting
    for the next run; None reports all.
    """

    landing: Path
    data: Path
    dbt_project: Path = REPOSITORY / "dbt_project"
    partitions_start: str = DEFAULT_START
    progress: bool = False
    lock_wait_s: float = 60.0
    announcement_limit: int | None = TICK_ANNOUNCEMENT_LIMIT

    @property
    def warehouse(self) -> Path:
        """The DuckDB file."""
        return warehouse_file(self.data)

    @property
    def first_day(self) -> date:
        """The first partition, an IST date."""
        return date.fromisoformat(self.partitions_start)

    @property
    def dagster_home(self) -> Path:
        """Runs, events and schedules of Dagster."""
        return self.data / "dagster_home"

    @property
    def turns(self) -> Path:
        """Lock files by which runs, and commands by hand, take turns."""
        return turns_folder(self.warehouse)

    @property
    def published(self) -> Path:
        """What analysts read: versions of the marts, the newest as one file of fixed name."""
        return published_folder(self.data)

    @property
    def manifest(self) -> Path:
        """dbt's description of its models, written by `dbt parse` ahead of time."""
        return self.dbt_project / "target" / "manifest.json"

    @property
    def parsed_project(self) -> Path:
        """The same as dbt keeps it for itself: what a run of dbt starts from without reading the project."""
        return self.manifest.with_name("partial_parse.msgpack")

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> "Settings":
        """Read LANDING, DATA, PARTITIONS_START and LOCK_WAIT_S.

        Without LANDING the folder last loaded into DATA is used, and before any load <DATA>/landing.
        Raises SettingsError when PARTITIONS_START is no date or LOCK_WAIT_S no number.
        """
        data = data_folder(env)
        landing = Path(env.get("LANDING") or remembered_landing(data) or data / "landing").expanduser().resolve()
        start = env.get("PARTITIONS_START") or DEFAULT_START
        wait = env.get("LOCK_WAIT_S") or "60"
        try:
            date.fromisoformat(start)
        except ValueError:
            raise SettingsError(f"PARTITIONS_START is {start!r}: give a date such as {DEFAULT_START}.") from None
        try:
            lock_wait_s = float(wait)
        except ValueError:
            raise SettingsError(f"LOCK_WAIT_S is {wait!r}: give a number of seconds.") from None
        return cls(landing=landing, data=data, partitions_start=start, lock_wait_s=lock_wait_s)


def remembered_landing(data: Path) -> str | None:
    """The landing folder named the last time something was loaded into `data`, or None."""
    note = data / "landing.path"
    return note.read_text().strip() or None if note.is_file() else None


def remember_landing(settings: Settings) -> None:
    """Note the landing beside the warehouse, so that `make ui` and its schedules read the same folder."""
    settings.data.mkdir(parents=True, exist_ok=True)
    (settings.data / "landing.path").write_text(f"{settings.landing}\n")
