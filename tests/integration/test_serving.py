"""Publication and reading with real processes: crashes, readers in the middle of a query, full disks, queries that write."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from serving import ServingError, publish
from serving.errors import NothingPublishedError, PublicationError, QueryError
from serving.reading import describe, open_version, run
from serving.versions import list_versions, serve_file

READING = multiprocessing.get_context("spawn")


def write_marts(warehouse: Path, generation: int, rows: int = 50_000) -> None:
    """Two marts of one generation: any version must hold both of the same one."""
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("create schema if not exists staging")
        connection.execute("create or replace table staging.guards as select 'spread_guard' as guard")
        connection.execute("create or replace table staging.stg_signals as select 1 as line_no")
    with duckdb.connect(str(serve_file(warehouse))) as connection:
        connection.execute("create schema if not exists marts")
        columns = f"{generation} as generation, range as id, hash(range + {generation}) as noise"
        for name in ("fct_fills", "fct_orders"):
            connection.execute(f"create or replace table marts.{name} as select {columns} from range({rows})")
        connection.execute("create or replace view marts.v_fills as select * from marts.fct_fills")


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    file = tmp_path / "warehouse.duckdb"
    write_marts(file, 1)
    return file


def read_on(published: Path, stop: Path, found: "multiprocessing.Queue") -> None:
    """Open versions and query them until told to stop; reports how often, and every fault."""
    sessions, faults = 0, []
    while not stop.exists():
        try:
            with open_version(published) as connection:
                for _ in range(3):
                    seen = connection.execute(
                        "select min(f.generation), max(o.generation), count(*) from fct_fills f join fct_orders o using (id)"
                    ).fetchone()
                    if seen[0] != seen[1] or seen[2] != 50_000:
                        faults.append(str(seen))
            sessions += 1
        except Exception as error:
            faults.append(repr(error))
    found.put((sessions, faults[:3]))


@pytest.mark.parametrize("publications", [15, pytest.param(100, marks=pytest.mark.long)])
def test_readers_see_whole_versions_while_others_are_published(warehouse: Path, tmp_path: Path, publications: int) -> None:
    published, stop, found = tmp_path / "published", tmp_path / "stop", READING.Queue()
    publish(warehouse, published)
    with open_version(published) as held:
        readers = [READING.Process(target=read_on, args=(published, stop, found)) for _ in range(2)]
        for reader in readers:
            reader.start()
        for generation in range(2, publications + 2):
            write_marts(warehouse, generation)
            version = publish(warehouse, published, keep=3)
        stop.touch()
        reports = [found.get(timeout=60) for _ in readers]
        for reader in readers:
            reader.join()
        assert all(sessions > 0 and faults == [] for sessions, faults in reports), reports
        # a version that was pruned long ago is still whole for who has it open
        assert held.execute("select min(generation), count(*) from fct_fills").fetchone() == (1, 50_000)
    assert [path.stem for path in list_versions(published)][-1] == version.version_id
    assert len(list_versions(published)) == 3
    with open_version(published) as connection:
        assert connection.execute("select version_id from published_version").fetchone() == (version.version_id,)
        assert connection.execute("select max(generation) from v_fills").fetchone() == (publications + 1,)


@pytest.mark.parametrize("kills", [6, pytest.param(40, marks=pytest.mark.long)])
def test_a_killed_publication_leaves_the_last_version(warehouse: Path, tmp_path: Path, kills: int) -> None:
    rng, published = random.Random(7), tmp_path / "published"
    publish(warehouse, published)
    call = f"publish(Path({str(warehouse)!r}), Path({str(published)!r}))"
    script = f"from pathlib import Path; from serving import publish; print('go', flush=True); {call}"
    began = time.monotonic()
    write_marts(warehouse, 2, rows=2_000_000)
    publish(warehouse, published)
    usual = time.monotonic() - began
    struck = 0
    for _ in range(kills):
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(rng.random() * usual)
        process.send_signal(signal.SIGKILL)
        struck += process.wait() == -signal.SIGKILL
        with open_version(published) as connection:
            assert connection.execute("select count(*), max(generation) from fct_fills").fetchone() == (2_000_000, 2)
    assert struck > 0
    write_marts(warehouse, 3)
    version = publish(warehouse, published)
    assert version.tables == {"fct_fills": 50_000, "fct_orders": 50_000, "v_fills": 50_000}
    assert not list((published / "versions").glob("*.part*"))


def test_a_version_tells_what_it_is(warehouse: Path, tmp_path: Path) -> None:
    published = tmp_path / "published"
    version = publish(warehouse, published, facts={"run_id": "r-1", "checks_passed": 12})
    with open_version(published) as connection:
        row = connection.execute("select version_id, run_id, checks_passed, published_at from published_version").fetchone()
        assert row == (version.version_id, "r-1", 12, version.published_at)
        assert dict(connection.execute("from published_tables").fetchall()) == version.tables
        assert connection.execute("select guard from guards").fetchall() == [("spread_guard",)]
        assert connection.execute("select count(*) from duckdb_tables() where table_name = 'stg_signals'").fetchone() == (0,)
        assert version.version_id in describe(connection)


def test_ids_sort_in_order_even_when_the_clock_goes_back(warehouse: Path, tmp_path: Path) -> None:
    published = tmp_path / "published"
    first = publish(warehouse, published)
    (published / "versions" / f"{first.version_id}.duckdb").rename(published / "versions" / "29991231T235959.000000Z.duckdb")
    second = publish(warehouse, published)
    third = publish(warehouse, published, keep=2)
    assert "29991231T235959.000000Z" < second.version_id < third.version_id
    assert [path.stem for path in list_versions(published)] == [second.version_id, third.version_id]


@pytest.mark.parametrize(
    "query",
    [
        "create table x as select 1",
        "delete from fct_fills",
        "copy fct_fills to 'out.csv'",
        "select * from read_csv('/etc/passwd')",
        "attach 'other.duckdb'",
        "install httpfs",
        "load httpfs",
        "set enable_external_access = true",
        "export database 'out'",
    ],
)
def test_a_query_that_does_more_than_read_is_refused(
    warehouse: Path, tmp_path: Path, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    publish(warehouse, tmp_path / "published")
    with open_version(tmp_path / "published") as connection, pytest.raises(QueryError, match="for reading only") as caught:
        relation = run(connection, query)
        if relation is not None:
            relation.fetchall()
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("out*")) and not (tmp_path / "other.duckdb").exists()


def command(*arguments: str, data: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "serving", "--data", str(data), *arguments], check=False, capture_output=True)


def test_the_command_line_in_every_format(warehouse: Path, tmp_path: Path) -> None:
    publish(warehouse, tmp_path / "published")
    query = "select id, [1, 2] as pair, 1.50::decimal(9, 2) as usd from fct_fills where id < 2 order by id"
    csv = command("query", query, "--format", "csv", data=tmp_path)
    assert csv.stdout.decode().splitlines() == ['"id","pair","usd"', '0,"[1,2]",1.50', '1,"[1,2]",1.50']
    assert command("query", query, "--format", "json", data=tmp_path).stdout == (
        b'[{"id":0,"pair":[1,2],"usd":1.50},\n {"id":1,"pair":[1,2],"usd":1.50}]\n'
    )
    file = tmp_path / "out.parquet"
    assert command("query", query, "--format", "parquet", "--output", str(file), data=tmp_path).returncode == 0
    assert duckdb.sql(f"select count(*), max(id) from '{file}'").fetchone() == (2, 1)
    assert b"usd" in command("query", query, data=tmp_path).stdout
    wrong = command("query", "selec 1", data=tmp_path)
    assert wrong.returncode == QueryError.exit_code and b"Traceback" not in wrong.stderr
    prompt = subprocess.run(
        [sys.executable, "-m", "serving", "--data", str(tmp_path), "sql"],
        input=b".version\nselect count(*)\nfrom fct_fills;\ndrop table fct_fills;\n.tables\n", check=False, capture_output=True,
    )  # fmt: skip
    assert b"50000" in prompt.stdout and b"v_fills" in prompt.stdout and b"for reading only" in prompt.stderr


def test_faults_are_one_sentence_and_change_nothing(warehouse: Path, tmp_path: Path) -> None:
    published = tmp_path / "published"
    with pytest.raises(NothingPublishedError, match="Nothing is published"):
        open_version(published)
    with pytest.raises(NothingPublishedError, match="no marts to publish"):
        publish(tmp_path / "elsewhere.duckdb", published)
    (tmp_path / "file").touch()
    with pytest.raises(PublicationError, match="could not be published"):
        publish(warehouse, tmp_path / "file" / "published")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system, which takes root")
def test_a_full_disk_leaves_the_last_version(warehouse: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(small)], check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip(f"cannot mount a tmpfs here: {mounted.stderr.decode().strip()}")
    try:
        publish(warehouse, small)
        write_marts(warehouse, 2, rows=3_000_000)
        with pytest.raises(ServingError, match="no room"):
            publish(warehouse, small)
        with open_version(small) as connection:
            assert connection.execute("select max(generation) from fct_fills").fetchone() == (1,)
        assert len(list_versions(small)) == 1
    finally:
        subprocess.run(["umount", str(small)], check=False)
