"""Writes one partition as one Parquet file that describes itself, and reads such files back."""

import functools
import json
from dataclasses import dataclass
from pathlib import Path

import duckdb

from exports.archive.partitions import ASSET_OF_ROW, DATE_OF_ROW, ROW_DIGEST, PartitionKey
from exports.errors import CorruptArchiveError, SourceError

FORMAT = "1"
COLUMNS = """source_file, line_no, byte_offset, member_no, member_offset, record::varchar as record, key_hash,
    emitted_at, bar_open_at"""
_ROWS = "read_parquet(?, hive_partitioning = false)"
_KEY = "bandit_archive"
_ROW_GROUP = 122_880
# what does not change while a file without a date in its path grows on other days
_NOTED = ("source_file", "row_count", "digest", "is_gzip", "is_synthetic")
_LEVEL = 9  # beside level 3: a quarter smaller and still faster than the bot wrote


@functools.cache
def _memory() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


def reader() -> duckdb.DuckDBPyConnection:
    """A cursor to read Parquet files with, in one database in memory: opening one for each file costs more than reading it."""
    return _memory().cursor()


@dataclass(frozen=True)
class Content:
    """What a partition holds: rows, a digest over all of them, and per landing file its ledger row with rows and digest."""

    row_count: int
    digest: str
    files: tuple[dict[str, object], ...]


def _digest(files: list[dict[str, object]]) -> str:
    total = 0
    for file in files:
        total ^= int(file["digest"])
    return f"{total:032x}"


def _rows_of(key: PartitionKey) -> str:
    asset, date = key.asset.replace("'", "''"), key.date.replace("'", "''")
    return (
        f'select r.* from raw."{key.stream}" as r inner join raw.files as f using (source_file) '
        f"where {DATE_OF_ROW} = '{date}' and {ASSET_OF_ROW} = '{asset}'"
    )


def raw_content(connection: duckdb.DuckDBPyConnection, key: PartitionKey) -> Content:
    """What the raw table and the ledger say of a partition. Raises SourceError when they contradict each other."""
    cursor = connection.execute(
        f"""
        with counted as (
            select source_file, count(*)::bigint as row_count, {ROW_DIGEST} as digest from ({_rows_of(key)}) group by source_file
        )
        select source_file, row_count, digest, is_gzip, is_synthetic, size_bytes, mtime_ns, lines, accepted, rejected,
            bytes_damaged, min_lost_records, load_id, partition_date is not null as is_dated
        from counted inner join raw.files using (source_file)
        order by source_file
        """
    )
    names = [column[0] for column in cursor.description]
    files = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    for file in files:
        is_whole = file.pop("is_dated")
        if file["row_count"] > file["accepted"] or (is_whole and file["row_count"] != file["accepted"]):
            raise SourceError(
                f"The ledger says {file['accepted']} records for {file['source_file']}, the raw table has {file['row_count']}: "
                "load once with --reread, then archive again; the partition stays as it was."
            )
    return Content(sum(file["row_count"] for file in files), _digest(files), tuple(files))


def write_partition(connection: duckdb.DuckDBPyConnection, key: PartitionKey, content: Content, staged: Path) -> None:
    """Write the rows of `key`, sorted by file and line, `content` in the footer. The same rows give the same bytes."""
    stable = [{name: file[name] for name in _NOTED} for file in content.files]
    note = json.dumps({"format": FORMAT, "key": [key.stream, key.date, key.asset], "digest": content.digest, "files": stable})
    connection.execute(
        f"""
        copy (select {COLUMNS} from ({_rows_of(key)}) order by source_file, line_no)
        to '{_quoted(staged)}' (
            format parquet, compression zstd, compression_level {_LEVEL}, row_group_size {_ROW_GROUP},
            kv_metadata {{{_KEY}: '{note.replace("'", "''")}'}}
        )
        """
    )


def note_of(path: Path, name: str | None = None) -> Content:
    """What a Parquet file's footer says it holds. Raises CorruptArchiveError, with `name` or the path, if it says nothing."""
    with reader() as connection:
        try:
            value = connection.execute(
                "select value from parquet_kv_metadata(?) where key = ?", [str(path), _KEY.encode()]
            ).fetchone()
            note = json.loads(value[0])
            return Content(sum(file["row_count"] for file in note["files"]), note["digest"], tuple(note["files"]))
        except (duckdb.Error, TypeError, ValueError, KeyError) as error:
            raise CorruptArchiveError(
                f"{name or path} is no readable partition of the archive ({str(error).splitlines()[0]})."
            ) from error


def verify_partition(path: Path, expected: Content, name: str) -> None:
    """Read every row back and compare with `expected`, file by file. Raises CorruptArchiveError naming what differs."""
    with reader() as connection:
        try:
            rows = connection.execute(
                f"select source_file, count(*), {ROW_DIGEST} from {_ROWS} group by source_file",
                [str(path)],
            ).fetchall()
        except duckdb.Error as error:
            raise CorruptArchiveError(
                f"The archived partition {name} cannot be read ({str(error).splitlines()[0]}): it is written again by the next "
                "run as long as the warehouse has its rows."
            ) from error
    found = {file: (count, digest) for file, count, digest in rows}
    wanted = {file["source_file"]: (file["row_count"], str(file["digest"])) for file in expected.files}
    differing = sorted(file for file in wanted.keys() | found.keys() if wanted.get(file) != found.get(file))
    if differing:
        raise CorruptArchiveError(
            f"The archived partition {name} does not hold the records it should ({len(differing)} files differ, first "
            f"{differing[0]}): it is written again by the next run as long as the warehouse has its rows."
        )


def rows_lost_by(connection: duckdb.DuckDBPyConnection, key: PartitionKey, old: Path) -> int:
    """How many records the copy `old` has that the raw table lacks: replacing it would destroy them."""
    return connection.execute(
        f"""
        select count(*) from (
            select source_file, line_no, record from {_ROWS}
            except all select source_file, line_no, record::varchar from ({_rows_of(key)})
        )
        """,
        [str(old)],
    ).fetchone()[0]


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
