"""Staging of simulated landings, whose truth is known: attribution is right, survives loss, and depends on no order."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from raw_loaders.dictionary import load_dictionary
from raw_loaders.load import load_landing
from staged import build, differences, open_warehouse

STREAMS = {name: load_dictionary().streams[name] for name in load_dictionary().bot_streams}
ATTRIBUTED = [stream for stream in STREAMS if stream != "hyperliquid_fills"]
# one record in this many is lost from each stream: far more than the bot's concurrent appends cost it
LOSS = 50
NAMED = {"ensemble_log", "pnl_equity_log", "execution_log", "overlay_status"}
WITH_RUN = {stream for stream in ATTRIBUTED if "run_id" in STREAMS[stream].required}


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """Folder with `warehouse.duckdb` (loaded, not built), `truth/` and `manifest.json`: five replicas, two symbols."""
    folder = tmp_path_factory.mktemp("simulated")
    command = [
        sys.executable, "-m", "raw_loaders.simulate", "--out", str(folder / "landing"), "--seed", "11", "--days", "1",
        "--runs", "5", "--assets", "BTCUSDT,ETHUSDT", "--trading", "active", "--third-party-fills", "300",
        "--truth", str(folder / "truth"), "--manifest", str(folder / "manifest.json"),
    ]  # fmt: skip
    subprocess.run(command, cwd=repository, check=True, capture_output=True)
    load_landing(folder / "landing", folder / "warehouse.duckdb")
    return folder


@pytest.fixture(scope="module")
def built(simulated: Path) -> Path:
    """The same, built by dbt."""
    warehouse = Path(shutil.copy(simulated / "warehouse.duckdb", simulated / "built.duckdb"))
    build(warehouse, "--exclude-resource-type", "unit_test")
    return warehouse


def misplaced(warehouse: Path, truth: Path, stream: str, *columns: str) -> int:
    """Rows whose content stands under other `columns` than the truth says; records alike to the byte may trade places."""
    with open_warehouse(warehouse) as connection:
        staged = ", ".join(f"staged.{column}" for column in columns)
        true = ", ".join(f"truth.{column}" for column in columns)
        rows = f"""
            from staging.stg_{stream} as staged
            inner join '{truth}/lines.parquet' as truth using (source_file, line_no)
            inner join raw.{stream} as raw using (source_file, line_no)
            where staged.bot is not null and staged.run_id is not null
        """
        query = (
            f"select {staged}, cast(raw.record as varchar) {rows} except all select {true}, cast(raw.record as varchar) {rows}"
        )
        return connection.execute(f"select count(*) from ({query})").fetchone()[0]


def rows_and_unattributed(warehouse: Path, stream: str) -> tuple[int, int]:
    """(staged rows, of these without bot or run)."""
    with open_warehouse(warehouse) as connection:
        return connection.execute(
            "select staged_count, unattributed_count from intermediate.int_attribution_summary where stream = ?", [stream]
        ).fetchone()


@pytest.mark.parametrize("stream", STREAMS)
def test_every_record_goes_to_the_bot_and_run_that_wrote_it(simulated: Path, built: Path, stream: str) -> None:
    rows, nobody = rows_and_unattributed(built, stream)
    assert rows > nobody == 0
    assert misplaced(built, simulated / "truth", stream, "bot", "run_id") == 0


def test_bars_are_the_ones_decided_on(simulated: Path, built: Path) -> None:
    with open_warehouse(built) as connection:
        for stream in ATTRIBUTED:
            wrong = connection.execute(f"""
                select count(*)
                from staging.stg_{stream} as staged
                inner join '{simulated}/truth/lines.parquet' as lines using (source_file, line_no)
                inner join '{simulated}/truth/bursts.parquet' as bursts using (burst)
                where epoch_ms(staged.bar_open_at) is distinct from bursts.bar_open_ms
                or staged.bar_counter is distinct from bursts.bar_counter
                or staged.symbol is distinct from bursts.symbol
            """).fetchone()[0]
            assert wrong == 0, stream


def test_third_party_fills_number_as_many_as_were_made(simulated: Path, built: Path) -> None:
    truth = json.loads((simulated / "manifest.json").read_text())
    with open_warehouse(built) as connection:
        rows, fills = connection.execute(
            "select count(*), count(*) filter (is_canonical) from staging.stg_hyperliquid_fills"
        ).fetchone()
    assert fills == sum(symbol["true_fills"] for symbol in truth["third_party_fills"].values())
    assert rows > fills


def test_synthetic_rows_say_so(built: Path) -> None:
    with open_warehouse(built) as connection:
        for stream in STREAMS:
            assert connection.execute(f"select bool_and(is_synthetic) from staging.stg_{stream}").fetchone()[0], stream


def test_the_order_of_raw_rows_changes_nothing(simulated: Path, built: Path) -> None:
    shuffled = Path(shutil.copy(simulated / "warehouse.duckdb", simulated / "shuffled.duckdb"))
    with duckdb.connect(str(shuffled)) as connection:
        for table in [*STREAMS, "files"]:
            connection.execute(f"create temp table held as select * from raw.{table}")
            connection.execute(f"delete from raw.{table}")
            connection.execute(f"insert into raw.{table} select * from held order by hash(held)")
            connection.execute("drop table held")
    build(shuffled, "--resource-type", "model")
    assert differences(built, shuffled) == {}


def test_loss_costs_a_record_its_bot_at_most(simulated: Path) -> None:
    """Rows are taken from every stream at random: what is left is never dropped, never doubled and hardly ever misplaced."""
    damaged = Path(shutil.copy(simulated / "warehouse.duckdb", simulated / "damaged.duckdb"))
    with duckdb.connect(str(damaged)) as connection:
        for stream in ATTRIBUTED:
            connection.execute(f"delete from raw.{stream} where hash(source_file, line_no, '{stream}') % {LOSS} = 0")
    build(damaged, "--exclude-resource-type", "unit_test")
    for stream in ATTRIBUTED:
        rows, nobody = rows_and_unattributed(damaged, stream)
        allowed = rows // 50
        assert nobody <= (0 if stream in NAMED else allowed), stream
        assert misplaced(damaged, simulated / "truth", stream, "bot") <= rows // 1000, stream
        assert misplaced(damaged, simulated / "truth", stream, "run_id") <= (0 if stream in WITH_RUN else allowed), stream
    mute = "unattributed_reason is null or bot_method <> 'unattributed' or is_canonical or replica_no is not null"
    with open_warehouse(damaged) as connection:
        counts = [
            connection.execute(
                f"select count(*), count(*) filter ({mute}) from staging.stg_{stream} where bot is null"
            ).fetchone()
            for stream in ATTRIBUTED
        ]
    lost, without_reason = map(sum, zip(*counts, strict=True))
    assert lost > without_reason == 0
