"""Trades on built warehouses: real logs, the simulator's manifest to the last unit, and late, shuffled and removed fills."""

import json
import subprocess
import sys
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from raw_loaders.load import load_landing
from serving.places import REPOSITORY
from staged import build, open_warehouse

TRADES = ["+path:models/marts/trades", "--exclude-resource-type", "unit_test"]
STATUS = {"closed": "closed", "run_end": "abandoned", "open": "open"}


def simulate(folder: Path, *arguments: str) -> tuple[Path, list[dict]]:
    """A built warehouse of a simulated tree, and the round trips that its manifest names."""
    manifest = folder / "manifest.json"
    command = [
        sys.executable, "-m", "raw_loaders.simulate", "--out", str(folder / "landing"), "--manifest", str(manifest), *arguments,
    ]  # fmt: skip
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    warehouse = folder / "warehouse.duckdb"
    load_landing(folder / "landing", warehouse)
    build(warehouse, *TRADES)
    return warehouse, json.loads(manifest.read_text())["round_trips"]


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict]]:
    """Three days with 2,000 fills: sells, shorts, partial fills and flips."""
    return simulate(tmp_path_factory.mktemp("trades"), "--trading", "active", "--fills", "2000")


def assert_equals_manifest(warehouse: Path, manifest: list[dict]) -> None:
    """Every trip of the manifest is there once, with equal quantities, prices and money, and no other trip is."""
    with open_warehouse(warehouse) as connection:
        rows = connection.execute(
            """
            select trips.*, fills.emitted_at as opened_by, newest.emitted_at - runs.last_emitted_at as run_age
            from marts.fct_round_trips as trips
            inner join marts.fct_fills as fills on trips.opening_fill_id = fills.fill_id and trips.run_id = fills.run_id
            inner join marts.dim_runs as runs on trips.run_id = runs.run_id
            cross join (select max(last_emitted_at) as emitted_at from marts.dim_runs) as newest
            """
        )
        names = [column[0] for column in rows.description]
        trips = [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
    # a flip is one fill that ends a trip and opens the next: its emission time opens one trip only
    ours = {(trip["bot"], trip["run_id"], trip["symbol"], trip["opened_by"]): trip for trip in trips}
    assert len(ours) == len(trips) == len(manifest)
    for truth in manifest:
        opened_by = datetime.fromisoformat(truth["opened_by"]["emitted_at"])
        trip = ours[truth["bot"], truth["run_id"], truth["symbol"], opened_by]
        mine = {
            "side": trip["direction"],
            "fills": trip["fill_count"],
            "entry_qty": trip["entry_qty"],
            "exit_qty": trip["exit_qty"],
            "entry_vwap_px": trip["entry_vwap_px"],
            "exit_vwap_px": trip["exit_vwap_px"],
            "gross_usd": trip["gross_pnl_usd"],
            "fee_usd": trip["fees_usd"],
            "impact_usd": trip["impact_usd"],
            "net_usd": trip["net_pnl_usd"],
            "is_forced": trip["is_forced"],
        }
        theirs = {
            name: Decimal(truth[name]) if isinstance(mine[name], Decimal) and truth[name] is not None else truth[name]
            for name in mine
        }
        assert mine == theirs, truth
        assert (trip["status"] == "closed") == (truth["status"] == "closed")
        # of a run that fell silent minutes ago nobody can say yet whether it is over
        if trip["run_age"] == timedelta(0) or trip["run_age"] > timedelta(minutes=15):
            assert trip["status"] == STATUS[truth["status"]]
            if truth["exit_reason"]:
                assert trip["exit_reason"] == truth["exit_reason"]


def test_every_trip_equals_the_manifest_to_the_last_unit(simulated: tuple[Path, list[dict]]) -> None:
    warehouse, manifest = simulated
    assert_equals_manifest(warehouse, manifest)
    assert {trip["side"] for trip in manifest} == {"LONG", "SHORT"}
    with open_warehouse(warehouse) as connection:
        kinds = connection.execute(
            "select bool_or(is_entry and is_exit), bool_or(len(related_trade_ids) = 2), max(fill_no) from marts.fct_fills"
        ).fetchone()
        assert kinds[:2] == (True, True)
        assert connection.execute("select count(*) from marts.fct_round_trip_legs").fetchone()[0] > 1000


@pytest.mark.long
def test_every_trip_of_ten_thousand_fills_equals_the_manifest(tmp_path: Path) -> None:
    warehouse, manifest = simulate(tmp_path, "--trading", "active", "--days", "14", "--fills", "10000")
    assert_equals_manifest(warehouse, manifest)


def test_equity_made_of_fills_agrees_with_the_logged_one(simulated: tuple[Path, list[dict]]) -> None:
    """Costs are logged in cents, two of them per fill: half a cent each and half a cent of equity."""
    with open_warehouse(simulated[0]) as connection:
        wrong, known = connection.execute(
            """
            select
                count(*) filter (where abs(pnl_difference_usd) > 0.005 + 0.01 * fills_so_far), count(pnl_difference_usd)
            from (
                select *, sum(fill_count) over (partition by bot, run_id, symbol order by point_no) as fills_so_far
                from marts.fct_equity
            ) as points
            """
        ).fetchone()
    assert (wrong, known > 2000) == (0, True)


def test_real_logs_have_two_costs_records_per_fill_and_no_round_trip(real_logs: Path, tmp_path: Path) -> None:
    """Nothing was ever closed: every position was abandoned with its run, and none is invented."""
    warehouse = tmp_path / "real.duckdb"
    load_landing(real_logs, warehouse)
    build(warehouse, *TRADES)
    with open_warehouse(warehouse) as connection:
        fills, with_costs, with_calibration, with_close = connection.execute(
            """
            select
                count(*), count(*) filter (where attribution_match_method is not null and breakdown_match_method is not null),
                count(pred_cal_bps_at_entry), count(slippage_usd)
            from marts.fct_fills
            """
        ).fetchone()
        costs = connection.execute("select count(*) from staging.stg_costs").fetchone()[0]
        assert (fills, costs, with_costs, with_calibration, with_close) == (55, 110, 55, 55, 55)
        assert connection.execute(
            """
            select status, exit_reason, count(*), sum(exit_qty), sum(gross_pnl_usd), count(closed_at)
            from marts.fct_round_trips
            group by all
            """
        ).fetchall() == [("abandoned", "RUN_END", 44, 0, 0, 0)]
        assert connection.execute("select count(*) from marts.fct_round_trip_legs").fetchone()[0] == 0
        # the bot's own equity, bar by bar, from nothing but fills and bar closes
        worst, known = connection.execute("select max(abs(pnl_difference_usd)), count(*) from marts.fct_equity").fetchone()
        assert known == 530
        assert worst < Decimal("0.02")
