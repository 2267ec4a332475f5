"""What a run took in, and what was rebuilt for it: hours, days, bots and processes."""

from datetime import datetime

import duckdb

from dagster_project import queries
from dagster_project.assets.keys import staging_model
from dagster_project.partitions import IST, hour_key
from dagster_project.queries import Row, of_loads, rows, table_exists
from raw_loaders.dictionary import Dictionary


def touched(con: duckdb.DuckDBPyConnection, dictionary: Dictionary, since: datetime) -> Row:
    """Counts and names for the metadata of a run that began at `since`.

    Touched: IST hours and days of the rows that came or went, bots and processes, of the loads that the run's dbt built; a load
    by hand, or of a run that died before dbt was done with it, is among them. Rebuilt: days and processes that dbt wrote anew
    because of them (all of them, where it built everything).
    """
    plan = _plan(con, since)
    loads = plan["loads"]
    hours = {row["hour_at"] for row in queries.hours_of_loads(con, queries.clocked(dictionary, dictionary.streams), loads)}
    hours |= _emptied_hours(con, loads)
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
        "rebuilt": "everything"
        if plan["is_full"]
        else {"days": [day.isoformat() for day in plan["days"]][-31:], "runs": plan["runs"][-50:]},
    }


def _emptied_hours(con: duckdb.DuckDBPyConnection, loads: list[str]) -> set[datetime]:
    """IST hours that may have lost rows to these loads: of a lost row the UTC hour is known, which lies in two of them."""
    ist_hours = "unnest([hour_at - interval 30 minutes, hour_at + interval 30 minutes])"
    found = rows(
        con, f"select distinct {ist_hours} as hour from raw.removed_rows where hour_at is not null and {of_loads(loads)}"
    )
    return {row["hour"] for row in found}


def _plan(con: duckdb.DuckDBPyConnection, since: datetime) -> Row:
    """What dbt did since `since` (macro forget_plan); nothing when it did not run, or did not come to its end."""
    found = (
        rows(con, "from build.last_plan where finished_at >= $since", {"since": since})
        if queries.table_exists(con, "build", "last_plan")
        else []
    )
    return found[0] if found else {"is_full": False, "loads": [], "days": [], "runs": []}


def _entities(con: duckdb.DuckDBPyConnection, dictionary: Dictionary, loads: list[str]) -> set[tuple[str | None, str | None]]:
    """(bot, run_id) of the staged rows of these loads; what the marts are rebuilt by."""
    parts = []
    for stream in dictionary.bot_streams:
        if table_exists(con, "staging", staging_model(stream)):
            parts.append(f'select distinct bot, run_id from staging."{staging_model(stream)}" where {of_loads(loads)}')
    return set(con.execute(" union ".join(parts)).fetchall()) if parts else set()
