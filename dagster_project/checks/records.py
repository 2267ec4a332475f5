"""Checks of what staged records say: numbers that must agree with each other, and event ids that can be computed again."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import duckdb

from dagster_project.assets.dbt import model_key
from dagster_project.assets.keys import staging_model
from dagster_project.checks.history import FAILED, report, state_of
from dagster_project.checks.result import outcome
from dagster_project.checks.scope import BEFORE_PUBLICATION, RECORDS, WHOLE, Scope, mark_verified, scope_of
from dagster_project.queries import rows
from dagster_project.resources import WRITER_POOL, Warehouse

# check name -> (stream, what must hold, columns to show, description)
RANGES = {
    "probabilities_sum_to_one": (
        "signals",
        "abs(p_down_prob + p_neutral_prob + p_up_prob - 1) <= 1e-9 and least(p_down_prob, p_neutral_prob, p_up_prob) >= 0",
        "p_down_prob, p_neutral_prob, p_up_prob",
        "The three class probabilities of a signal are not negative and sum to 1.",
    ),
    "score_is_the_difference_of_probabilities": (
        "signals",
        "abs(s_model - (p_up_prob - p_down_prob)) <= 1e-9",
        "s_model, p_up_prob, p_down_prob",
        "s_model = p_up - p_down.",
    ),
    "equity_is_10000_plus_pnl": (
        "pnl_equity_log",
        "abs(equity_usd - 10000 - pnl_total_usd) < 0.005",
        "equity_usd, pnl_total_usd",
        "equity_usd = 10,000 + pnl_total_usd, to the cent.",
    ),
}
EVENT_IDS = "event_id_can_be_computed_again"
# keys of the envelope, which the bot's hash leaves out; costs hashes what is in its `costs`
_ENVELOPE = ("run_id", "event_id", "ts_ist", "schema_v")
HASHED = {
    "hyperliquid_fills": (None, (*_ENVELOPE, "bar_id")),
    "pnl_equity_log": (None, (*_ENVELOPE, "bar_id")),
    "overlay_status": (None, _ENVELOPE),
    "costs": ("costs", ("event_id",)),
}
# a hash costs 15 microseconds: enough of the newest records, so that a first load or a whole check ends soon
NEWEST_HASHED = 20_000


def record_checks(manifest: Mapping[str, Any]) -> dg.AssetChecksDefinition:
    """The checks of ranges (they stop publication) and of event ids (they warn), evaluated together."""
    asked: dict[dg.AssetCheckKey, str] = {}
    specs = []
    for name, stream in [*((name, rule[0]) for name, rule in RANGES.items()), *((EVENT_IDS, stream) for stream in HASHED)]:
        key = model_key(manifest, staging_model(stream))
        if key is not None:
            text = RANGES[name][3] if name in RANGES else "The hash in the id is that of the record's content."
            specs.append(dg.AssetCheckSpec(name, asset=key, description=text))
            asked[specs[-1].key] = stream

    @dg.multi_asset_check(name="check_records", specs=specs, can_subset=True, pool=WRITER_POOL, op_tags=BEFORE_PUBLICATION)
    def check_records(context: dg.AssetCheckExecutionContext, warehouse: Warehouse) -> Iterator[dg.AssetCheckResult]:
        results = []
        with warehouse.connect() as con:
            scope = scope_of(context, con, RECORDS)
            for key in sorted(context.selected_asset_check_keys, key=lambda key: (key.asset_key.path, key.name)):
                question = check_event_ids if key.name == EVENT_IDS else check_range
                results.append(question(con, key, asked[key], scope))
            shown = report(context, con, results, scope.name)
            if all(state_of(result) != FAILED for result in results):
                mark_verified(con, scope, RECORDS)
        yield from shown

    return check_records


def check_range(con: duckdb.DuckDBPyConnection, key: dg.AssetCheckKey, stream: str, scope: Scope = WHOLE) -> dg.AssetCheckResult:
    """Rows of the staging model of `stream` that break the rule; unknown values break none."""
    _, holds, columns, _ = RANGES[key.name]
    model = f'staging."{staging_model(stream)}"'
    examined = con.execute(f"select count(*) from {model} where ({holds}) is not null and {scope.where()}").fetchone()[0]
    broken = f"from {model} where ({holds}) is false and {scope.where()}"
    count = con.execute(f"select count(*) {broken}").fetchone()[0]
    failing = (
        rows(con, f"select source_file, line_no, {columns} {broken} order by source_file, line_no limit 10") if count else []
    )
    return outcome(
        key.asset_key,
        key.name,
        rows_examined=examined,
        failing=failing,
        failing_count=count,
        remedy="Look at the record in raw (source_file, line_no): if it reads the same there, the bot wrote it so.",
        nothing_because=scope.nothing_because(f"no record of the stream {stream} has these values"),
    )


def check_event_ids(
    con: duckdb.DuckDBPyConnection, key: dg.AssetCheckKey, stream: str, scope: Scope = WHOLE
) -> dg.AssetCheckResult:
    """Records whose event id does not end in the hash of their content: changed on the way, or written in another way."""
    nested, left_out = HASHED[stream]
    con.execute(
        f'select source_file, line_no, record from raw."{stream}" where {scope.where()} '
        f"order by emitted_at desc limit {NEWEST_HASHED}"
    )
    examined, count, failing = 0, 0, []
    while batch := con.fetchmany(10_000):
        for source_file, line_no, record in batch:
            examined += 1
            content = json.loads(record)
            content = content[nested] if nested else content
            expected, held = _hash(content, left_out), str(content.get("event_id"))
            if not held.endswith(f":{expected}"):
                count += 1
                if len(failing) < 10:
                    failing.append({"source_file": source_file, "line_no": line_no, "event_id": held, "computed": expected})
    return outcome(
        key.asset_key,
        key.name,
        rows_examined=examined,
        failing=failing,
        failing_count=count,
        remedy="The record was altered after it was written, or a new version of the bot hashes other fields.",
        nothing_because=scope.nothing_because(f"no record of the stream {stream} has been accepted"),
        is_warning=True,
    )


def _hash(content: Mapping[str, Any], left_out: tuple[str, ...]) -> str:
    hashed = {name: value for name, value in content.items() if name not in left_out}
    return hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()[:8]
