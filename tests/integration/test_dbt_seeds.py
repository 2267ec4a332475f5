"""Seeds in a warehouse that an older release filled."""

from pathlib import Path

import duckdb

from dbt_commands import dbt


def test_a_seed_with_other_columns_replaces_the_one_of_an_older_release(tmp_path: Path) -> None:
    warehouse = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("create schema staging")
        connection.execute("create table staging.guards as select 'gone' as guard, 1 as dropped_column")
        connection.execute("create table staging.gates as select 'cost_gate' as gate")
    code, said = dbt(warehouse, tmp_path / "target", "seed", "--select", "guards")
    assert code == 0, said
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        guards = connection.execute("select distinct guard from staging.guards").fetchall()
        columns = [name for name, *_ in connection.execute("describe staging.guards").fetchall()]
        tables = connection.execute("select table_name from duckdb_tables() where schema_name = 'staging'").fetchall()
    assert tables == [("guards",)]
    assert "dropped_column" not in columns
    assert ("spread_guard",) in guards and ("gone",) not in guards
