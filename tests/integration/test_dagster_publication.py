"""A failed check stops publication and nothing else; what checks found is kept; the landing sensor asks for a run."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from dagster_project.assets.dbt_results import DBT_TESTS, NodeResult, by_table, left_out, merged, results_of_tests
from dagster_project.assets.publication import refuse
from dagster_project.checks.history import open_failures, record, results_of_run, state_of
from dagster_project.checks.result import outcome
from dagster_project.partitions import hourly as hourly_partitions
from dagster_project.sensors import CHANGE_TAG, landing_sensor
from dagster_project.settings import Settings
from raw_loaders.dictionary import load_dictionary
from raw_loaders.load import load_landing
from raw_tables import FILLS, fill, line, member, put

KEY = dg.AssetKey(["staging", "stg_signals"])
PUBLISHED = Path("data/published")


def result(name: str, *, failing: int = 0, examined: int = 5, **options: object) -> dg.AssetCheckResult:
    rows = [{"line_no": number} for number in range(failing)]
    return outcome(KEY, name, rows_examined=examined, failing=rows, remedy="Mend it.", **options)


@pytest.fixture
def con(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(tmp_path / "w.duckdb")) as connection:
        yield connection


def test_results_are_kept_by_run_with_rows_state_and_ten_examples(con: duckdb.DuckDBPyConnection) -> None:
    found = [
        result("sound"),
        result("broken", failing=25),
        result("odd", failing=1, is_warning=True),
        result("idle", examined=0, nothing_because="nothing landed"),
    ]
    record(con, "first", "touched", found)
    record(con, "first", "touched", found[:1])  # the step was tried again
    record(con, "second", "whole", found[:1])
    rows = con.sql(
        "select check_name, state, severity, rows_examined, rows_failed, json_array_length(examples), remedy, scope "
        "from ops.check_results where run_id = 'first' order by check_name"
    ).fetchall()
    assert rows == [
        ("broken", "failed", "error", 5, 25, 10, "Mend it.", "touched"),
        ("idle", "skipped", "error", 0, 0, None, None, "touched"),
        ("odd", "warned", "warn", 5, 1, 1, "Mend it.", "touched"),
        ("sound", "passed", "error", 5, 0, None, None, "touched"),
    ]
    assert con.sql("select count(*) from ops.check_results").fetchone() == (5,)
    assert [row["check_name"] for row in results_of_run(con, "first")] == ["broken", "idle", "odd", "sound"]


def test_one_failed_check_refuses_publication_in_one_sentence(con: duckdb.DuckDBPyConnection) -> None:
    record(con, "run", "touched", [result("sound"), result("broken", failing=2), result("worse", failing=1)])
    with pytest.raises(dg.Failure) as raised:
        refuse(results_of_run(con, "run"), [], [], [], PUBLISHED)
    text = str(raised.value.description)
    assert "staging.stg_signals: broken failed and 1 more check (" in text
    assert "version before it in data/published" in text
    assert "Mend it." in text


def test_warnings_and_skipped_checks_refuse_nothing_and_a_check_without_answer_does(con: duckdb.DuckDBPyConnection) -> None:
    answers = [result("odd", failing=1, is_warning=True), result("idle", examined=0, nothing_because="nothing landed")]
    record(con, "run", "touched", answers)
    refuse(results_of_run(con, "run"), [], open_failures(con), [], PUBLISHED)
    with pytest.raises(dg.Failure, match="gave no answer in this run"):
        refuse(results_of_run(con, "run"), ["staging.stg_signals: lost"], [], [], PUBLISHED)
    with pytest.raises(dg.Failure, match="the load 20251121T000000-a and 1 more load was not checked yet; `make run` checks it"):
        refuse(results_of_run(con, "run"), [], [], ["20251121T000000-a", "20251121T000001-b"], PUBLISHED)


@pytest.mark.parametrize(
    ("failed_on", "later_scope", "later", "is_open"),
    [
        ("touched", "touched", {}, False),  # what failed is looked at again until it passes
        ("touched", "whole", {}, False),
        ("whole", "whole", {}, False),
        ("whole", "touched", {}, True),  # the newest loads say nothing of the rows before them
        ("touched", "touched", {"examined": 0, "nothing_because": "nothing landed"}, True),
        ("whole", "whole", {"examined": 0, "nothing_because": "the table is empty"}, False),
        ("touched", "touched", {"failing": 1}, True),
        ("whole", "whole", {"failing": 1, "is_warning": True}, False),  # what only warns now stops nothing
    ],
)
def test_a_failure_holds_back_later_runs_until_its_check_passes_on_as_much(
    con: duckdb.DuckDBPyConnection, failed_on: str, later_scope: str, later: dict, is_open: bool
) -> None:
    record(con, "first", failed_on, [result("broken", failing=2), result("sound")])
    record(con, "second", later_scope, [result("broken", **later), result("sound")])
    found = open_failures(con)
    assert [row["check_name"] for row in found] == (["broken"] if is_open else [])
    if is_open:
        assert found[0]["run_id"] == "first"
        with pytest.raises(
            dg.Failure, match=r"staging.stg_signals: broken failed \(.*\) It failed at .* and has not passed since"
        ):
            refuse([], [], found, [], PUBLISHED)


def node(name: str, status: str, failures: int | None = None) -> NodeResult:
    kind = "test" if name.startswith("t_") else "model"
    return NodeResult(f"{kind}.p.{name}", status, f"{name} {status}", failures, 0.1, "select * from staging.stg_signals")


def test_what_stands_behind_a_failed_test_is_built_and_what_stands_behind_a_broken_model_is_not() -> None:
    behind_test = [node("a", "success"), node("t_a", "fail", 1), node("b", "skipped")]
    assert [found.name for found in left_out(behind_test)] == ["b"]
    assert left_out([node("a", "error"), node("b", "skipped")]) == []
    assert [found.status for found in merged(behind_test, [node("b", "success")])] == ["success", "fail", "success"]


def test_dbt_tests_of_a_table_are_one_check_with_the_failing_rows_of_each(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("create schema staging; create table staging.stg_signals as select i from range(30) t(i)")
    model = "model.p.stg_signals"
    nodes = {
        f"test.p.{name}": {
            "name": name,
            "attached_node": model,
            "config": {"meta": {}},
            "original_file_path": "models/staging/stg_signals.yml",
            "description": "",
        }
        for name in ("t_sound", "t_broken")
    }
    results = [node("t_sound", "pass"), node("t_broken", "fail", 30)]
    tests = dict.fromkeys(nodes, KEY)
    found = list(results_of_tests(con, results, {"nodes": nodes}, tests, {model: 30}, {}))
    assert [state_of(one) for one in found] == ["passed", "failed"]
    assert len(found[1].metadata["examples"].records) == 10
    assert found[1].metadata["failing_rows"].value == 30
    (table,) = by_table(found)
    assert (table.check_name, table.passed) == (DBT_TESTS, False)
    assert "t_broken" in table.description
    # over an empty table nothing was examined: no answer, so not green
    assert list(by_table(list(results_of_tests(con, results[:1], {"nodes": nodes}, tests, {model: 0}, {})))) == []
    # nor of a large table of which the run wrote nothing
    (idle,) = results_of_tests(con, results[:1], {"nodes": nodes}, tests, {model: 30}, {"test.p.t_sound": 0})
    assert (state_of(idle), idle.metadata["skipped"].value) == (
        "skipped",
        "no row of staging.stg_signals was written by this run",
    )


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(landing=tmp_path / "landing", data=tmp_path / "data")
    put(made.landing, FILLS, member(line(fill(1))))
    load_landing(made.landing, made.warehouse)
    return made


def evaluate(
    settings: Settings, instance: dg.DagsterInstance, cursor: str | None = None
) -> tuple[dg.RunRequest | None, str | None, str]:
    """(run asked for, cursor afterwards, reason when none)."""

    @dg.job(name="hourly", partitions_def=hourly_partitions("2025-11-01"))
    def hourly() -> None: ...

    sensor = landing_sensor(settings, load_dictionary(), hourly)
    repository = dg.Definitions(jobs=[hourly], sensors=[sensor]).get_repository_def()
    with dg.build_sensor_context(instance=instance, cursor=cursor, repository_def=repository) as context:
        answer = sensor.evaluate_tick(context)
    requests = answer.run_requests
    return (requests[0] if requests else None), answer.cursor, answer.skip_message or ""


def age(file: Path) -> None:
    """Make a file look as if its copy had ended two minutes ago."""
    then = datetime.now(UTC).timestamp() - 120
    os.utime(file, (then, then))


def test_a_late_file_asks_for_one_run_that_says_why_and_once_only(settings: Settings) -> None:
    with dg.instance_for_test() as instance:
        assert evaluate(settings, instance)[0] is None
        age(put(settings.landing, FILLS.replace("11-21", "11-22"), member(line(fill(2)))))
        request, cursor, _ = evaluate(settings, instance)
        assert request.tags[CHANGE_TAG] == "1 late (2025-11-22)"
        assert request.partition_key.endswith(":00")
        again, _, reason = evaluate(settings, instance, cursor)
        assert again is None
        assert "asked for already" in reason


def test_the_landing_is_left_alone_while_a_run_is_at_work(settings: Settings) -> None:
    age(put(settings.landing, FILLS.replace("11-21", "11-22"), member(line(fill(2)))))
    with dg.instance_for_test() as instance:

        @dg.job(name="hourly")
        def hourly() -> None: ...

        run = instance.create_run_for_job(hourly)
        instance.report_dagster_event(dg.DagsterEvent("PIPELINE_START", job_name="hourly"), run.run_id)
        assert "at work" in evaluate(settings, instance)[2]


def test_a_landing_that_disappeared_and_a_warehouse_that_moved_are_one_sentence(settings: Settings) -> None:
    with dg.instance_for_test() as instance:
        before = settings.warehouse.read_bytes()
        settings.landing.rename(settings.landing.with_name("gone"))
        assert "does not exist" in evaluate(settings, instance)[2]
        assert settings.warehouse.read_bytes() == before
        settings.warehouse.rename(settings.warehouse.with_name("moved.duckdb"))
        assert "There is no warehouse" in evaluate(settings, instance)[2]
        assert not settings.warehouse.exists()


def test_the_history_is_readable_as_json(con: duckdb.DuckDBPyConnection) -> None:
    record(con, "run", "whole", [result("broken", failing=3)])
    (examples,) = con.sql("select examples from ops.check_results").fetchone()
    assert json.loads(examples) == [{"line_no": str(number)} for number in range(3)]
