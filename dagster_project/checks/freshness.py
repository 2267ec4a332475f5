"""Freshness on event time and on load time: is what lands still of today, and is it taken in?

The two checks stand on the landed files, which no run makes: they answer in each run of either job, also where a step before them
failed or publication is refused. By their priority they come when everything else but publication is done.
"""

import contextlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import duckdb

from dagster_project import ops_tables
from dagster_project.assets.keys import landing_key
from dagster_project.checks.history import report
from dagster_project.checks.result import outcome
from dagster_project.queries import Row, rows, table_exists
from dagster_project.resources import WRITER_POOL, Warehouse
from raw_loaders.dictionary import Dictionary
from raw_loaders.errors import LoaderError

FRESH = "bots_are_heard_of"
LOADED = "loads_are_recent"
DESCRIPTIONS = {
    FRESH: "Event time: the newest decision of each bot on each asset is no older than two of its bars and an hour.",
    LOADED: "Load time: the newest load that found something is no older than two bars of the fastest bot and an hour.",
}
STREAM = "ensemble_log"  # each bot writes it for each of its bars
GRACE_S = 3600.0
# ticks are hourly: a load waits for an hour to close, however short the bars are
LEAST_LOAD_LIMIT_S = 2 * 3600.0
# a bot that decides on other assets has given up one that it has not decided on for so long; a bot is never given up
GIVEN_UP_AFTER_DAYS = 7
_SYNTHETIC = "the landing is synthetic and has no present"
# steps of higher priority first: what loads, builds and checks has 0 or more, publication -10
_LAST_BEFORE_PUBLICATION = {"dagster/priority": "-5"}


def freshness_check(dictionary: Dictionary) -> dg.AssetChecksDefinition:
    """Two checks on the landing: each bot has decided on each asset lately, and the newest load is recent."""
    key = landing_key(STREAM)

    @dg.multi_asset_check(
        name="check_freshness",
        specs=[dg.AssetCheckSpec(name, asset=key, description=text) for name, text in DESCRIPTIONS.items()],
        can_subset=True,  # a check that is skipped gives no answer
        pool=WRITER_POOL,
        op_tags=_LAST_BEFORE_PUBLICATION,
    )
    def check_freshness(context: dg.AssetCheckExecutionContext, warehouse: Warehouse) -> Iterator[dg.AssetCheckResult]:
        questions = {FRESH: check_fresh, LOADED: check_loaded}
        names = sorted(key.name for key in context.selected_asset_check_keys)
        now = datetime.now(UTC)
        if not Path(warehouse.path).exists():  # to open it would make one, which the next run would take for the lost one
            context.log.warning(f"Freshness is unknown: there is no warehouse {warehouse.path}.")
            return
        with contextlib.ExitStack() as stack:
            try:
                con = stack.enter_context(warehouse.connect())
            except (LoaderError, duckdb.Error) as error:
                # the step that loads has failed with the same fault, and says what to do
                context.log.warning(f"Freshness is unknown: {error}")
                return
            if not table_exists(con, "raw", "files"):
                context.log.warning(f"Freshness is unknown: nothing was ever loaded into {warehouse.path}.")
                return
            ops_tables.create_ops_tables(con)
            shown = report(context, con, [questions[name](con, dictionary, now) for name in names], "newest")
        yield from shown

    return check_freshness


def check_fresh(con: duckdb.DuckDBPyConnection, dictionary: Dictionary, now: datetime) -> dg.AssetCheckResult:
    """Bots and assets whose newest decision is older at `now` than two bars of the bot and an hour.

    Only the files of the newest day of each bot and asset are looked into (of bots whose files hold several assets, those of the
    newest days), so it costs the same with a year behind it.
    """
    is_synthetic = _is_synthetic(con)
    heard = _newest_decisions(con)
    newest_of_bot = {row["bot"]: max(r["newest_event_at"] for r in heard if r["bot"] == row["bot"]) for row in heard}
    judged, given_up = [], []
    for row in heard:
        if (newest_of_bot[row["bot"]] - row["newest_event_at"]).days >= GIVEN_UP_AFTER_DAYS:
            given_up.append(f"{row['bot']} {row['asset']}")
            continue
        limit_h = round((2 * dictionary.bots[row["bot"]] + GRACE_S) / 3600, 2)
        judged.append({**row, "event_age_h": _age_h(now, row["newest_event_at"]), "limit_h": limit_h})
    failing = [row for row in judged if row["event_age_h"] > row["limit_h"]]
    return outcome(
        landing_key(STREAM),
        FRESH,
        rows_examined=0 if is_synthetic else len(judged),
        failing=[] if is_synthetic else failing,
        remedy="Is the bot running, does it still decide on this asset, and do its files land? If so, look at the runs of "
        "`every_hour`.",
        nothing_because=_SYNTHETIC if is_synthetic else "no bot has decided anything",
        is_warning=True,
        facts={
            **{f"event_age_h_{row['bot']}_{row['asset']}": row["event_age_h"] for row in judged},
            **({"given_up": ", ".join(given_up)} if given_up else {}),
        },
    )


def check_loaded(con: duckdb.DuckDBPyConnection, dictionary: Dictionary, now: datetime) -> dg.AssetCheckResult:
    """The newest load that found something new, when it is older at `now` than two bars of the fastest bot and an hour.

    At least two hours are allowed, as ticks are hourly. The age of the newest event it brought is told beside it: loads that
    bring old records only are no news of the bots.
    """
    is_synthetic = _is_synthetic(con)
    found = rows(
        con,
        """
        select arg_max(load_id, finished_at) as load_id, max(finished_at) as loaded_at from raw.loads having count(*) > 0
        """,
    )
    heard = _newest_decisions(con)
    bars = [dictionary.bots[row["bot"]] for row in heard]
    limit_s = max(2 * min(bars, default=min(dictionary.bots.values())) + GRACE_S, LEAST_LOAD_LIMIT_S)
    judged = [{**row, "load_age_h": _age_h(now, row["loaded_at"]), "limit_h": round(limit_s / 3600, 2)} for row in found]
    ages = {
        "load_age_h": max((row["load_age_h"] for row in judged), default=None),
        "event_age_h": min((_age_h(now, row["newest_event_at"]) for row in heard), default=None),
    }
    return outcome(
        landing_key(STREAM),
        LOADED,
        rows_examined=0 if is_synthetic else len(judged),
        failing=[] if is_synthetic else [row for row in judged if row["load_age_h"] > row["limit_h"]],
        remedy="Nothing new has landed since: are the files still delivered into the landing folder? If new ones lie there, look "
        "at the runs of `every_hour`, or load them with `make run`.",
        nothing_because=_SYNTHETIC if is_synthetic else "nothing has been loaded yet",
        is_warning=True,
        facts={name: age for name, age in ages.items() if age is not None},
    )


def _is_synthetic(con: duckdb.DuckDBPyConnection) -> bool:
    return con.execute("select coalesce(bool_or(is_synthetic), false) from raw.files").fetchone()[0]


def _age_h(now: datetime, moment: datetime) -> float:
    return round((now - moment).total_seconds() / 3600, 2)


def _newest_decisions(con: duckdb.DuckDBPyConnection) -> Sequence[Row]:
    """bot, asset, newest_event_at, newest_load_at of each bot and asset, by the newest date= folders."""
    return rows(
        con,
        f"""
        with newest_files as (
            select path_bot as bot, partition_asset as asset, source_file, loaded_at
            from raw.files where stream = '{STREAM}' and accepted > 0
            -- a folder without asset= may hold each asset: then one that fell silent is in the folder of a day before
            qualify if(
                partition_asset is null,
                try_cast(partition_date as date)
                    > max(try_cast(partition_date as date)) over (partition by path_bot) - {GIVEN_UP_AFTER_DAYS + 1},
                -- all files of the newest day: hours, and files that were rotated
                rank() over (partition by path_bot, partition_asset order by partition_date desc) = 1
            )
        )
        select newest_files.bot, coalesce(newest_files.asset, records.record ->> '$.asset') as asset,
               max(records.emitted_at) as newest_event_at, max(newest_files.loaded_at) as newest_load_at
        from newest_files
        inner join raw.{STREAM} as records using (source_file)
        group by all order by all
        """,
    )
