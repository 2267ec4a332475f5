"""Days from which a part is taken out of the landing, against what the simulator knows was decided in it."""

import datetime as dt
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from arrivals import Arrivals
from raw_loaders.load import load_landing
from raw_tables import put
from staged import build, open_warehouse

IST = dt.timezone(dt.timedelta(hours=5, minutes=30))
NOON = dt.datetime(2025, 11, 22, 12, tzinfo=IST)
MIDNIGHT = NOON + dt.timedelta(hours=12)
# nobody knows whether a lost decision executed anything, and other wallets' fills are no duty
OWED_BY_NOBODY = ("execution_log", "costs", "hyperliquid_fills")


@pytest.fixture(scope="module")
def half_a_day_lost(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """Three simulated days without the second half of the middle one; beside the warehouse, the truth.

    Of the replicas one lives through the gap, one ends in it, one begins in it, and one lives and dies inside.
    """
    folder = tmp_path_factory.mktemp("half_a_day_lost")
    command = [
        sys.executable, "-m", "raw_loaders.simulate", "--out", str(folder / "tree"), "--truth", str(folder / "truth"),
        "--seed", "13", "--days", "3", "--runs", "2", "--third-party-fills", "50",
    ]  # fmt: skip
    subprocess.run(command, cwd=repository, check=True, capture_output=True)
    arrivals = Arrivals(folder / "tree", folder / "landing")
    gone = lost_lines(folder)
    for path, records in arrivals.records.items():
        name = str(path.relative_to(arrivals.source))
        kept = b"".join(record for number, (_, record) in enumerate(records, start=1) if (name, number) not in gone)
        if kept:
            put(arrivals.landing, name, kept)
    load_landing(arrivals.landing, folder / "warehouse.duckdb")
    build(folder / "warehouse.duckdb", selection=["--select", "+mart_day_completeness", "--exclude-resource-type", "unit_test"])
    return folder


def lost_lines(folder: Path) -> set[tuple[str, int]]:
    """File and line of everything that was written between noon and midnight."""
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"""
            select source_file, line_no
            from '{folder}/truth/lines.parquet'
            inner join '{folder}/truth/bursts.parquet' using (burst)
            where make_timestamptz(ensemble_us) >= $noon and make_timestamptz(ensemble_us) < $midnight
            """,
            {"noon": NOON, "midnight": MIDNIGHT},
        ).fetchall()
    return set(rows)


def truly_missing(folder: Path) -> dict[str, tuple[int, int]]:
    """Bot -> (decisions, their records) taken between noon and midnight by processes that wrote on afterwards."""
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"""
            with bursts as (
                select *, make_timestamptz(ensemble_us) as decided_at
                from '{folder}/truth/bursts.parquet' where kind = 'decision'
            ),
            lost as (
                select burst, bot
                from bursts
                where decided_at >= $noon and decided_at < $midnight
                    and run_id in (select run_id from bursts where decided_at >= $midnight)
            )
            select lost.bot, count(distinct burst), count(*)
            from lost
            inner join '{folder}/truth/lines.parquet' as lines using (burst)
            where stream not in {OWED_BY_NOBODY}
            group by lost.bot
            """,
            {"noon": NOON, "midnight": MIDNIGHT},
        ).fetchall()
    return {bot: (decisions, records) for bot, decisions, records in rows}


def test_half_a_day_without_a_record_is_missing_and_no_other(half_a_day_lost: Path) -> None:
    expected = truly_missing(half_a_day_lost)
    assert sorted(expected) == ["12h", "1h", "24h", "5m"] and expected["5m"][0] > 144
    with open_warehouse(half_a_day_lost / "warehouse.duckdb") as connection:
        days = connection.execute(
            """
            select date_ist::varchar, bot, is_complete_day, incomplete_reason, lost_decision_count, missing_count
            from marts.mart_day_completeness where date_ist <= date '2025-11-23' order by all
            """
        ).fetchall()
    lost_day = [
        ("2025-11-22", bot, False, "records_missing", decisions, records)
        for bot, (decisions, records) in sorted(expected.items())
    ]
    whole = [(day, bot, True, None, 0, 0) for day in ("2025-11-21", "2025-11-23") for bot in sorted(expected)]
    assert days == sorted([*whole, *lost_day])


def test_what_is_missing_of_lost_decisions_is_missing_in_each_stream(half_a_day_lost: Path) -> None:
    with open_warehouse(half_a_day_lost / "warehouse.duckdb") as connection:
        wrong = connection.execute(
            """
            select coverage.stream, coverage.bot, coverage.missing_count, days.lost_decision_count
            from marts.mart_stream_coverage as coverage
            inner join marts.mart_day_completeness as days using (bot, date_ist)
            where coverage.stream in ('ensemble_log', 'feature_log', 'signals', 'pnl_equity_log')
                and (coverage.missing_count, coverage.lost_decision_count) <> (days.lost_decision_count, days.lost_decision_count)
            """
        ).fetchall()
        evidence = dict(
            connection.execute("select evidence, count(*) from intermediate.int_lost_decisions group by evidence").fetchall()
        )
    assert wrong == []
    assert set(evidence) == {"bar_counter", "run_went_on"}
