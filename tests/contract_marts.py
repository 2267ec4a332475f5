"""A file with every mart as its contract declares it, and only the rows a test gives."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import yaml

MARTS = Path(__file__).parents[1] / "dbt_project" / "models" / "marts"


def contract_columns() -> dict[str, dict[str, str]]:
    """Mart -> column -> type, from the property files."""
    found = {}
    for file in sorted(MARTS.rglob("*.yml")):
        for model in yaml.safe_load(file.read_text()).get("models", []):
            columns = {column["name"]: column["data_type"] for column in model.get("columns", []) if "data_type" in column}
            if columns:
                found[model["name"]] = columns
    return found


def make_marts(path: Path, rows: Mapping[str, Sequence[Mapping[str, object]]]) -> Path:
    """Write the file. Columns a row does not name are NULL; a mart or column the contracts do not know is an error."""
    contracts = contract_columns()
    with duckdb.connect(str(path)) as connection:
        connection.execute("set timezone = 'UTC'; create schema marts; begin")
        for mart, columns in contracts.items():
            listed = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
            connection.execute(f"create table marts.{mart} ({listed})")
        for mart, given in rows.items():
            for row in given:
                assert set(row) <= set(contracts[mart]), set(row) - set(contracts[mart])
                names, marks = ", ".join(row), ", ".join("?" * len(row))
                connection.execute(f"insert into marts.{mart} ({names}) values ({marks})", list(row.values()))
        connection.execute("commit")
    return path
