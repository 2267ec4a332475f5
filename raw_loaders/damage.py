"""Which lines of a damaged gzip member may be believed."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import duckdb

from raw_loaders.blocks import Damage
from raw_loaders.lines import DamagedLines


@dataclass(slots=True)
class Verdicts:
    """The damages to record, the line ranges (first, last, reason) to refuse, and how many accepted rows were taken back."""

    damages: list[Damage] = field(default_factory=list)
    refused: list[tuple[int, int, str]] = field(default_factory=list)
    taken_back: int = 0


def judge_damages(
    connection: duckdb.DuckDBPyConnection, stream: str, source_file: str, damaged: Sequence[DamagedLines]
) -> Verdicts:
    """Take back accepted rows of `source_file` that a failed member cannot vouch for.

    A truncated member vouches for all its whole lines: only its end is missing. A member whose data or checksum are wrong vouches
    for the lines before the first one that is visibly broken; when the checksum is wrong and no line looks broken, for none.
    """
    verdicts = Verdicts()
    for lines in damaged:
        damage = lines.damage
        if damage.reason in ("crc_mismatch", "corrupt_member") and lines.last >= lines.first:
            first_broken = _first_not_accepted(connection, stream, source_file, lines)
            if first_broken is None and damage.reason == "crc_mismatch":
                first_broken = lines.first
            if first_broken is not None:
                verdicts.refused.append((first_broken, lines.last, damage.reason))
                verdicts.taken_back += connection.execute(
                    f'delete from raw."{stream}" where source_file = ? and line_no between ? and ?',
                    [source_file, first_broken, lines.last],
                ).fetchone()[0]
                damage = replace(damage, min_lost_records=max(damage.min_lost_records, 1))
                if damage.reason == "crc_mismatch":
                    damage = replace(damage, min_lost_records=lines.last - first_broken + 1)
        verdicts.damages.append(damage)
    return verdicts


def _first_not_accepted(connection: duckdb.DuckDBPyConnection, stream: str, source_file: str, lines: DamagedLines) -> int | None:
    return connection.execute(
        f"""
        select min(n) from range($first, $last + 1) as line(n)
        anti join (select line_no from raw."{stream}" where source_file = $file and line_no between $first and $last) as r
            on r.line_no = n
        """,
        {"first": lines.first, "last": lines.last, "file": source_file},
    ).fetchone()[0]
