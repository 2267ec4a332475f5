"""Tells Dagster about hours that received rows while another one was materialised: late files, loads by hand."""

from dataclasses import dataclass

import dagster as dg
import duckdb

from dagster_project import ops_tables, queries
from dagster_project.assets.keys import raw_key
from dagster_project.partitions import Window, hour_key
from raw_loaders.dictionary import Dictionary


@dataclass(frozen=True)
class Announcements:
    """Materialisations to report, newest hour first, and the loads they stem from."""

    events: list[dg.AssetMaterialization]
    loads: list[str]


def pending(
    con: duckdb.DuckDBPyConnection,
    dictionary: Dictionary,
    partitions: dg.HourlyPartitionsDefinition,
    window: Window,
) -> Announcements:
    """One materialisation per stream and hour that received rows since the last announcement.

    Hours of `window` are left out, since Dagster records those itself. A stream without an emission clock is announced
    for the hours of the other streams of the same loads, because the bot writes all streams of a decision in one burst.
    """
    ops_tables.create_ops_tables(con)
    loads = ops_tables.loads_missing_from(con, "announced_loads")
    streams = queries.clocked(dictionary, dictionary.streams)
    touched = {(row["hour_at"], row["stream"]): row["row_count"] for row in queries.hours_of_loads(con, streams, loads)}
    hours = {hour for hour, _ in touched}
    touched |= {(hour, stream): None for stream in dictionary.streams if stream not in streams for hour in hours}
    keys = set(partitions.get_partition_keys())  # to ask for each one takes Dagster a millisecond
    events = []
    for hour, stream in sorted(touched, reverse=True):
        key = hour_key(hour)
        if not window.start <= hour < window.end and key in keys:
            row_count = touched[hour, stream]
            metadata = {} if row_count is None else {"rows_taken_in": row_count}
            events.append(dg.AssetMaterialization(asset_key=raw_key(stream), partition=key, metadata=metadata))
    return Announcements(events, loads)


def mark_announced(con: duckdb.DuckDBPyConnection, announcements: Announcements) -> None:
    """Remember the loads as announced. To be called after the events were written: a crash before repeats them."""
    ops_tables.mark_loads(con, "announced_loads", announcements.loads)
