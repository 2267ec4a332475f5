"""Operations marts on the real logs."""

from pathlib import Path

import pytest

from raw_loaders.load import load_landing
from staged import build, open_warehouse


@pytest.fixture(scope="module")
def real(real_logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real logs, loaded and built up to the operations marts, dbt's data tests included."""
    warehouse = tmp_path_factory.mktemp("real_operations") / "warehouse.duckdb"
    load_landing(real_logs, warehouse)
    build(warehouse, "+path:models/marts/operations", "--exclude-resource-type", "unit_test")
    return warehouse


def rows(warehouse: Path, query: str) -> list[tuple]:
    with open_warehouse(warehouse) as connection:
        return connection.execute(query).fetchall()


def test_every_decision_of_the_real_logs_left_all_its_records(real: Path) -> None:
    found = rows(
        real,
        """
        select sum(expected_count) > 4000, sum(missing_count), sum(surplus_count), sum(unattributed_count)
        from marts.mart_stream_coverage where coverage_null_reason is null
        """,
    )
    assert found == [(True, 0, 0, 0)]


def test_sessions_of_the_real_logs_name_the_true_cause_beside_the_audits(real: Path) -> None:
    decisions, trades, rejections = rows(
        real, "select sum(total_decisions), sum(total_trades), sum(total_rejections) from marts.mart_session_summary_daily"
    )[0]
    assert decisions == rows(real, "select count(*) from marts.fct_decisions where is_canonical")[0][0]
    assert rejections == decisions - 1 and trades == 9
    for reading, names in (("rejection_breakdown", {"CONFIDENCE"}), ("seed_rejection_breakdown", {"spread_guard", "band"})):
        keys = rows(real, f"select distinct unnest(json_keys({reading})) from marts.mart_session_summary_hourly")
        assert {key for (key,) in keys} == names


def test_logged_means_are_right_and_the_logged_drawdown_is_wrong(real: Path) -> None:
    found = {
        metric: (agreeing, differing)
        for metric, agreeing, differing in rows(
            real,
            """
            select metric, count(*) filter (where is_agreeing), count(*) filter (where not is_agreeing)
            from marts.mart_logged_vs_recomputed where stream = 'health' group by metric
            """,
        )
    }
    health = rows(real, "select count(*) from staging.stg_health")[0][0]
    trading = rows(real, "select count(*) from staging.stg_health where bot in ('5m', '24h')")[0][0]
    for metric in ("recent_bar_count", "mean_p_down_prob", "mean_p_up_prob", "mean_s_model", "execution_count", "equity_usd"):
        assert found[metric] == (health, 0), metric
    # a run that trades on its first bar is below its deposit at once; the bot logs 0
    assert found["max_drawdown_share"] == (health - trading, trading)
    assert found["ic_drift"] == (0, 0)
