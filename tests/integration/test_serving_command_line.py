"""`bandit-warehouse query`, `sql` and `version`, and the ways of reading that the README shows."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import duckdb
import pytest

from publications import command_line, python
from serving import publish
from serving.errors import NothingPublishedError, QueryError

# SQL -> what it is as CSV, in JSON and in Parquet (value and type)
TYPES = {
    "interval 1 month + interval 36 hour": ("1 month 36:00:00", "1 month 36:00:00", "1 month 36:00:00", "VARCHAR"),
    "timestamptz '2025-11-21 10:00:00+00' - timestamptz '2025-11-20 09:30:00+00'": (
        "1 day 00:30:00", "1 day 00:30:00", "1 day 00:30:00", "VARCHAR",
    ),
    "'101'::bit": ("101", "101", "101", "VARCHAR"),
    "'00000000-0000-0000-0000-000000000007'::uuid": (*["00000000-0000-0000-0000-000000000007"] * 3, "VARCHAR"),
    "170141183460469231731687303715884105727::hugeint": (
        "170141183460469231731687303715884105727", 2**127 - 1, "170141183460469231731687303715884105727", "DECIMAL(38,0)",
    ),
    "340282366920938463463374607431768211455::uhugeint": (
        "340282366920938463463374607431768211455", 2**128 - 1, "340282366920938463463374607431768211455", "VARCHAR",
    ),
    "'a'::enum('a', 'b')": ("a", "a", "a", "VARCHAR"),
    "map {'k': interval 1 day}": ('{"k":"1 day"}', {"k": "1 day"}, "{k=1 day}", "MAP(VARCHAR, VARCHAR)"),
    "union_value(n := 1)": ('{"n":1}', 1, "1", "VARCHAR"),
    "{'size': 1, 'a b': '1'::bit}": (
        '{"size":1,"a b":"1"}', {"size": 1, "a b": "1"}, "{'size': 1, 'a b': 1}", 'STRUCT(size INTEGER, "a b" VARCHAR)',
    ),
    "[interval 1 day]": ('["1 day"]', ["1 day"], "[1 day]", "VARCHAR[]"),
    "[1, 2]::int[2]": ("[1,2]", [1, 2], "[1, 2]", "INTEGER[]"),
    "'10:00:00+02'::timetz": ("10:00:00+02", "10:00:00+02:00", "10:00:00+02", "VARCHAR"),
    "'10:00:00.5'::time": ("10:00:00.500000", "10:00:00.500000", "10:00:00.5", "TIME"),
    "1::bignum": ("1", "1", "1", "VARCHAR"),
    "1::variant": ("1", 1, "1", "VARCHAR"),
    "'POINT(1 2)'::geometry": ("POINT (1 2)", "POINT (1 2)", "POINT (1 2)", "VARCHAR"),
    "'ab'::blob": ("ab", "ab", "ab", "BLOB"),
    "null": ("", None, None, "INTEGER"),
}  # fmt: skip


def test_the_command_line_in_every_format(warehouse: Path, published: Path, tmp_path: Path) -> None:
    publish(warehouse, published)
    query = "select id, [1, 2] as pair, 1.50::decimal(9, 2) as usd from fct_fills where id < 2 order by id"
    csv = command_line("query", query, "--format", "csv", data=tmp_path)
    assert csv.stdout.splitlines() == ['"id","pair","usd"', '0,"[1,2]",1.50', '1,"[1,2]",1.50']
    assert command_line("query", query, "--format", "json", data=tmp_path).stdout == (
        '[{"id":0,"pair":[1,2],"usd":1.50},\n {"id":1,"pair":[1,2],"usd":1.50}]\n'
    )
    file = tmp_path / "out.parquet"
    assert command_line("query", query, "--format", "parquet", "--output", str(file), data=tmp_path).returncode == 0
    assert duckdb.sql(f"select count(*), max(id) from '{file}'").fetchone() == (2, 1)
    assert "usd" in command_line("query", query, data=tmp_path).stdout
    assert command_line("query", "-", "--format", "csv", data=tmp_path, typed="select 7 as x").stdout == '"x"\n7\n'
    wrong = command_line("query", "selec 1", data=tmp_path)
    assert wrong.returncode == QueryError.exit_code and "Traceback" not in wrong.stderr
    failed = command_line(
        "query", "select error('x') from fct_fills", "--format", "csv", "--output", str(tmp_path / "none.csv"), data=tmp_path
    )
    assert failed.returncode == QueryError.exit_code and not list(tmp_path.glob("none.csv*"))
    two = command_line("query", "select 1; select 2", data=tmp_path)
    assert two.returncode == QueryError.exit_code and "One query at a time" in two.stderr
    pivot = command_line("query", "pivot guards on guard", "--format", "csv", data=tmp_path)
    assert pivot.stdout == '"spread_guard"\n1\n'


def test_every_type_goes_into_every_format(warehouse: Path, published: Path, tmp_path: Path) -> None:
    publish(warehouse, published)
    query = "select " + ", ".join(f"{sql} as c{number}" for number, sql in enumerate(TYPES))
    lists = "select " + ", ".join(f"[{sql}] as c{number}" for number, sql in enumerate(TYPES))
    files = {form: tmp_path / f"out.{form}" for form in ("csv", "json", "parquet", "table")}
    for form, file in files.items():
        for text in (lists, query):
            done = command_line("query", text, "--format", form, "--output", str(file), data=tmp_path)
            assert (done.returncode, done.stderr) == (0, ""), form
    expected = dict(zip(TYPES, zip(*TYPES.values(), strict=True), strict=False))
    as_csv, as_json, as_parquet, types = zip(*TYPES.values(), strict=True)
    found = duckdb.sql(f"from read_csv('{files['csv']}', all_varchar=true)").fetchone()
    assert dict(zip(TYPES, (value or "" for value in found), strict=True)) == dict(zip(TYPES, as_csv, strict=True)), expected
    (row,) = json.loads(files["json"].read_text())
    assert dict(zip(TYPES, row.values(), strict=True)) == dict(zip(TYPES, as_json, strict=True))
    stored = duckdb.sql(f"from '{files['parquet']}'")
    assert dict(zip(TYPES, map(str, stored.types), strict=True)) == dict(zip(TYPES, types, strict=True))
    texts = stored.project("columns(*)::varchar").fetchone()
    assert dict(zip(TYPES, texts, strict=True)) == dict(zip(TYPES, as_parquet, strict=True))


def test_two_columns_of_one_name_keep_their_values(warehouse: Path, published: Path, tmp_path: Path) -> None:
    publish(warehouse, published)
    done = command_line("query", "select 'a' as x, 'b' as x", "--format", "csv", data=tmp_path)
    assert done.stdout == '"x","x"\n"a","b"\n'


def test_what_arrow_cannot_hold_is_one_sentence(warehouse: Path, published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A type of a later DuckDB, say: cast nothing, and see."""
    from serving import query
    from serving.reading import open_version, run

    publish(warehouse, published)
    monkeypatch.setattr(query, "_AS_TEXT", frozenset(), raising=False)
    with open_version(published) as connection:
        for form, sql in (("csv", "select interval 1 day as x"), ("parquet", "select union_value(n := 1) as x")):
            with pytest.raises(QueryError, match="cast the column") as caught:
                query.write_result(run(connection, sql), form, published / "out")
            assert "\n" not in str(caught.value)
    assert not list(published.glob("out*"))


def test_the_prompt_answers_line_by_line(warehouse: Path, published: Path, tmp_path: Path) -> None:
    publish(warehouse, published)
    typed = ".version\nselect count(*)\nfrom fct_fills;\ndrop table fct_fills;\n.tables\n.schema guards\n"
    prompt = command_line("sql", data=tmp_path, typed=typed)
    assert "50000" in prompt.stdout and "v_fills" in prompt.stdout and "VARCHAR" in prompt.stdout
    assert "version is read-only" in prompt.stderr


def test_without_a_version_every_command_says_so(tmp_path: Path) -> None:
    for arguments in (["version"], ["query", "select 1"], ["sql"]):
        nothing = command_line(*arguments, data=tmp_path)
        assert nothing.returncode == NothingPublishedError.exit_code
        assert nothing.stderr.count("\n") == 1 and "Nothing is published" in nothing.stderr


def shown(repository: Path, title: str) -> str:
    """The block of code that follows `title` in the README, for a version in the folder the test runs in."""
    readme = (repository / "README.md").read_text()
    return re.search(rf"^{re.escape(title)}.*?\n\n```\w*\n(.*?)```", readme, re.DOTALL | re.MULTILINE)[1]


@pytest.fixture
def as_in_the_readme(warehouse: Path, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with `data/published/serve.duckdb`, the marts of which have what the README asks for."""
    with duckdb.connect(str(warehouse.with_name("warehouse.serve.duckdb"))) as connection:
        connection.execute("alter table marts.fct_fills add column bot varchar default '5m'")
        connection.execute("create or replace view marts.v_fills as from marts.fct_fills")
    publish(warehouse, tmp_path / "data" / "published")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_python_of_the_readme_reads_a_version(repository: Path, as_in_the_readme: Path) -> None:
    done = python(shown(repository, "Python:"))
    assert done.returncode == 0, done.stderr
    assert "5m" in done.stdout and "50000" in done.stdout


def test_the_duckdb_command_line_of_the_readme_reads_a_version(repository: Path, as_in_the_readme: Path) -> None:
    program, *typed = shown(repository, "DuckDB's own command line:").splitlines()
    assert program.split()[0] == "duckdb" and "-readonly" in program
    statements = [line.removeprefix("D ") for line in typed]
    with duckdb.connect(program.split()[-1], read_only="-readonly" in program) as connection:
        for statement in statements:
            answer = connection.execute(statement)
        assert answer.fetchall() == [("5m", 50_000)]
    if shutil.which("duckdb") is None:
        pytest.skip("the SQL of the README works, but there is no duckdb program on the PATH to type it into")
    done = subprocess.run(program.split(), input="\n".join(statements), capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "5m" in done.stdout, done.stderr


def test_the_properties_of_the_readme_for_odbc_and_jdbc_open_it_for_reading(repository: Path, as_in_the_readme: Path) -> None:
    """No driver is at hand; what it passes on is DuckDB's own setting."""
    jdbc, odbc, query = shown(repository, "Any tool with ODBC or JDBC").splitlines()
    assert jdbc.split()[-1] == "duckdb.read_only=true"
    file = re.match(r"jdbc:duckdb:(\S+)", jdbc)[1]
    properties = dict(part.split("=") for part in odbc.split(";"))
    assert properties.pop("Driver") == "DuckDB Driver" and properties.pop("Database") == file
    with duckdb.connect(file, config=properties) as connection:
        assert connection.execute(query).fetchall() == [("5m", 50_000)]
        with pytest.raises(duckdb.InvalidInputException, match="read-only"):
            connection.execute("delete from marts.fct_fills")
