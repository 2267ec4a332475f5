"""`ops/alert_delivery`: hands new alerts to the webhook that the environment names, after the marts were published."""

import datetime as dt
import os

import dagster as dg
import duckdb

from alerts import Alert, deliver
from dagster_project.assets.keys import ALERT_DELIVERY, PUBLISHED_MARTS
from dagster_project.queries import rows
from dagster_project.resources import WRITER_POOL, Warehouse

MAX_AGE = dt.timedelta(hours=24)
_TABLES = """
    create schema if not exists ops;
    create table if not exists ops.delivered_alerts (alert_id varchar primary key, delivered_at timestamptz not null);
"""


def alert_delivery_asset() -> dg.AssetsDefinition:
    """The asset. Without ALERT_WEBHOOK_URL it says so and does nothing; ALERTS_PER_HOUR limits the rate (20)."""

    @dg.asset(
        key=ALERT_DELIVERY,
        deps=[PUBLISHED_MARTS],
        group_name="ops",
        kinds={"python"},
        pool=WRITER_POOL,
        op_tags={"dagster/priority": "-20"},
        description="Alerts of the last 24 hours that were not delivered yet, to ALERT_WEBHOOK_URL. A fault here stops nothing.",
    )
    def alert_delivery(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult:
        url = os.environ.get("ALERT_WEBHOOK_URL", "")
        if not url:
            return dg.MaterializeResult(metadata={"skipped": "ALERT_WEBHOOK_URL is not set"})
        with warehouse.connect() as con:
            metadata = deliver_new(con, url, dt.datetime.now(dt.UTC), int(os.environ.get("ALERTS_PER_HOUR", "20")))
        if "fault" in metadata:
            context.log.warning(metadata["fault"])
        return dg.MaterializeResult(metadata=metadata)

    return alert_delivery


def deliver_new(con: duckdb.DuckDBPyConnection, url: str, now: dt.datetime, per_hour: int) -> dict[str, object]:
    """Deliver what is new and remember it. Returns counts, and `fault` where the webhook failed."""
    con.execute(_TABLES)
    found = rows(
        con,
        """
        select alert_id, rule_id, level, fired_at, message
        from serve.marts.fct_alert_events
        where fired_at > $since and fired_at <= $now and outcome = 'sent'
            and alert_id not in (select alert_id from ops.delivered_alerts)
        """,
        {"since": now - MAX_AGE, "now": now},
    )
    earlier = con.execute("select delivered_at from ops.delivered_alerts where delivered_at > ?", [now - MAX_AGE]).fetchall()
    try:
        done = deliver(
            [Alert(**row) for row in found],
            url,
            now=now,
            delivered_at=[row[0] for row in earlier],
            per_hour=per_hour,
            max_age=MAX_AGE,
        )
    except ValueError as error:
        return {"delivered": 0, "fault": str(error)}
    if done.delivered:
        con.executemany("insert or ignore into ops.delivered_alerts values (?, ?)", [[alert, now] for alert in done.delivered])
    return {"delivered": len(done.delivered), "held_back": done.held_back} | ({"fault": done.fault} if done.fault else {})
