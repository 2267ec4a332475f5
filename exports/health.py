"""Tier 3: the health of each bot in buckets of 5 minutes, an hour and a day, each kept as long as it is of use."""

import datetime as dt
import importlib.metadata
from pathlib import Path

from exports.errors import SourceError
from exports.folders import replacing
from exports.marts import TIME_ZONE, open_marts, query
from exports.summaries.records import records
from exports.summaries.run import SQL
from exports.summaries.schema import read_schema
from exports.summaries.writer import WrittenFile, write_lines

RETENTION_HOURS = {"5m": 24, "1h": 7 * 24, "24h": 365 * 24}


def export_health(marts: Path, out: Path, *, as_of: dt.datetime | None = None) -> list[WrittenFile]:
    """Write <out>/health/health_5m.jsonl, health_1h.jsonl and health_24h.jsonl, replacing the folder whole.

    A bucket is kept while its end lies less than its retention (24 hours, 7 days, 365 days) before `as_of`, an aware instant;
    default is the newest record, so that a warehouse at rest gives the same bytes. Raises SourceError and DestinationError.
    """
    with open_marts(marts) as connection, replacing(out / "health") as folder:
        sql = "select max(as_of_at), bool_or(is_synthetic) from marts.mart_health_5m"
        [[newest, synthetic]] = query(connection, sql)[1]
        as_of = as_of or newest
        if as_of is None:
            raise SourceError("There is no health bucket at all: load logs and build the marts first, then export again.")
        written = []
        for bucket, hours in RETENTION_HOURS.items():
            text = (SQL / "health.sql").read_text().replace("{bucket}", bucket)
            columns, rows = query(connection, text, {"as_of": as_of, "retention_hours": hours})
            header = {
                "export": f"health_{bucket}",
                "schema_version": read_schema("health").version,
                "generator": f"bandit-warehouse {importlib.metadata.version('bandit-warehouse')}",
                "window_from": (as_of - dt.timedelta(hours=hours)).astimezone(dt.UTC).isoformat(timespec="milliseconds"),
                "window_to_before": as_of.astimezone(dt.UTC).isoformat(timespec="milliseconds"),
                "retention_hours": hours,
                "time_zone": TIME_ZONE,
                "is_synthetic": synthetic,
            }
            written += write_lines(folder, f"health_{bucket}", records(read_schema("health"), columns, rows), header)
    return [WrittenFile(out / "health" / file.path.name, file.records, file.bytes) for file in written]
