"""Freshness on event time and on load time: is what analysts read still of today?"""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
import duckdb

from dagster_project import ops_tables
from dagster_project.assets.keys import PUBLISHED_MARTS
from dagster_project.checks.history import report
from dagster_project.checks.result import outcome
from dagster_project.queries import rows
from dagster_project.resources import WRITER_POOL, Warehouse
from raw_loaders.dictionary import Dictionary

FRESH = "bots_are_heard_of"
STREAM = "ensemble_log"  # each bot writes it for each of its bars
GRACE_S = 3600.0


def freshness_check(dictionary: Dictionary) -> dg.AssetChecksDefinition:
    """One check on the published marts: each bot has decided within its last two bars and an hour."""

    @dg.multi_asset_check(
        name="check_freshness",
        specs=[
            dg.AssetCheckSpec(
                FRESH,
                asset=PUBLISHED_MARTS,
                description="The newest decision of each bot is no older than two of its bars and an hour.",
            )
        ],
        can_subset=True,  # a check that is skipped gives no answer
        pool=WRITER_POOL,
    )
    def check_freshness(context: dg.AssetCheckExecutionContext, warehouse: Warehouse) -> Iterator[dg.AssetCheckResult]:
        with warehouse.connect() as con:
            ops_tables.create_ops_tables(con)
            shown = report(context, con, [check_fresh(con, dictionary, datetime.now(UTC))], "newest")
        yield from shown

    return check_freshness


def check_fresh(con: duckdb.DuckDBPyConnection, dictionary: Dictionary, now: datetime) -> dg.AssetCheckResult:
    """Bots whose newest decision is too old at `now`; only the newest file of each bot is looked into."""
    is_synthetic = con.execute("select coalesce(bool_or(is_synthetic), false) from raw.files").fetchone()[0]
    newest = rows(
        con,
        f"""
        with newest_files as (
            select path_bot as bot, source_file, loaded_at
            from raw.files where stream = '{STREAM}' and accepted > 0
            qualify row_number() over (partition by path_bot order by partition_date desc, source_file desc) = 1
        )
        select newest_files.bot, max(records.emitted_at) as newest_event_at, max(newest_files.loaded_at) as newest_load_at
        from newest_files
        inner join raw.{STREAM} as records using (source_file)
        group by all order by all
        """,
    )
    judged = [
        {
            **row,
            "event_age_h": round((now - row["newest_event_at"]).total_seconds() / 3600, 2),
            "limit_h": round((2 * dictionary.bots[row["bot"]] + GRACE_S) / 3600, 2),
        }
        for row in newest
    ]
    failing = [row for row in judged if row["event_age_h"] > row["limit_h"]]
    return outcome(
        PUBLISHED_MARTS,
        FRESH,
        rows_examined=0 if is_synthetic else len(judged),
        failing=[] if is_synthetic else failing,
        remedy="Is the bot running, and do its files land? If both, look at the runs of `every_hour`.",
        nothing_because="the landing is synthetic and has no present" if is_synthetic else "no bot has decided anything",
        is_warning=True,
        facts={f"event_age_h_{row['bot']}": row["event_age_h"] for row in judged},
    )
