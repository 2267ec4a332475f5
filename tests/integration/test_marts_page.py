"""docs/marts.md: every mart has three example queries, and the page names it (what it shows: test_run_demo.py)."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from dbt_project.marts_page import MODELS, PAGE, QUERIES, examples, marts, text_table


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
