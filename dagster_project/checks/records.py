"""Checks of what staged records say: numbers that must agree with each other, and event ids that can be computed again."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
import duckdb

from dagster_project import ops_tables
from dagster_project.assets.dbt import model_key
from dagster_project.assets.keys import staging_model
from dagster_project.checks.history import FAILED, report, state_of
from dagster_project.checks.result import SHOWN, outcome
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
# Records of a stream that one run computes at most, in a tick and in a run over whole tables; a file is not divided. A record
# costs 20 to 30 microseconds, so half a second in a tick and three at night: what a large backfill leaves over is done in the
# nights after.
HASHED_PER_TICK = 20_000
HASHED_PER_DAY = 40_000


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
        results, hashed = [], []
        with warehouse.connect() as con:
            scope = scope_of(context, con, RECORDS)
            for key in sorted(context.selected_asset_check_keys, key=lambda key: (key.asset_key.path, key.name)):
                if key.name == EVENT_IDS:
                    results.append(check_event_ids(con, key, asked[key], scope, hashed=hashed))
                else:
                    results.append(check_range(con, key, asked[key], scope))
            shown = report(context, con, results, scope.name)
            mark_hashed(con, hashed)
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


@dataclass
class Hashed:
    """What one load brought from one file, and what computing its event ids again has found."""

    load_id: str
    source_file: str
    stream: str
    records: int
    wrong: int = 0
    first_wrong: int | None = None


def check_event_ids(
    con: duckdb.DuckDBPyConnection,
    key: dg.AssetCheckKey,
    stream: str,
    scope: Scope = WHOLE,
    *,
    at_most: int | None = None,
    hashed: list[Hashed] | None = None,
) -> dg.AssetCheckResult:
    """Records whose event id does not end in the hash of their content: changed on the way, or written in another way.

    Looks at `at_most` records (default HASHED_PER_TICK, or HASHED_PER_DAY of a whole table) in whole files: first what was never
    looked at, the newest load first, then, of a whole table, what was looked at longest ago. The metadata say how many of how
    many that were, and what is left. Files looked at are added to `hashed`, for `mark_hashed`; wrong ids that an earlier run
    found in the scope are told again, for a record in raw never changes.
    """
    ops_tables.create_ops_tables(con)
    limit = at_most or (HASHED_PER_DAY if scope.loads is None else HASHED_PER_TICK)
    units = rows(
        con,
        f"""
        with units as (
            select loads.load_id, loads.source_file, loads.accepted as records, held.hashed_at,
                   coalesce(held.wrong_records, 0) as wrong, held.first_wrong_line_no as first_wrong,
                   coalesce(sum(loads.accepted) over (
                       order by held.hashed_at nulls first, loads.load_id desc, loads.source_file
                       rows between unbounded preceding and 1 preceding
                   ), 0) + loads.accepted as records_so_far
            from raw.loads as loads
            left join ops.hashed_files as held using (load_id, source_file)
            where loads.stream = $stream and loads.accepted > 0 and {scope.where("loads.load_id")}
        )
        -- one file in any case: else one larger than the limit would be in the way for ever
        select *, records_so_far <= greatest($limit, min(records_so_far) over ()) as is_due from units order by records_so_far
        """,
        {"stream": stream, "limit": limit},
    )
    due = {
        (row["load_id"], row["source_file"]): Hashed(row["load_id"], row["source_file"], stream, 0)
        for row in units
        if row["is_due"]
    }
    failing = _hash_files(con, stream, due)
    if hashed is not None:
        hashed += due.values()
    earlier = [row for row in units if not row["is_due"] and row["wrong"]]
    failing += [
        {
            "source_file": row["source_file"],
            "line_no": row["first_wrong"],
            "event_id": f"and of {row['wrong'] - 1} more records of this file",
            "computed": f"otherwise, on {row['hashed_at']:%Y-%m-%d}",
        }
        for row in earlier
    ]
    examined = sum(unit.records for unit in due.values())
    in_scope = sum(row["records"] for row in units)
    never = sum(row["records"] for row in units if not row["is_due"] and row["hashed_at"] is None)
    return outcome(
        key.asset_key,
        key.name,
        rows_examined=examined,
        failing=failing[:SHOWN],
        failing_count=sum(unit.wrong for unit in due.values()) + sum(row["wrong"] for row in earlier),
        remedy="The record was altered after it was written, or a new version of the bot hashes other fields.",
        nothing_because=scope.nothing_because(f"no record of the stream {stream} has been accepted"),
        is_warning=True,
        facts={
            "records_in_scope": in_scope,
            "records_never_examined": never,
            "examined": f"{examined:,} of {in_scope:,} records"
            + (f"; {never:,} of the others were never examined, the next daily runs go on with them" if never else ""),
        },
    )


def _hash_files(con: duckdb.DuckDBPyConnection, stream: str, due: Mapping[tuple[str, str], Hashed]) -> list[dict[str, Any]]:
    """Compute the ids of the records of `due`, count them there, and return the first wrong ones."""
    nested, left_out = HASHED[stream]
    con.execute(
        f"""
        select load_id, source_file, line_no, record from raw."{stream}"
        semi join (select unnest($loads::varchar[]) as load_id, unnest($files::varchar[]) as source_file)
            using (load_id, source_file)
        where load_id >= $oldest
        """,
        {
            "loads": [load for load, _ in due],
            "files": [file for _, file in due],
            "oldest": min((load for load, _ in due), default=""),
        },
    )
    failing: list[dict[str, Any]] = []
    while batch := con.fetchmany(10_000):
        for load_id, source_file, line_no, record in batch:
            unit = due[load_id, source_file]
            unit.records += 1
            content = json.loads(record)
            content = content[nested] if nested else content
            expected, held = _hash(content, left_out), str(content.get("event_id"))
            if not held.endswith(f":{expected}"):
                unit.wrong += 1
                unit.first_wrong = min(unit.first_wrong or line_no, line_no)
                if len(failing) < SHOWN:
                    failing.append({"source_file": source_file, "line_no": line_no, "event_id": held, "computed": expected})
    return failing


def mark_hashed(con: duckdb.DuckDBPyConnection, hashed: Sequence[Hashed]) -> None:
    """Remember in `ops.hashed_files` which files of which loads were looked at, and what was found."""
    if not hashed:
        return
    con.execute(
        """
        create or replace temp table newly_hashed as
        select unnest($loads::varchar[]) as load_id, unnest($files::varchar[]) as source_file,
               unnest($streams::varchar[]) as stream, unnest($records::bigint[]) as records,
               unnest($wrong::bigint[]) as wrong_records, unnest($first::bigint[]) as first_wrong_line_no, now() as hashed_at
        """,
        {
            "loads": [unit.load_id for unit in hashed],
            "files": [unit.source_file for unit in hashed],
            "streams": [unit.stream for unit in hashed],
            "records": [unit.records for unit in hashed],
            "wrong": [unit.wrong for unit in hashed],
            "first": [unit.first_wrong for unit in hashed],
        },
    )
    con.execute("begin")
    con.execute("delete from ops.hashed_files where (load_id, source_file) in (select load_id, source_file from newly_hashed)")
    con.execute("insert into ops.hashed_files by name from newly_hashed")
    con.execute("commit")


def _hash(content: Mapping[str, Any], left_out: tuple[str, ...]) -> str:
    hashed = {name: value for name, value in content.items() if name not in left_out}
    return hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest()[:8]
