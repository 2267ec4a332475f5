"""Raw tables, one asset per stream, partitioned by IST hour of emission.

Materialising any hour takes in everything that has landed and was not read yet, wherever it belongs (files come late). After
that an hour is shown as materialised when rows of it are loaded, whichever hours were asked for.
"""

from collections.abc import Iterator

import dagster as dg

from dagster_project import queries
from dagster_project.assets.announcements import note_loads, tell_queued, tell_staged
from dagster_project.assets.keys import landing_key, raw_key
from dagster_project.dbt_start import start_ahead
from dagster_project.landing import check_warehouse_is_there
from dagster_project.partitions import Window, hourly, window_of
from dagster_project.queries import Row
from dagster_project.resources import WRITER_POOL, Warehouse
from dagster_project.schedules import HOURLY_JOB
from dagster_project.settings import Settings
from raw_loaders.dictionary import Dictionary
from raw_loaders.errors import LoaderError
from raw_loaders.load import LoadReport, load_landing


def raw_assets(settings: Settings, dictionary: Dictionary) -> dg.AssetsDefinition:
    """All raw tables as one operation: the landing is walked once for all streams."""
    partitions = hourly(settings.partitions_start)

    @dg.multi_asset(
        name="load_raw",
        specs=[_spec(dictionary, stream, partitions) for stream in dictionary.streams],
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=WRITER_POOL,
    )
    def load_raw(
        context: dg.AssetExecutionContext, warehouse: Warehouse
    ) -> Iterator[dg.MaterializeResult | dg.AssetMaterialization]:
        if context.job_def.name == HOURLY_JOB:
            start_ahead(settings.parsed_project)  # it comes after the load
        window = window_of(context)
        streams = sorted(key.path[-1] for key in context.selected_asset_keys)
        report = _load(context, settings, streams if len(streams) < len(dictionary.streams) else None)
        with warehouse.connect() as con:
            totals = queries.file_totals(con)
            in_window = queries.rows_in_window(con, queries.clocked(dictionary, streams), window)
            note_loads(con, dictionary, window, streams)
        for stream in streams:
            metadata = _metadata(stream, window, report, totals.get(stream), in_window.get(stream))
            yield dg.MaterializeResult(asset_key=raw_key(stream), metadata=metadata)
        # what was launched is green by now, as what comes after asks for it: now to what the ledger says
        with warehouse.connect() as con:
            keys = partitions.get_partition_keys()
            told = yield from tell_queued(context, con, dictionary, keys, settings.announcement_limit)
            # only withdraws: what these streams hold is told when dbt has staged it (loaded_hours.py)
            told += yield from tell_staged(context, con, dictionary, keys, limit=0)
        context.log.info(f"Hours of streams: {told.reported} reported, {told.withdrawn} withdrawn, {told.waiting} wait.")

    return load_raw


def _spec(dictionary: Dictionary, stream: str, partitions: dg.HourlyPartitionsDefinition) -> dg.AssetSpec:
    return dg.AssetSpec(
        raw_key(stream),
        deps=[landing_key(stream)],
        group_name="raw",
        description=f"{dictionary.streams[stream].grain}. Each record whole, as JSON, with file, line and byte offset.",
        partitions_def=partitions,
        kinds={"duckdb", "python"},
        metadata={"dagster/table_name": f"raw.{stream}"},
    )


def _load(context: dg.AssetExecutionContext, settings: Settings, streams: list[str] | None) -> LoadReport:
    """Take in what has landed. Expected faults fail the step with their sentence, and are not tried again."""
    try:
        check_warehouse_is_there(settings)
        report = load_landing(
            settings.landing,
            settings.warehouse,
            streams=streams,
            progress=settings.progress,
            lock_wait_s=settings.lock_wait_s,
        )
    except LoaderError as error:
        raise dg.Failure(str(error), metadata={"exit_code": error.exit_code}, allow_retries=False) from error
    for file, reason in report.unreadable.items():
        # everything readable is in; the checks of the raw layer fail for this file and stop what comes after
        context.log.error(f"{file} could not be read: {reason}.")
    return report


def _metadata(stream: str, window: Window, report: LoadReport, total: Row | None, found: Row | None) -> Row:
    """What the hour holds, what this load read, what the table holds in all. Numbers are plotted by the UI."""
    read = [file for file in report.files_read if file.stream == stream]
    metadata: Row = {
        "window": window.describe(),
        "load_id": report.load_id,
        "files_read": len(read),
        "lines_read": sum(file.lines for file in read),
        "accepted_read": sum(file.accepted for file in read),
        "rejected_read": sum(file.rejected for file in read),
        "bytes_read": sum(file.bytes_read for file in read),
        "bytes_damaged_read": sum(file.bytes_damaged for file in read),
    }
    if found:
        # Dagster copies the metadata of a range to each of its hours, so only a single hour may claim the standard name
        name = "dagster/partition_row_count" if window.is_one_hour else "rows_in_window"
        metadata |= {name: found["row_count"], "files_in_window": found["files"]}
        if not found["row_count"]:
            metadata["window_note"] = "No record of this window has landed so far."
    else:
        metadata["window_note"] = "The records carry no emission time; staging attributes one from the bot's burst."
    for name in ("files", "lines", "accepted", "rejected", "bytes_damaged", "min_lost_records"):
        metadata[f"{name}_total"] = total[name] if total else 0
    metadata["dagster/row_count"] = metadata["accepted_total"]
    return metadata
