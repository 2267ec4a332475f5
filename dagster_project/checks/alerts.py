"""Breaches as checks: alerts of the newest IST day that the marts hold, one check per severity.

They tell of the bots and not of the tables, so none of them stops publication: in the history of results both warn.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import duckdb

from dagster_project.assets.dbt import model_key
from dagster_project.checks.history import report
from dagster_project.checks.result import outcome
from dagster_project.checks.scope import BEFORE_PUBLICATION
from dagster_project.queries import rows
from dagster_project.resources import WRITER_POOL, Warehouse

LEVELS = {
    "no_critical_alert": ("critical", "emergency"),
    "no_warning_alert": ("warning",),
}
DESCRIPTIONS = {
    "no_critical_alert": "No alert of level critical or emergency on the newest IST day. Fails, and stops nothing.",
    "no_warning_alert": "No alert of level warning on the newest IST day. Warns.",
}
_REMEDY = "Read marts.fct_alert_events of that day; rules and limits are the seeds alert_rules and metric_limits."


def alert_checks(manifest: Mapping[str, Any]) -> dg.AssetChecksDefinition:
    """Both checks on fct_alert_events, evaluated together."""
    key = model_key(manifest, "fct_alert_events")

    @dg.multi_asset_check(
        name="check_alerts",
        specs=[dg.AssetCheckSpec(name, asset=key, description=DESCRIPTIONS[name]) for name in LEVELS],
        can_subset=True,
        pool=WRITER_POOL,
        op_tags=BEFORE_PUBLICATION,
    )
    def check_alerts(context: dg.AssetCheckExecutionContext, warehouse: Warehouse) -> Iterator[dg.AssetCheckResult]:
        names = sorted(key.name for key in context.selected_asset_check_keys)
        with warehouse.connect() as con:
            shown = report(context, con, [check_level(con, name, key, is_warning=True) for name in names], "newest_day")
            answered = {result.check_name for result in shown}
            results = [check_level(con, name, key, is_warning=name != "no_critical_alert") for name in names if name in answered]
        yield from results

    return check_alerts


def check_level(con: duckdb.DuckDBPyConnection, name: str, asset_key: dg.AssetKey, *, is_warning: bool) -> dg.AssetCheckResult:
    """Alerts of the check's levels on the newest IST day that has a figure; examined are the figures rules and limits saw."""
    day = con.execute("select max(date_ist) from intermediate.int_alert_samples").fetchone()[0]
    examined = con.execute("select count(*) from intermediate.int_alert_samples where date_ist = ?", [day]).fetchone()[0]
    levels = ", ".join(f"'{level}'" for level in LEVELS[name])
    failing = rows(
        con,
        f"""
        select rule_id, dimension_value, level, fired_at, message
        from serve.marts.fct_alert_events
        where date_ist = $day and level in ({levels}) and outcome = 'sent'
        order by fired_at desc, rule_id, dimension_value
        """,
        {"day": day},
    )
    return outcome(
        asset_key,
        name,
        rows_examined=examined,
        failing=failing,
        remedy=_REMEDY,
        nothing_because=None if examined else "no figure that a rule looks at has a value",
        is_warning=is_warning,
        facts={"day_ist": str(day)},
    )
