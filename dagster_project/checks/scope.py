"""How much a check looks at: in a run that loads, the loads not checked before; else whole tables.

So the checks of a tick cost the same with a year behind them, and the daily run looks at everything again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import dagster as dg
import duckdb

from dagster_project import ops_tables
from dagster_project.partitions import Window, days_window
from dagster_project.queries import of_loads

RAW, STAGING, RECORDS, FORMAT = "raw", "staging", "records", "format"
# steps run one at a time, those of higher priority first: every check comes before the publication (priority -10)
BEFORE_PUBLICATION = {"dagster/priority": "10"}


@dataclass(frozen=True)
class Scope:
    """The loads to look at, oldest first; None stands for all rows of all loads."""

    loads: Sequence[str] | None = None

    @property
    def name(self) -> str:
        """As the history of results has it: whole or touched."""
        return "whole" if self.loads is None else "touched"

    def where(self, load_id: str = "load_id") -> str:
        """SQL that is true for the rows of this scope; the table must have the column `load_id`."""
        return "true" if self.loads is None else of_loads(self.loads, load_id)

    def nothing_because(self, reason: str) -> str | None:
        """Why there is nothing to examine: no load is new, else `reason`."""
        return "nothing has been loaded since the last check" if self.loads is not None and not self.loads else reason


WHOLE = Scope()
TOUCHED = Scope(())


def scope_of(context: dg.AssetCheckExecutionContext, con: duckdb.DuckDBPyConnection, layer: str) -> Scope:
    """Loads that `layer` was not checked for yet where the run loads or builds assets too; else everything."""
    ops_tables.create_ops_tables(con)
    materialises = context.job_def.name == "hourly" or bool(context.run.asset_selection)
    if context.job_def.name == "daily" or not materialises:
        return WHOLE
    return Scope(tuple(ops_tables.loads_missing_from(con, "verified_loads", layer)))


def mark_verified(con: duckdb.DuckDBPyConnection, scope: Scope, layer: str) -> None:
    """Leave the loads of the scope out of later checks of `layer`. Only to be called when all of them passed."""
    loads = ops_tables.loads_missing_from(con, "verified_loads", layer) if scope.loads is None else scope.loads
    ops_tables.mark_loads(con, "verified_loads", loads, layer)


def days_of_run(context: dg.AssetCheckExecutionContext, con: duckdb.DuckDBPyConnection) -> Window | None:
    """The IST days of the run's daily partition or range; else the newest day with records (None when there is none)."""
    tags = context.run.tags
    first = tags.get("dagster/partition") or tags.get("dagster/asset_partition_range_start")
    last = tags.get("dagster/partition") or tags.get("dagster/asset_partition_range_end")
    if first is None:
        (newest,) = con.execute("select max(date_ist)::varchar from ops.day_reconciliation").fetchone()
        first = last = newest
    return days_window(date.fromisoformat(first[:10]), date.fromisoformat(last[:10])) if first else None
