"""What a check refused is not published by a later run either, unless the check has passed on as much as it failed on."""

from dataclasses import replace
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from dagster_project.build import build_definitions
from dagster_project.cli import settle
from dagster_project.runner import RunFailedError, RunResult, execute, hour_span
from dagster_project.settings import Settings
from dbt_commands import parse
from house import copied
from raw_tables import FILLS, fill, line, member, put

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
TEST = """  data_tests:
  - holds:
      name: stg_hyperliquid_fills_has_no_evil
      arguments:
        expression: coin <> 'EVIL'
"""


@pytest.fixture
def settings(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A landing with fills of a day, and our dbt project with one more test of staging."""
    project = copied(repository / "dbt_project", tmp_path)
    yml = next(project.rglob("stg_hyperliquid_fills.yml"))
    yml.write_text(yml.read_text().replace("  data_tests:\n", TEST, 1))
    made = replace(Settings(landing=tmp_path / "landing", data=tmp_path / "data"), dbt_project=parse(project))
    put(made.landing, FILLS, member(b"".join(line(fill(number)) for number in range(20))))
    monkeypatch.setenv("DAGSTER_HOME", str(made.dagster_home))
    settle(made)
    return made


def tick(settings: Settings) -> RunResult:
    return execute(settings, build_definitions(settings), "hourly", hour_span(settings, None, None))


def coins(settings: Settings) -> set[str]:
    with duckdb.connect(str(settings.published / "serve.duckdb"), read_only=True) as con:
        return {coin for (coin,) in con.sql("select distinct coin from marts.fct_cohort_fills").fetchall()}


def answer(settings: Settings, check: str) -> tuple[str, int]:
    """State of the check, and rows it examined, in the newest run."""
    with duckdb.connect(str(settings.warehouse), read_only=True) as con:
        found = "select state, rows_examined from ops.check_results where check_name = ? order by checked_at desc limit 1"
        return con.execute(found, [f"dbt_tests: {check}"]).fetchone()


def test_what_a_dbt_test_refused_stays_refused_until_the_test_passes(settings: Settings) -> None:
    check = "stg_hyperliquid_fills_has_no_evil"
    assert tick(settings).published["touched_loads"] == 1
    assert answer(settings, check) == ("passed", 20)

    # what is tested is what was written: a day before the others, with two rows
    late = FILLS.replace("2025-11-21", "2025-11-11")
    day = {"ts_ist": "2025-11-11T12:00:00.000000+05:30", "ts": 1762842600000}
    put(settings.landing, late, member(line(fill(101, **day))) + member(line(fill(102, coin="EVIL", **day))))
    with pytest.raises(RunFailedError, match=f"^Not published, .* the check staging.stg_hyperliquid_fills: dbt_tests: {check}"):
        tick(settings)
    assert answer(settings, check) == ("failed", 2)
    with dg.DagsterInstance.get() as instance:
        (noted, *_) = instance.fetch_observations(dg.AssetKey(["published", "marts"]), limit=1).records
    assert noted.asset_observation.metadata["touched_days"].value == 1
    assert "2025-11-11" in noted.asset_observation.metadata["rebuilt"].value["days"]

    # nothing has landed since, so this tick builds nothing: it looks at the whole table
    with pytest.raises(RunFailedError, match=f"^Not published, .* dbt_tests: {check}"):
        tick(settings)
    assert answer(settings, check) == ("failed", 22)
    assert "EVIL" not in coins(settings)
    with pytest.raises(RunFailedError, match=f"^Not published, .* dbt_tests: {check} failed .* has not passed since"):
        publish_alone(settings)

    put(settings.landing, late, member(line(fill(101, **day))))
    tick(settings)
    assert answer(settings, check) == ("passed", 21)


def publish_alone(settings: Settings) -> None:
    defs = build_definitions(settings)
    with dg.DagsterInstance.get() as instance:
        done = defs.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance, asset_selection=[dg.AssetKey(["published", "marts"])], raise_on_error=False
        )
    for event in done.all_events:
        if event.is_step_failure:
            raise RunFailedError(event.step_failure_data.user_failure_data.description)
