"""Publication and reading with real processes: crashes, readers in the middle of a query, full disks, queries that write."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import pytest

from raw_loaders.errors import WarehouseLockedError
from serving import ServingError, publish
from serving.errors import NothingPublishedError, PublicationError, QueryError
from serving.places import serve_file
from serving.reading import describe, open_version, run
from serving.versions import list_versions

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
        for path in list_versions(published):
            with duckdb.connect(str(path), read_only=True) as connection:
                assert connection.execute("select count(*) from marts.published_version").fetchone() == (1,)
    assert struck > 0
    write_marts(warehouse, 3)
    version = publish(warehouse, published)
    assert version.tables == {"fct_fills": 50_000, "fct_orders": 50_000}
    assert not list((published / "versions").glob("*.part*"))


HELD = """
import sys
from pathlib import Path
from serving.reading import open_version
connection = open_version(Path(sys.argv[1]))
print(connection.execute("select count(*) from fct_fills").fetchone()[0], flush=True)
sys.stdin.readline()
print(connection.execute("select min(generation), max(generation), bit_xor(noise) from fct_fills").fetchone(), flush=True)
"""


def test_a_version_held_by_another_process_is_not_written_over(warehouse: Path, tmp_path: Path) -> None:
    """Its columns are read from the disk long after the version was pruned; without readers the spare is used."""
    published = tmp_path / "published"
    publish(warehouse, published, keep=1)
    with open_version(published) as connection:
        expected = connection.execute("select min(generation), max(generation), bit_xor(noise) from fct_fills").fetchone()
    command = [sys.executable, "-c", HELD, str(published)]
    reader = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert reader.stdout.readline() == "50000\n"
    copied = []
    for generation in (2, 3, 4, None, None):
        if generation:
            write_marts(warehouse, generation)
        version = publish(warehouse, published, keep=1)
        copied.append(version.bytes_copied == serve_file(warehouse).stat().st_size)
    # the second version finds no spare, the third finds one that is read, the last one that is free and nearly the same
    assert copied[:2] == [True, True] and copied[-1] is False
    out, _ = reader.communicate("\n", timeout=60)
    assert out == f"{expected}\n"


def test_two_publications_at_once_take_turns(warehouse: Path, tmp_path: Path) -> None:
    published = tmp_path / "published"
    script = "import sys; from pathlib import Path; from serving import publish; publish(Path(sys.argv[1]), Path(sys.argv[2]))"
    command = [sys.executable, "-c", script, str(warehouse), str(published)]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(4)]
    assert [process.communicate(timeout=120)[1] for process in running] == [b""] * 4
    assert [path.stem[-6:] for path in list_versions(published)] == ["000001", "000002", "000003", "000004"]
    with open_version(published) as connection:
        assert connection.execute("select version_id from published_version").fetchone()[0].endswith("-000004")


def test_a_stranger_in_the_working_file_is_waited_for_and_then_named(warehouse: Path, tmp_path: Path) -> None:
    published = tmp_path / "published"
    first = publish(warehouse, published)
    script = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    for file in (serve_file(warehouse), warehouse):
        command = [sys.executable, "-c", script, str(file)]
        stranger = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert stranger.stdout.readline() == "open\n"
        with pytest.raises(WarehouseLockedError, match=rf"{file.name} is open in .*PID {stranger.pid}"):
            publish(warehouse, published, wait_s=0.5)
        stranger.communicate("")
        assert [path.stem for path in list_versions(published)] == [first.version_id]
        assert not list((published / "versions").glob("*.part*"))
    publish(warehouse, published)


def test_what_is_not_checkpointed_yet_is_published_too(warehouse: Path, tmp_path: Path) -> None:
    """A writer that was killed leaves its last transactions in the write-ahead log."""
    script = (
        "import duckdb, os, signal, sys; c = duckdb.connect(sys.argv[1]); "
        "c.execute('update marts.fct_fills set generation = 7'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", script, str(serve_file(warehouse))], check=False)
    assert serve_file(warehouse).with_suffix(".duckdb.wal").exists()
    publish(warehouse, tmp_path / "published")
    with open_version(tmp_path / "published") as connection:
        assert connection.execute("select min(generation), count(*) from fct_fills").fetchone() == (7, 50_000)


def test_views_work_under_any_name_of_the_file(warehouse: Path, tmp_path: Path) -> None:
    """dbt writes the name of its database into views; the versions, and files that were renamed or attached, have others."""
    with duckdb.connect() as connection:
        connection.execute(f"attach '{serve_file(warehouse)}' as serve")
        connection.execute("create or replace view serve.marts.v_fills as select * from serve.marts.fct_fills")
    version = publish(warehouse, tmp_path / "published")
    with duckdb.connect(str(version.path), read_only=True) as connection:
        assert connection.execute("select count(*) from marts.v_fills").fetchone() == (50_000,)
    with duckdb.connect() as connection:
        connection.execute(f"attach '{version.path}' as anything (read_only)")
        assert connection.execute("select count(*) from anything.marts.v_fills").fetchone() == (50_000,)


def test_a_version_tells_what_it_is(warehouse: Path, tmp_path: Path) -> None:
    published = tmp_path / "published"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("create schema ops")
        connection.execute("create table ops.day_reconciliation as select date '2025-11-21' as date_ist, false as is_complete")
        connection.execute(
            """
            create table ops.check_results as
            select now() - to_days(days) as checked_at, days as days_ago from (values (0), (13), (15)) as ages (days)
            """
        )
    version = publish(warehouse, published, facts={"run_id": "r-1", "checks_passed": 12})
    with open_version(published) as connection:
        row = connection.execute("select version_id, run_id, checks_passed, published_at from published_version").fetchone()
        assert row == (version.version_id, "r-1", 12, version.published_at)
        assert dict(connection.execute("from published_tables").fetchall()) == version.tables
        assert connection.execute("select guard from guards").fetchall() == [("spread_guard",)]
        assert connection.execute("select is_complete from day_reconciliation").fetchall() == [(False,)]
        assert connection.execute("select days_ago from check_results order by all").fetchall() == [(0,), (13,)]
        assert connection.execute("select count(*) from duckdb_tables() where table_name = 'stg_signals'").fetchone() == (0,)
        assert version.version_id in describe(connection)
        types = dict(connection.execute("select column_name, column_type from (describe published_version)").fetchall())
        assert types["newest_event_at"] == types["built_at"] == "TIMESTAMP WITH TIME ZONE"  # also when nothing is known


def test_versions_are_in_order_even_when_the_clock_goes_back(warehouse: Path, tmp_path: Path) -> None:
    published = tmp_path / "published"
    publish(warehouse, published)
    (first,) = list_versions(published)
    first.rename(first.with_name("29991231T235959Z-000001.duckdb"))
    second = publish(warehouse, published)
    third = publish(warehouse, published, keep=2)
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
        "select * from read_parquet('https://example.com/x.parquet')",
        "select * from glob('/etc/*')",
        "set temp_directory = 'out'",
        "create secret (type http)",
    ],
)
def test_a_query_that_does_more_than_read_is_refused(
    warehouse: Path, tmp_path: Path, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    publish(warehouse, tmp_path / "published")
    with open_version(tmp_path / "published") as connection, pytest.raises(QueryError, match="version is read-only") as caught:
        run(connection, query)
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
    failed = command(
        "query", "select error('x') from fct_fills", "--format", "csv", "--output", str(tmp_path / "none.csv"), data=tmp_path
    )
    assert failed.returncode == QueryError.exit_code and not list(tmp_path.glob("none.csv*"))
    two = command("query", "select 1; select 2", data=tmp_path)
    assert two.returncode == QueryError.exit_code and b"One query at a time" in two.stderr
    prompt = subprocess.run(
        [sys.executable, "-m", "serving", "--data", str(tmp_path), "sql"],
        input=b".version\nselect count(*)\nfrom fct_fills;\ndrop table fct_fills;\n.tables\n", check=False, capture_output=True,
    )  # fmt: skip
    assert b"50000" in prompt.stdout and b"v_fills" in prompt.stdout and b"version is read-only" in prompt.stderr


def test_faults_are_one_sentence_and_change_nothing(warehouse: Path, tmp_path: Path) -> None:
    published = tmp_path / "published"
    with pytest.raises(NothingPublishedError, match="Nothing is published"):
        open_version(published)
    with pytest.raises(NothingPublishedError, match="no marts to publish"):
        publish(tmp_path / "elsewhere.duckdb", published)
    (tmp_path / "file").touch()
    with pytest.raises(PublicationError, match="could not be published"):
        publish(warehouse, tmp_path / "file" / "published")
    with duckdb.connect() as open_here:
        open_here.execute(f"attach '{serve_file(warehouse)}' as serve (read_only)")
        with pytest.raises(PublicationError, match="close what this program has open"):
            publish(warehouse, published)
    with pytest.raises(ValueError, match="no column for weather"):
        publish(warehouse, published, facts={"weather": "fine"})
    assert list_versions(published) == [] and not list((published / "versions").iterdir())
    for arguments in (["version"], ["query", "select 1"], ["sql"]):
        nothing = command(*arguments, data=tmp_path)
        assert nothing.returncode == NothingPublishedError.exit_code
        assert nothing.stderr.count(b"\n") == 1 and b"Nothing is published" in nothing.stderr


def test_a_folder_without_rights_changes_nothing() -> None:
    """As a person who may not write there (root may write everywhere)."""
    with tempfile.TemporaryDirectory(prefix="rights-") as name:
        folder = Path(name)
        (folder / "published").mkdir()
        write_marts(folder / "warehouse.duckdb", 1)
        first = publish(folder / "warehouse.duckdb", folder / "published")
        script = (
            "import os, sys; from pathlib import Path; from serving import ServingError, publish\n"
            "if os.geteuid() == 0: os.setegid(65534); os.seteuid(65534)\n"
            "try: publish(Path(sys.argv[1]), Path(sys.argv[2]))\n"
            "except ServingError as error: print(error)\n"
        )
        for path in (folder, folder / "published", folder / "published" / "versions"):
            path.chmod(0o555)
        try:
            command = [sys.executable, "-c", script, str(folder / "warehouse.duckdb"), str(folder / "published")]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        finally:
            for path in (folder, folder / "published", folder / "published" / "versions"):
                path.chmod(0o755)
        assert done.stderr == "" and done.stdout.count("\n") == 1, done.stderr
        assert "could not be published into" in done.stdout and "may be written" in done.stdout
        assert [path.stem for path in list_versions(folder / "published")] == [first.version_id]


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
