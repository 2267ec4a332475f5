"""What a run took in: the hours, days, bots and processes that its new rows belong to."""

from datetime import datetime

import duckdb

from dagster_project import queries
from dagster_project.assets.keys import staging_model
from dagster_project.partitions import IST, hour_key
from dagster_project.queries import Row, of_loads, rows, table_exists
from raw_loaders.dictionary import Dictionary


def touched(con: duckdb.DuckDBPyConnection, dictionary: Dictionary, since: datetime) -> Row:
    """Counts and names for the metadata of a run that began at `since`: IST hours and days of its new rows, bots, processes.

    Looks at the loads announced since then, so at what a load by hand or a run that died before brought, too.
    """
    found = rows(con, "select load_id from ops.announced_loads where announced_at >= $since", {"since": since})
    loads = [row["load_id"] for row in found]
    hours = {row["hour_at"] for row in queries.hours_of_loads(con, queries.clocked(dictionary, dictionary.streams), loads)}
    days = sorted({hour.astimezone(IST).date().isoformat() for hour in hours})
    entities = _entities(con, dictionary, loads)
    return {
        "touched_loads": len(loads),
        "touched_hours": len(hours),
        "touched_days": len(days),
        "touched_entities": len(entities),
        "touched": {
            "hours": [hour_key(hour) for hour in sorted(hours)[-48:]],
            "days": days[-31:],
            "bots": sorted({bot for bot, _ in entities if bot}),
            "runs": sorted({run for _, run in entities if run})[-50:],
        },
    }


def _entities(con: duckdb.DuckDBPyConnection, dictionary: Dictionary, loads: list[str]) -> set[tuple[str | None, str | None]]:
    """(bot, run_id) of the staged rows of these loads; what the marts are rebuilt by."""
    parts = []
    for stream in dictionary.bot_streams:
        if table_exists(con, "staging", staging_model(stream)):
            parts.append(f'select distinct bot, run_id from staging."{staging_model(stream)}" where {of_loads(loads)}')
    return set(con.execute(" union ".join(parts)).fetchall()) if parts else set()
