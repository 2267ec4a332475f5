"""Which raw partitions there are, how old they are, and whether their archived copy is still what the raw table holds."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from exports.errors import SelectionError

# the name hive-partitioned folders use for "none": readers turn it into NULL
NO_ASSET = "__HIVE_DEFAULT_PARTITION__"
# files without a date in their path grow for ever: their rows belong to the IST day of their own clock
DATE_OF_ROW = (
    "coalesce(f.partition_date, strftime(coalesce(r.emitted_at, r.bar_open_at) at time zone 'Asia/Kolkata', '%Y-%m-%d'))"
)
ASSET_OF_ROW = f"coalesce(f.partition_asset, '{NO_ASSET}')"
ROW_DIGEST = (
    "bit_xor(md5_number(concat_ws(chr(31), source_file, line_no, byte_offset, member_no, member_offset, record)))::varchar"
)


@dataclass(frozen=True, order=True)
class PartitionKey:
    """A stream, an ISO date and an asset."""

    stream: str
    date: str
    asset: str

    @property
    def name(self) -> str:
        """Name of its Parquet file, below a store's root."""
        return f"stream={self.stream}/date={self.date}/asset={self.asset}/records.parquet"

    def __str__(self) -> str:
        return f"{self.stream} {self.date}" + ("" if self.asset == NO_ASSET else f" {self.asset}")

    @classmethod
    def from_name(cls, name: str) -> "PartitionKey | None":
        """The key a file name stands for, None when it is no partition's."""
        parts = dict(part.split("=", 1) for part in name.split("/") if "=" in part)
        return cls(parts["stream"], parts["date"], parts["asset"]) if parts.keys() == {"stream", "date", "asset"} else None


@dataclass(frozen=True)
class Selection:
    """Which partitions are meant: streams, assets (None: all), and dates from `first` to before `end` (ISO, None: open)."""

    streams: Sequence[str] | None = None
    assets: Sequence[str] | None = None
    first: str | None = None
    end: str | None = None

    def has(self, key: PartitionKey) -> bool:
        """Whether `key` is meant."""
        return (
            (self.streams is None or key.stream in self.streams)
            and (self.assets is None or key.asset in self.assets)
            and (self.first is None or key.date >= self.first)
            and (self.end is None or key.date < self.end)
        )


@dataclass(frozen=True)
class Policy:
    """Days a partition stays hot (only in landing and warehouse), and then warm, before it belongs into the archive."""

    hot_days: int = 30
    warm_days: int = 90

    def __post_init__(self) -> None:
        if not 1 <= self.hot_days <= self.warm_days:
            raise SelectionError(
                f"A partition cannot be warm after {self.hot_days} and archived after {self.warm_days} days: "
                "give at least 1 day, and no more for hot than for warm."
            )

    def tier_of(self, date: str, today: dt.date) -> str:
        """'hot', 'warm' or 'archive' for a partition of that ISO date."""
        age = (today - dt.date.fromisoformat(date)).days
        return "archive" if age >= self.warm_days else "warm" if age >= self.hot_days else "hot"


@dataclass(frozen=True)
class RawPartition:
    """What the raw table holds of a partition now."""

    key: PartitionKey
    row_count: int
    signature: str


@dataclass(frozen=True)
class Archived:
    """The state row of an archived partition."""

    key: PartitionKey
    tier: str
    status: str
    status_reason: str | None
    row_count: int
    digest: str
    signature: str
    size_bytes: int
    file_hash: str


@dataclass
class Step:
    """What a run does with one partition: `action` is write, move or keep; `target` the tier it then is in."""

    raw: RawPartition
    action: str
    target: str
    archived: Archived | None
    outcome: str = "planned"
    reason: str | None = None
    size_bytes: int = 0
    files: list[dict[str, object]] = field(default_factory=list)


def prepare_state(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the state tables."""
    connection.execute(Path(__file__).with_name("state.sql").read_text())


def raw_partitions(connection: duckdb.DuckDBPyConnection, streams: Sequence[str]) -> list[RawPartition]:
    """Every partition of the raw tables of `streams`, oldest first. Reads small columns only, no record."""
    found = []
    for stream in streams:
        rows = connection.execute(
            f"""
            with loads as (
                select {DATE_OF_ROW} as date, {ASSET_OF_ROW} as asset, r.source_file, r.load_id, count(*) as n
                from raw."{stream}" as r inner join raw.files as f using (source_file)
                group by all
            )
            select date, asset, sum(n)::bigint,
                md5(string_agg(concat_ws(' ', source_file, load_id, n), ',' order by source_file, load_id))
            from loads group by all
            """
        ).fetchall()
        found += [RawPartition(PartitionKey(stream, date, asset), n, signature) for date, asset, n, signature in rows]
    return sorted(found, key=lambda partition: (partition.key.date, partition.key))


def archived_partitions(connection: duckdb.DuckDBPyConnection) -> dict[PartitionKey, Archived]:
    """The state of every archived partition."""
    rows = connection.execute(
        """
        select stream, partition_date, partition_asset, tier, status, status_reason, row_count, digest, raw_signature,
            size_bytes, file_hash
        from ops.archive_partitions
        """
    ).fetchall()
    return {key: Archived(key, *row[3:]) for row in rows for key in [PartitionKey(*row[:3])]}


def plan(
    connection: duckdb.DuckDBPyConnection, streams: Sequence[str], selection: Selection, policy: Policy, today: dt.date
) -> list[Step]:
    """What there is to do for every partition that is old enough and selected; partitions that stay hot are left out.

    A copy is written when there is none, when rows came or went since (late files), or when it is not in order; a partition
    once archived goes no tier back when the days of the policy are raised.
    """
    archived = archived_partitions(connection)
    steps = []
    for raw in raw_partitions(connection, streams):
        target, state = policy.tier_of(raw.key.date, today), archived.get(raw.key)
        if not selection.has(raw.key) or (target == "hot" and state is None):
            continue
        if state is None or state.status != "verified" or state.signature != raw.signature:
            action = "write"
        else:
            action = "move" if (state.tier, target) == ("warm", "archive") else "keep"
        if target == "hot" or (state is not None and state.tier == "archive"):
            target = state.tier
        steps.append(Step(raw, action, target, state))
    return steps
