"""What a query and the prompt may do with a version: read, and nothing else."""

import shutil
import tempfile
from pathlib import Path

import duckdb
import pytest

from publications import AS_NOBODY, command_line, files_of, python, write_marts
from serving import publish
from serving.errors import QueryError
from serving.reading import open_version, results, run

READING = [
    "select 1",
    "from fct_fills limit 1",
    "table guards",
    "values (1)",
    "(select 1)",
    "with a as (select 1) from a",
    "describe fct_fills",
    "summarize guards",
    "show tables",
    "show all tables",
    "pragma table_info('fct_fills')",
    "unpivot guards on guard",
    "pivot guards on guard",
    "from (pivot guards on guard)",
    "explain select 1",
    "explain analyze select 1",
    "/* a */ explain (analyze, format json) /* b /* c */ d */ select 'é'",
    "explain (select 1)",
    "select 1 ; -- and nothing more",
    "select 'copy', 'enable_logging(' as query, \"query\" from (select 1 as query)",
    "from query_table('guards')",
]
WRITING = [
    "create table x as select 1",
    "create temp table x as select 1",
    "delete from fct_fills",
    "insert into guards select 1 returning *",
    "merge into guards using (select 1 as a) on true when matched then delete",
    "copy fct_fills to 'out.csv'",
    "select * from read_csv('/etc/passwd')",
    "attach 'other.duckdb'",
    "install httpfs",
    "load httpfs",
    "set enable_external_access = true",
    "set memory_limit = '1GB'",
    "reset threads",
    "export database 'out'",
    "import database 'out'",
    "select * from read_parquet('https://example.com/x.parquet')",
    "select * from glob('/etc/*')",
    "set temp_directory = 'out'",
    "create secret (type http)",
    "call enable_logging()",
    "pragma enable_profiling",
    "checkpoint",
    "begin",
    "prepare x as select 1",
    "update extensions",
    "pivot guards on guard; create type x as enum ('a')",
    "explain analyze create temp table x as select 1",
    "explain analyze /* /* */ select 1 -- */ delete from fct_fills",
    "explain analyze\u00a0create\u00a0temp table x as select 1",
    "from query('select 1')",
    "from\u00a0query('select 1')",
    "from main.\"Query\" /* a */ ('select 1')",
]
# DuckDB lets all of them pass: they are about its own files ({own}, {spill})
OWN_FILES = [
    "copy (select 1 as a) to '{own}' (format csv, use_tmp_file false)",
    "copy (select 1 as a) to '{own}.wal' (format csv, use_tmp_file false)",
    "copy (select 1 as a) to '{spill}/x.csv'",
    "explain analyze copy (select 1 as a) to '{own}.wal'",
    "explain (analyze, format json) copy (select 1 as a) to '{own}.wal'",
    "select 1; copy (select 1 as a) to '{own}.wal'",
    "from enable_logging(storage='file', storage_path='{spill}/logs')",
    "call enable_logging(storage='file', storage_path='{own}.wal')",
    "from enable_profiling(save_location='{spill}/profile.json', format='json')",
]


def filled(query: str, published: Path, connection: duckdb.DuckDBPyConnection) -> str:
    spill = connection.execute("select current_setting('temp_directory')").fetchone()[0]
    return query.format(own=published / "serve.duckdb", spill=spill)


@pytest.mark.parametrize("query", READING)
def test_queries_in_all_their_forms_are_answered(warehouse: Path, published: Path, query: str) -> None:
    publish(warehouse, published)
    with open_version(published) as connection:
        assert run(connection, query).fetchall()


@pytest.mark.parametrize("query", WRITING)
def test_a_query_that_does_more_than_read_is_refused(
    warehouse: Path, published: Path, tmp_path: Path, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    publish(warehouse, published)
    with open_version(published) as connection, pytest.raises(QueryError, match="version is read-only") as caught:
        run(connection, query)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("out*")) and not (tmp_path / "other.duckdb").exists()


@pytest.mark.parametrize("query", OWN_FILES)
def test_the_files_of_the_version_and_of_its_session_cannot_be_written(warehouse: Path, published: Path, query: str) -> None:
    publish(warehouse, published)
    before = files_of(published)
    with open_version(published) as connection:
        spill = Path(filled("{spill}", published, connection))
        for ask in (run, lambda *of: [relation.fetchall() for relation in results(*of)]):
            with pytest.raises(QueryError, match="version is read-only") as caught:
                ask(connection, filled(query, published, connection))
            assert "\n" not in str(caught.value)
        # and the session goes on
        assert run(connection, "select max(generation) from fct_fills").fetchall() == [(1,)]
    assert files_of(published) == before
    assert not spill.exists()


def test_query_and_prompt_leave_the_version_as_it_is(warehouse: Path, published: Path, tmp_path: Path) -> None:
    publish(warehouse, published)
    before = files_of(published)
    own = published / "serve.duckdb"
    attack = f"copy (select 1 as a) to '{own}' (format csv, use_tmp_file false)"
    done = command_line("query", attack, data=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (QueryError.exit_code, "", 1)
    assert "statement of type COPY" in done.stderr
    typed = f"{attack};\nselect 41;\nselect 1; {attack};\ncall enable_logging(storage='file', storage_path='{tmp_path}/l');\n"
    typed += f".schema guards); {attack}; select (1\nset variable x = 40 + 2;\nselect getvariable('x');\n"
    typed += "use reference;\nfrom guards;\n"
    done = command_line("sql", data=tmp_path, typed=typed)
    assert done.returncode == 0 and done.stderr.count("version is read-only") == 4 == done.stderr.count("\n")
    assert "41" in done.stdout and "42" in done.stdout and "spread_guard" in done.stdout
    assert files_of(published) == before


def test_what_is_imported_is_not_even_read(warehouse: Path, published: Path) -> None:
    """DuckDB replaces `import database` by what lies in the folder it names, while it splits the text into statements."""
    publish(warehouse, published)
    with open_version(published) as connection:
        spill = Path(filled("{spill}", published, connection))
        spill.mkdir()
        try:
            (spill / "schema.sql").write_text("selec 1;")
            (spill / "load.sql").write_text("selec 1;")
            for text in ("import database '{}'", "IMPORT /* a */ DATABASE '{}'", "pragma import_database('{}')"):
                with pytest.raises(QueryError, match=r"import.* does more than read"):
                    run(connection, text.format(spill))
        finally:
            shutil.rmtree(spill)


def test_bytes_that_are_no_text_are_one_sentence(warehouse: Path, published: Path, tmp_path: Path) -> None:
    publish(warehouse, published)
    done = command_line("query", "select '\udcff'", data=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (QueryError.exit_code, 1) and "UTF-8" in done.stderr


def test_nothing_is_run_when_a_later_statement_is_refused(warehouse: Path, published: Path) -> None:
    publish(warehouse, published)
    with open_version(published) as connection:
        for ask in (run, lambda *of: list(results(*of))):
            with pytest.raises(QueryError, match="version is read-only"):
                ask(connection, "set variable touched = 1; drop table guards")
            assert run(connection, "select getvariable('touched')").fetchall() == [(None,)]
        with pytest.raises(QueryError, match="holds 2"):
            run(connection, "set variable touched = 1; select 1")
        assert run(connection, "select getvariable('touched')").fetchall() == [(None,)]
        for nothing in ("", " ; ", "-- only a comment"):
            with pytest.raises(QueryError, match="holds none"):
                run(connection, nothing)
        with pytest.raises(QueryError, match="asks for no rows"):
            run(connection, "set variable touched = 1")


# what a query may call; a new DuckDB brings new ones, and somebody has to look at what they do
KNOWN = """
    collations database_list duckdb_approx_database_count duckdb_columns duckdb_connection_count duckdb_constraints
    duckdb_coordinate_systems duckdb_databases duckdb_dependencies duckdb_extensions duckdb_external_file_cache duckdb_functions
    duckdb_indexes duckdb_keywords duckdb_log_contexts duckdb_logs duckdb_logs_parsed duckdb_memory duckdb_optimizers
    duckdb_prepared_statements duckdb_profiling_settings duckdb_schemas duckdb_secret_types duckdb_secrets duckdb_sequences
    duckdb_settings duckdb_table_sample duckdb_tables duckdb_temporary_files duckdb_types duckdb_variables duckdb_views
    generate_series glob histogram histogram_values icu_calendar_names json_each json_tree parquet_bloom_probe
    parquet_file_metadata parquet_full_metadata parquet_kv_metadata parquet_metadata parquet_scan parquet_schema pg_timezone_names
    pragma_collations pragma_database_size pragma_metadata_info pragma_platform pragma_show pragma_storage_info pragma_table_info
    pragma_user_agent pragma_version query_table range read_blob read_csv read_csv_auto read_duckdb read_json read_json_auto
    read_json_objects read_json_objects_auto read_ndjson read_ndjson_auto read_ndjson_objects read_parquet read_text repeat
    repeat_row seq_scan sniff_csv summary test_all_types test_vector_types unnest user_agent which_secret
"""


def test_every_table_function_of_this_duckdb_is_known(warehouse: Path, published: Path) -> None:
    from serving.statements import ACTING

    publish(warehouse, published)
    with open_version(published) as connection:
        there = connection.execute(
            "select distinct function_name from duckdb_functions() where function_type in ('table', 'table_macro')"
        ).fetchall()
    assert {name for (name,) in there} - set(KNOWN.split()) - ACTING == set()


def test_a_reader_needs_no_right_to_write() -> None:
    """Neither to the file nor to its folder."""
    with tempfile.TemporaryDirectory(prefix="rights-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        write_marts(folder / "warehouse.duckdb", 1)
        publish(folder / "warehouse.duckdb", folder / "published")
        script = AS_NOBODY + "print(run(open_version(Path(sys.argv[1])), 'select count(*) from fct_fills').fetchall())"
        assert python(script, folder / "published").stdout == "[(50000,)]\n"
