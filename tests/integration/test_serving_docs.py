"""The documentation is made while a writer has the warehouse, and holds the types of what is published."""

import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import duckdb
import pytest

from serving.docs import copy_structure, generate
from serving.errors import ServingError
from serving.places import REPOSITORY, published_folder, serve_file, warehouse_file

HOLDER = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder in which something is published."""
    from serving import publish

    warehouse = warehouse_file(tmp_path)
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("create schema staging; create table staging.stg_signals as select now() as emitted_at, 1 as line_no")
    with duckdb.connect(str(serve_file(warehouse))) as connection:
        connection.execute(
            "create schema marts; create table marts.fct_fills as select 'f' as fill_id, 1.5::decimal(9, 2) as usd"
        )
        connection.execute("create view marts.v_fills as from marts.fct_fills")
    publish(warehouse, published_folder(tmp_path))
    return tmp_path


def hold(file: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDER, str(file)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "open\n"
    return holder


def test_the_structure_is_copied_without_rows_and_without_waiting(data: Path, tmp_path: Path) -> None:
    target = tmp_path / "skeleton.duckdb"
    assert copy_structure(published_folder(data) / "serve.duckdb", target)
    with duckdb.connect(str(target)) as connection:
        assert connection.execute("select count(*) from marts.v_fills").fetchone() == (0,)
        types = connection.execute("select column_name, column_type from (describe marts.fct_fills)").fetchall()
        assert types == [("fill_id", "VARCHAR"), ("usd", "DECIMAL(9,2)")]
    holder = hold(warehouse_file(data))
    assert not copy_structure(warehouse_file(data), tmp_path / "busy.duckdb")
    holder.communicate("")
    assert copy_structure(warehouse_file(data), tmp_path / "free.duckdb")


@pytest.mark.long
def test_the_page_is_made_and_served_on_this_machine_while_a_writer_works(data: Path, tmp_path: Path) -> None:
    holder = hold(warehouse_file(data))
    command = [sys.executable, "-m", "serving", "--data", str(data), "docs", "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=REPOSITORY)
    end = threading.Timer(200, server.kill)
    end.start()
    try:
        assert server.stdout.readline().startswith("written: ")
        address = server.stdout.readline().split()[0]
        assert address.startswith("http://127.0.0.1:")
        page = urllib.request.urlopen(address, timeout=30).read().decode()
    finally:
        end.cancel()
        server.kill()
        server.wait()
        holder.communicate("")
    assert "DECIMAL(9,2)" in page and "fct_guard_evaluations" in page
    with pytest.raises(ServingError, match="dbt could not generate the documentation"):
        generate(data, tmp_path / "docs", project=tmp_path)
