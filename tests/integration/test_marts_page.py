"""docs/marts.md: every mart has three example queries, they run on the demo, and the page shows what they give."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from dbt_project.marts_page import MODELS, PAGE, QUERIES, build_demo, examples, marts, page, text_table
from staged import open_warehouse


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo, loaded and built."""
    return build_demo(tmp_path_factory.mktemp("demo"))


def test_every_model_of_the_marts_is_described_and_asked_three_questions() -> None:
    models = {file.stem for file in MODELS.rglob("*.sql")}
    assert {mart.name for mart in marts()} == models
    assert {file.stem for file in QUERIES.glob("*.sql")} == models
    for name in sorted(models):
        found = examples(name)
        assert len(found) == 3, name
        assert len({example.question for example in found}) == 3, name
        assert all(re.search(rf"\bmarts\.{name}\b", example.query) for example in found), name


def test_the_page_names_every_mart_and_question() -> None:
    text = PAGE.read_text()
    for mart in marts():
        assert f"- [{mart.name}](#{mart.name}): {mart.answers}\n" in text
        assert f"\n## {mart.name}\n" in text
        for example in examples(mart.name):
            assert f"\n{example.question}\n```sql\n{example.query}\n```\n" in text


@pytest.mark.parametrize("seed", [0.1, 0.2])
def test_the_page_shows_what_the_queries_give_on_the_demo_in_whatever_order_the_rows_lie(demo: Path, seed: float) -> None:
    with open_warehouse(demo) as connection:
        connection.execute("select setseed(?)", [seed])
        for mart in marts():
            connection.execute(f"create temp table shuffled as from marts.{mart.name} order by random()")
            connection.execute(f"drop view marts.{mart.name}")
            connection.execute(f"create table marts.{mart.name} as from shuffled")
            connection.execute("drop table shuffled")
        assert page(connection) == PAGE.read_text(), "run `python -m dbt_project.marts_page`"


def test_keys_of_the_page_are_keys_of_the_tables(demo: Path) -> None:
    with open_warehouse(demo) as connection:
        for mart in marts():
            key = ", ".join(mart.key)
            rows, keys = connection.execute(
                f"select count(*), (select count(*) from (select distinct {key} from marts.{mart.name})) from marts.{mart.name}"
            ).fetchone()
            assert rows == keys, mart.name


def test_values_are_shown_as_people_read_them() -> None:
    shown = text_table(
        ["at", "money", "share", "flag", "list", "nothing"],
        [(datetime(2025, 11, 21, 4, 30, tzinfo=UTC), Decimal("0E-10"), 1 / 3, True, ["a", "b"], None)],
    )
    assert re.split(r"\s{2,}", shown.splitlines()[2]) == ["2025-11-21 04:30:00", "0", "0.333333", "true", "a, b", "NULL"]


def test_a_query_without_a_question_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dbt_project.marts_page.QUERIES", tmp_path)
    with pytest.raises(FileNotFoundError, match="write three"):
        examples("mart_x")
    (tmp_path / "mart_x.sql").write_text("-- How many?\nselect 1;\n\nselect 2;\n")
    with pytest.raises(ValueError, match="asks a question before each query"):
        examples("mart_x")
