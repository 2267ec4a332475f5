"""Write docs/marts.md from the models' properties and docs/marts/*.sql, with the output of every query on the demo."""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import yaml

from serving.together import open_together

HERE = Path(__file__).parent
REPOSITORY = HERE.parent
MODELS = HERE / "models" / "marts"
QUERIES = REPOSITORY / "docs" / "marts"
PAGE = REPOSITORY / "docs" / "marts.md"
DEMO_ARGUMENTS = ("--seed", "7", "--days", "3")
ROWS_SHOWN = 10
CELL_WIDTH = 60

INTRO = """<!-- Made from dbt_project/models/marts and docs/marts/*.sql by `python -m dbt_project.marts_page`; do not edit. -->
# Marts

The tables of the schema `marts`: what each answers, what one row is, and three queries to start from, with their first {rows}
rows on the demo (synthetic: `python -m raw_loaders.simulate {demo}`). Every column is described with its unit in the model's
property file; instants are UTC, dates that say `_ist` are those of Asia/Kolkata.

Up to twenty processes decide the same bar: for a statistic that counts a bar once keep `is_canonical`. What is undefined is NULL
and says why in a `..._null_reason` column or in the map `null_reasons`. Forced trades (`is_forced`) and one-shot runs
(`run_kind = 'offline_smoke'`) are flagged, never left out silently.
"""


@dataclass(frozen=True)
class Mart:
    """One model of the marts: its area (folder), what it answers, what a row is, the columns of its key, and all columns."""

    name: str
    area: str
    answers: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Example:
    """A question and the query that answers it."""

    question: str
    query: str


def marts() -> list[Mart]:
    """All marts, by area and name. Raises KeyError when a model lacks meta.answers or a unique_key test."""
    found = []
    for file in sorted(MODELS.rglob("*.yml")):
        for model in yaml.safe_load(file.read_text()).get("models", []):
            keys = [test["unique_key"]["arguments"]["columns"] for test in model.get("data_tests", []) if "unique_key" in test]
            answers = model.get("config", {}).get("meta", {}).get("answers")
            if not keys or not answers:
                raise KeyError(f"{file.relative_to(REPOSITORY)} must give {model['name']} a unique_key test and meta.answers.")
            area = file.parent.name if file.parent != MODELS else "runs"
            # the first sentence, without what a colon explains (but for one in parentheses)
            grain = re.split(r"\.\s|:\s(?![^(]*\))", " ".join(model["description"].split()), maxsplit=1)[0].rstrip(".") + "."
            columns = tuple(column["name"] for column in model["columns"])
            key = tuple(map(_bare_column, keys[0]))
            found.append(Mart(model["name"], area, " ".join(answers.split()), grain, key, columns))
    return sorted(found, key=lambda mart: (mart.area, mart.name))


def _bare_column(expression: str) -> str:
    """Name of the column in an expression that only replaces its NULL."""
    match = re.fullmatch(r"coalesce\((\w+),.*\)", expression)
    return match[1] if match else expression


def examples(mart: str) -> list[Example]:
    """The example queries of a mart: each a comment line that asks, then the query up to its semicolon.

    Raises FileNotFoundError when the mart has none, ValueError when a query comes without a question.
    """
    file = QUERIES / f"{mart}.sql"
    if not file.exists():
        raise FileNotFoundError(f"The mart {mart} has no example queries: write three into docs/marts/{mart}.sql.")
    found = []
    for block in filter(None, (part.strip() for part in re.split(r";[ \t]*(?:\n|$)", file.read_text()))):
        match = re.fullmatch(r"-- ([^\n]+\?[^\n]*)\n(.+)", block, re.DOTALL)
        if not match or "\n--" in match[2]:
            raise ValueError(f"docs/marts/{mart}.sql must put one comment line that asks a question before each query.")
        found.append(Example(match[1], match[2]))
    return found


def text_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """The rows as aligned text; numbers to the right."""
    numeric = [all(isinstance(row[i], int | float | Decimal) or row[i] is None for row in rows) for i in range(len(columns))]
    cells = [list(columns)] + [[_cell(value) for value in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    lines = [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width) for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in cells
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _cell(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Decimal):
        return f"{value:f}".rstrip("0").rstrip(".") if "." in f"{value:f}" else f"{value:f}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, dict):
        value = ", ".join(f"{key}: {item}" for key, item in value.items())
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    text = " ".join(str(value).split())
    return text if len(text) <= CELL_WIDTH else text[: CELL_WIDTH - 3] + "..."


def page(con: duckdb.DuckDBPyConnection) -> str:
    """The text of docs/marts.md, with the queries run on `con` (a warehouse with all marts built)."""
    all_marts = marts()
    parts = [INTRO.format(rows=ROWS_SHOWN, demo=" ".join(DEMO_ARGUMENTS))]
    for area in dict.fromkeys(mart.area for mart in all_marts):
        parts.append(f"\n**{area.capitalize()}**\n\n")
        parts += [f"- [{m.name}](#{m.name}): {m.answers}\n" for m in all_marts if m.area == area]
    for mart in all_marts:
        parts += _section(con, mart)
    return "".join(parts)


def _section(con: duckdb.DuckDBPyConnection, mart: Mart) -> Iterator[str]:
    key, others = (
        ", ".join(f"`{column}`" for column in columns)
        for columns in (mart.key, [column for column in mart.columns if column not in mart.key])
    )
    yield f"\n## {mart.name}\n{mart.answers}\n\n- Grain: {mart.grain}\n- Key: {key}.\n- Other columns: {others}.\n"
    for example in examples(mart.name):
        result = con.execute(example.query)
        columns = [column[0] for column in result.description]
        rows = result.fetchall()
        more = f"\n... {len(rows):,} rows" if len(rows) > ROWS_SHOWN else ""
        table = text_table(columns, rows[:ROWS_SHOWN]) if rows else "(no rows)"
        yield f"\n{example.question}\n```sql\n{example.query}\n```\n```text\n{table}{more}\n```\n"


def build_demo(folder: Path) -> Path:
    """Simulate the demo landing, load it and build all models in `folder`; returns the warehouse."""
    warehouse = folder / "warehouse.duckdb"
    python = [sys.executable, "-m"]
    build = [str(Path(sys.executable).parent / "dbt"), "build", "--resource-type", "seed", "--resource-type", "model"]
    steps = [
        (REPOSITORY, [*python, "raw_loaders.simulate", "--out", str(folder / "landing"), *DEMO_ARGUMENTS]),
        (REPOSITORY, [*python, "raw_loaders", "load", "--landing", str(folder / "landing"), "--warehouse", str(warehouse)]),
        (HERE, [*build, "--profiles-dir", ".", "--log-level-file", "none", "--target-path", str(folder / "target")]),
    ]
    environment = os.environ | {"WAREHOUSE_PATH": str(warehouse), "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    for where, command in steps:
        done = subprocess.run(command, cwd=where, env=environment, check=False, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"The demo could not be built: {(done.stdout + done.stderr)[-2000:]}")
    return warehouse


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 when the page is written (or up to date), 1 when --check finds it stale."""
    parser = argparse.ArgumentParser(prog="python -m dbt_project.marts_page", description=__doc__)
    parser.add_argument("--warehouse", type=Path, help="a warehouse that holds the demo, all marts built (default: make one)")
    parser.add_argument("--check", action="store_true", help="write nothing, fail when the page is out of date")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="marts-page-") as folder:
        warehouse = options.warehouse or build_demo(Path(folder))
        with open_together(warehouse) as con:
            text = page(con)
    if PAGE.exists() and PAGE.read_text() == text:
        return 0
    if options.check:
        print("docs/marts.md is out of date: run `python -m dbt_project.marts_page`.", file=sys.stderr)
        return 1
    PAGE.write_text(text)
    print("wrote docs/marts.md", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
