"""Daily checks of staging models and marts: columns that never vary, rows without their run."""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import duckdb

from dagster_project import ops_tables
from dagster_project.assets.dbt import TRANSLATOR, model_key
from dagster_project.assets.keys import staging_model
from dagster_project.checks.history import report
from dagster_project.checks.result import outcome
from dagster_project.checks.scope import BEFORE_PUBLICATION, WHOLE, days_of_run
from dagster_project.partitions import Window
from dagster_project.queries import rows
from dagster_project.resources import WRITER_POOL, Warehouse
from raw_loaders.dictionary import Dictionary, Stream

CONSTANTS = "columns_vary"
ORPHANS = "each_row_has_its_run"
DESCRIPTIONS = {
    CONSTANTS: "No number or flag holds one value, or none, in all rows of the days, but for those documented so.",
    ORPHANS: "Each row's run is in dim_runs.",
}
LEAST_ROWS = 100


def table_checks(dictionary: Dictionary, manifest: Mapping[str, Any]) -> dg.AssetChecksDefinition:
    """The checks of staging models and marts that the daily run makes, evaluated together."""
    staged = {key: name for name in dictionary.streams if (key := model_key(manifest, staging_model(name)))}
    marts = {
        TRANSLATOR.get_asset_key(node): node["alias"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["schema"] == "marts"
        and {"bot", "run_id"} <= node["columns"].keys() and node["alias"] != "dim_runs"
    }  # fmt: skip
    wanted = [*((key, CONSTANTS) for key in staged), *((key, ORPHANS) for key in marts)]

    @dg.multi_asset_check(
        name="check_tables",
        specs=[dg.AssetCheckSpec(name, asset=key, description=DESCRIPTIONS[name]) for key, name in wanted],
        can_subset=True,
        pool=WRITER_POOL,
        op_tags=BEFORE_PUBLICATION,
    )
    def check_tables(context: dg.AssetCheckExecutionContext, warehouse: Warehouse) -> Iterator[dg.AssetCheckResult]:
        with warehouse.connect() as con:
            ops_tables.create_ops_tables(con)
            window = days_of_run(context, con)
            asked = sorted(context.selected_asset_check_keys, key=lambda key: (key.asset_key.path, key.name))
            columns = [key.asset_key for key in asked if key.name == CONSTANTS]
            runs = [key.asset_key for key in asked if key.name == ORPHANS]
            streams = {key: dictionary.streams[staged[key]] for key in columns}
            shown = [
                *report(context, con, [check_constants(con, key, streams[key], window) for key in columns], "days"),
                *report(context, con, [check_orphans(con, key, marts[key]) for key in runs], WHOLE.name),
            ]
        yield from shown

    return check_tables


def check_constants(
    con: duckdb.DuckDBPyConnection, asset_key: dg.AssetKey, stream: Stream, window: Window | None
) -> dg.AssetCheckResult:
    """Columns that are the same in all rows of the days: a sensor that died, a default that nobody computes any more."""
    model = f'staging."{staging_model(stream.name)}"'
    present = {row["column_name"] for row in rows(con, f"describe {model}")}
    names = [str(column["name"]) for column in stream.columns if _is_measure(column) and column["name"] in present]
    days = "emitted_date_ist >= $first and emitted_date_ist < $end" if window else "false"
    span = {"first": window.first_day, "end": window.end_day} if window else {}
    parts = "".join(f', min("{name}") is not distinct from max("{name}"), any_value("{name}")::varchar' for name in names)
    count, *found = con.execute(f"select count(*){parts} from {model} where {days}", span or None).fetchone()
    constant = [
        {"column": name, "value": value, "rows": count}
        for name, is_same, value in zip(names, found[::2], found[1::2], strict=True)
        if is_same
    ]
    is_enough = count >= LEAST_ROWS
    return outcome(
        asset_key,
        CONSTANTS,
        rows_examined=count if is_enough else 0,
        failing=constant if is_enough else [],
        remedy="Does the bot still compute it? If it never will, say `constant` in the column's meaning in the dictionary.",
        nothing_because=f"the days have {count} rows, fewer than {LEAST_ROWS}",
        is_warning=True,
    )


def _is_measure(column: Mapping[str, object]) -> bool:
    """Whether a column should vary: text names things and may not, and some numbers are documented as constant."""
    meaning = str(column.get("meaning", "")).lower()
    is_number = str(column["type"]).split("(")[0] in ("BIGINT", "INTEGER", "DOUBLE", "DECIMAL", "BOOLEAN")
    return is_number and not any(word in meaning for word in ("constant", "always", "never", "not computed"))


def check_orphans(con: duckdb.DuckDBPyConnection, asset_key: dg.AssetKey, mart: str) -> dg.AssetCheckResult:
    """Rows whose run is not in dim_runs; rows without a run are none."""
    table = f'serve.marts."{mart}"'
    examined = con.execute(f"select count(*) from {table} where run_id is not null").fetchone()[0]
    failing = rows(
        con,
        f"""
        select bot, run_id, count(*) as rows_without_run from {table}
        where run_id is not null and run_id not in (select run_id from serve.marts.dim_runs)
        group by all order by all
        """,
    )
    return outcome(
        asset_key,
        ORPHANS,
        rows_examined=examined,
        failing=failing,
        failing_count=sum(row["rows_without_run"] for row in failing),
        remedy=f"{mart} and dim_runs disagree: rebuild both (`make run`); if it stays, the model of one of them is wrong.",
        nothing_because=f"{mart} has no row",
    )
