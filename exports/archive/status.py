"""What the archive holds, for people."""

from pathlib import Path

from exports.archive.partitions import PartitionKey, Selection, prepare_state
from exports.errors import SourceError
from raw_loaders.dictionary import load_dictionary
from raw_loaders.warehouse import open_warehouse


def archive_status(warehouse: Path, selection: Selection, *, lock_wait_s: float = 30.0) -> list[dict[str, object]]:
    """One dict per stream, tier and status: partitions, records, Parquet bytes, first and last date, reason of a fault.

    Raises SourceError when there is no warehouse, LoaderError when it cannot be opened.
    """
    if not warehouse.is_file():
        raise SourceError(f"There is no warehouse {warehouse}: load a landing into it first.")
    with open_warehouse(warehouse, load_dictionary(), lock_wait_s=lock_wait_s) as connection:
        prepare_state(connection)
        rows = connection.execute(
            """
            select stream, partition_date, partition_asset, tier, status, status_reason, row_count, size_bytes
            from ops.archive_partitions order by stream, tier, status, partition_date
            """
        ).fetchall()
    found: dict[tuple, dict[str, object]] = {}
    for stream, date, asset, tier, status, reason, records, size in rows:
        if selection.has(PartitionKey(stream, date, asset)):
            empty = {"partitions": 0, "records": 0, "bytes": 0, "first": date}
            line = found.setdefault((stream, tier, status), {"stream": stream, "tier": tier, "status": status} | empty)
            line["partitions"] += 1
            line["records"] += records
            line["bytes"] += size
            line["last"] = date
            line["reason"] = reason or ""
    return list(found.values())
