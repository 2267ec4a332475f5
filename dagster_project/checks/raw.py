"""Checks of the raw layer. Each stops publication: what does not add up must not reach analysts."""

import time
from collections.abc import Callable, Iterator, Sequence

import dagster as dg
import duckdb

from dagster_project.assets.keys import raw_key
from dagster_project.checks.history import FAILED, report, state_of
from dagster_project.checks.landed import LandedPartition, landed_partitions
from dagster_project.checks.result import outcome
from dagster_project.checks.scope import BEFORE_PUBLICATION, RAW, WHOLE, Scope, mark_verified, scope_of
from dagster_project.queries import Row, rows
from dagster_project.resources import WRITER_POOL, Warehouse
from dagster_project.settings import Settings
from raw_loaders.dictionary import Dictionary, load_dictionary
from raw_loaders.load import newest_scan

LINES = "lines_are_accepted_or_rejected"
BYTES = "bytes_are_read_or_damaged"
PARTITIONS = "every_landed_partition_is_loaded"
DESCRIPTIONS = {
    LINES: "For each file: lines = accepted + rejected; as many rows lie in the raw table and in raw.rejected_lines.",
    BYTES: "For each file: its size = bytes read + bytes damaged, and each damaged byte lies in raw.damaged_ranges.",
    PARTITIONS: "Each landed date= folder and plain file is loaded and has rows, rejected lines or documented damage.",
}
# A tick looks for files that the loader has passed over in the newest date= folders only, and at those it could not read;
# the daily run looks everywhere.
NEWEST_DATES = 3
_RELOAD = "Read all files anew (`python -m raw_loaders load … --reread`), then `make run`; the rows of a file follow its bytes."


def raw_checks(settings: Settings, dictionary: Dictionary) -> dg.AssetChecksDefinition:
    """Three checks per raw stream, evaluated together."""

    @dg.multi_asset_check(
        name="check_raw",
        specs=[
            dg.AssetCheckSpec(name, asset=raw_key(stream), description=DESCRIPTIONS[name])
            for stream in dictionary.streams
            for name in (LINES, BYTES, PARTITIONS)
        ],
        can_subset=True,
        pool=WRITER_POOL,
        op_tags=BEFORE_PUBLICATION,
    )
    def check_raw(context: dg.AssetCheckExecutionContext, warehouse: Warehouse) -> Iterator[dg.AssetCheckResult]:
        started = context.instance.get_run_record_by_id(context.run.run_id).start_time or time.time()
        keys = sorted(context.selected_asset_check_keys, key=lambda key: (key.asset_key.path, key.name))
        with warehouse.connect() as con:
            scope = scope_of(context, con, RAW)
            scan = newest_scan(con)
            landed = landed_partitions(
                settings.landing,
                dictionary,
                # before any load everything that lies there is still to be loaded, and missing
                not_after_s=scan.timestamp() if scan else started,
                newest_dates=None if scope.loads is None else NEWEST_DATES,
                also=unreadable_files(con),
            )
            questions: dict[str, Callable[[str], dg.AssetCheckResult]] = {
                LINES: lambda stream: check_lines(con, stream, scope),
                BYTES: lambda stream: check_bytes(con, stream, scope),
                PARTITIONS: lambda stream: check_partitions(con, stream, landed.get(stream, ())),
            }
            results = [questions[key.name](key.asset_key.path[-1]) for key in keys]
            shown = report(context, con, results, scope.name)
            if all(state_of(result) != FAILED for result in results):
                mark_verified(con, scope, RAW)
        yield from shown

    return check_raw


def unreadable_files(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Files that the newest load could not read, in whatever folder: each run judges them until they are read or gone."""
    found = rows(con, "select source_file from raw.files where status = 'unreadable' order by source_file")
    return [row["source_file"] for row in found]


def _no_files(stream: str) -> str:
    return f"no file of the stream {stream} has landed"


def check_lines(con: duckdb.DuckDBPyConnection, stream: str, scope: Scope = WHOLE) -> dg.AssetCheckResult:
    """Compare the ledger's counts with each other and with the rows that are really there, by file and load."""
    found = rows(
        con,
        f"""
        with loads as (
            select source_file, load_id, lines, accepted, rejected from raw.loads where stream = $stream and {scope.where()}
        ),
        accepted_rows as (
            select source_file, load_id, count(*) as row_count, count(distinct line_no) as line_count
            from raw."{stream}" where {scope.where()} group by all
        ),
        rejected_rows as (
            select source_file, load_id, count(*) as row_count
            from raw.rejected_lines where stream = $stream and {scope.where()} group by all
        ),
        by_load as (
            select source_file, coalesce(sum(loads.lines), 0)::bigint as lines,
                   coalesce(sum(loads.accepted), 0)::bigint as accepted, coalesce(sum(loads.rejected), 0)::bigint as rejected,
                   coalesce(sum(accepted_rows.row_count), 0)::bigint as rows_in_table,
                   coalesce(sum(accepted_rows.line_count), 0)::bigint as line_numbers_in_table,
                   coalesce(sum(rejected_rows.row_count), 0)::bigint as rows_rejected,
                   bool_and(coalesce(loads.accepted, 0) = coalesce(accepted_rows.row_count, 0)
                            and coalesce(loads.rejected, 0) = coalesce(rejected_rows.row_count, 0)) as is_every_load_exact
            from loads
            full join accepted_rows using (source_file, load_id)
            full join rejected_rows using (source_file, load_id)
            group by source_file
        ),
        -- what all loads of a file brought together, those outside of the scope too
        totals as (
            select source_file, sum(lines)::bigint as lines_in_loads, sum(accepted)::bigint as accepted_in_loads
            from raw.loads where stream = $stream group by source_file
        ),
        ledger as (
            select source_file, lines as lines_in_file, accepted as accepted_in_file, rejected as rejected_in_file
            from raw.files where stream = $stream
        )
        select source_file, ledger.lines_in_file, ledger.accepted_in_file, ledger.rejected_in_file,
               coalesce(totals.lines_in_loads, 0) as lines_in_loads, coalesce(totals.accepted_in_loads, 0) as accepted_in_loads,
               by_load.* exclude (source_file)
        from by_load
        {"full" if scope.loads is None else "left"} join ledger using (source_file)
        left join totals using (source_file)
        order by source_file
        """,
        {"stream": stream},
    )
    failing = [row for row in found if not _lines_add_up(row)]
    return outcome(
        raw_key(stream),
        LINES,
        rows_examined=len(found),
        failing=failing,
        remedy=_RELOAD,
        nothing_because=scope.nothing_because(_no_files(stream)),
        facts={"records_examined": sum(row["rows_in_table"] or 0 for row in found)},
    )


def _lines_add_up(row: Row) -> bool:
    """A file without any load has no counts by load; then the ledger must say that nothing is in it."""
    return (
        row["lines_in_file"] is not None
        and row["lines_in_file"] == row["accepted_in_file"] + row["rejected_in_file"] == row["lines_in_loads"]
        and row["accepted_in_file"] == row["accepted_in_loads"]
        and (row["is_every_load_exact"] if row["lines"] is not None else row["lines_in_file"] == 0)
        and (row["lines"] or 0) == (row["accepted"] or 0) + (row["rejected"] or 0)
        and (row["accepted"] or 0) == (row["rows_in_table"] or 0) == (row["line_numbers_in_table"] or 0)
        and (row["rejected"] or 0) == (row["rows_rejected"] or 0)
    )


def check_bytes(con: duckdb.DuckDBPyConnection, stream: str, scope: Scope = WHOLE) -> dg.AssetCheckResult:
    """Each byte of each file is either read or in a damaged range."""
    found = rows(
        con,
        f"""
        with in_scope as (
            select source_file from raw.loads where stream = $stream and {scope.where()}
            {"union select source_file from raw.files where stream = $stream" if scope.loads is None else ""}
            {"union select source_file from raw.damaged_ranges where stream = $stream" if scope.loads is None else ""}
        ),
        damage as (
            select source_file, sum(byte_end - byte_start)::bigint as bytes_in_ranges,
                   sum(min_lost_records)::bigint as lost_in_ranges
            from raw.damaged_ranges where stream = $stream group by source_file
        )
        select source_file, files.size_bytes, files.bytes_read, files.bytes_damaged,
               coalesce(damage.bytes_in_ranges, 0) as bytes_in_ranges,
               files.min_lost_records, coalesce(damage.lost_in_ranges, 0) as lost_in_ranges
        from (select * from raw.files where stream = $stream) as files
        full join damage using (source_file)
        where source_file in (from in_scope)
        order by source_file
        """,
        {"stream": stream},
    )
    failing = [
        row
        for row in found
        if row["size_bytes"] is None
        or row["size_bytes"] != row["bytes_read"] + row["bytes_damaged"]
        or row["bytes_damaged"] != row["bytes_in_ranges"]
        or row["min_lost_records"] != row["lost_in_ranges"]
    ]
    facts = {"bytes_examined": sum(row["size_bytes"] or 0 for row in found)}
    return outcome(
        raw_key(stream),
        BYTES,
        rows_examined=len(found),
        failing=failing,
        remedy=_RELOAD,
        nothing_because=scope.nothing_because(_no_files(stream)),
        facts=facts,
    )


def check_partitions(con: duckdb.DuckDBPyConnection, stream: str, landed: Sequence[LandedPartition]) -> dg.AssetCheckResult:
    """Each partition in the landing (found by folder names alone) is in the ledger with something to show for it."""
    ledger = {
        row["source_file"]: row
        for row in rows(
            con,
            # files of no stream too: one whose path the loader does not know may bear this stream's name
            "select source_file, stream, status, status_reason, lines, bytes_damaged from raw.files "
            "where stream = $stream or stream is null",
            {"stream": stream},
        )
    }
    # what came, or came back, after the newest scan of the landing is for the next load
    expected = [partition for partition in landed if any(_is_expected(file, partition, ledger) for file in partition.files)]
    # a folder that could not be read hides files of the stream its path names, or, where it names none, perhaps of any
    unread = [
        row
        for row in rows(con, "select source_file, status_reason from raw.files where stream is null and status = 'unreadable'")
        if stream in (named := load_dictionary().streams.keys() & row["source_file"].split("/")) or not named
    ]
    failing = [
        {"partition": partition.name, "file": file, "fault": fault}
        for partition in expected
        for file, fault in _partition_faults(partition, ledger)
    ]
    failing += [
        {"partition": row["source_file"], "file": row["source_file"], "fault": f"unreadable: {row['status_reason']}"}
        for row in unread
    ]
    return outcome(
        raw_key(stream),
        PARTITIONS,
        rows_examined=len(expected) + len(unread),
        failing=failing,
        remedy="A file that could not be read: mend it or its rights, then `make run`. An unknown file: its path "
        "belongs into the stream's entry of the dictionary (raw_loaders/streams).",
        # files that are only in the ledger and gone from the landing are no reason to call the check idle
        nothing_because=f"no file of the stream {stream} lies in the landing any more"
        if any(row["stream"] for row in ledger.values())
        else _no_files(stream),
    )


def _is_expected(file: str, partition: LandedPartition, ledger: dict[str, Row]) -> bool:
    """Whether the newest load must have taken in the file, or have said why not."""
    return file in partition.settled or (file in ledger and ledger[file]["status"] != "missing")


def _partition_faults(partition: LandedPartition, ledger: dict[str, Row]) -> Iterator[tuple[str, str]]:
    for file in partition.files:
        if not _is_expected(file, partition, ledger):
            continue
        if file not in ledger:
            yield file, "lay in the landing when it was last listed, and is not in raw.files"
        elif ledger[file]["status"] not in ("loaded", "salvaged"):
            yield file, f"{ledger[file]['status']}: {ledger[file]['status_reason']}"
    known = [ledger[file] for file in partition.files if file in ledger]
    if partition.size_bytes and known and not any(row["lines"] or row["bytes_damaged"] for row in known):
        yield partition.files[0], "bytes have landed, but there is neither a row nor damage"
