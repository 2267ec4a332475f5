"""Reports keys in the records that the stream dictionary does not know. The records keep them; nothing is refused."""

import duckdb

from raw_loaders.dictionary import Stream


def note_unknown_keys(
    connection: duckdb.DuckDBPyConnection,
    stream: Stream,
    source_file: str,
    load_id: str,
    *,
    after_line: int,
    recount: bool,
) -> None:
    """Bring raw.unknown_keys up to date with the rows of `source_file` behind line `after_line` (`recount`: with all its rows).

    Rows with the same keys share key_hash, so one row of each shape is looked at.
    """
    if recount:
        connection.execute("delete from raw.unknown_keys where source_file = ?", [source_file])
        after_line = 0
    shapes = connection.execute(
        f'select min(line_no), count(*) from raw."{stream.name}" where source_file = ? and line_no > ? group by key_hash',
        [source_file, after_line],
    ).fetchall()
    found: dict[str, tuple[int, int]] = {}
    for first_line, records in shapes:
        keys = connection.execute(
            f'select json_keys(record) from raw."{stream.name}" where source_file = ? and line_no = ?',
            [source_file, first_line],
        ).fetchone()[0]
        for key in set(keys) - stream.known_keys:
            first, count = found.get(key, (first_line, 0))
            found[key] = (min(first, first_line), count + records)
    for key, (first_line, records) in sorted(found.items()):
        updated = connection.execute(
            "update raw.unknown_keys set records = records + ? where source_file = ? and key = ?",
            [records, source_file, key],
        ).fetchone()[0]
        if not updated:
            connection.execute(
                "insert into raw.unknown_keys values (?, ?, ?, ?, ?, ?)",
                [stream.name, source_file, key, first_line, records, load_id],
            )
