"""Damaged files: every whole record is loaded, every damaged byte and refused line is a row."""

import random
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.process import measure, python
from raw_loaders.load import load_landing
from raw_tables import FILLS, SIGNALS, assert_reconciled, fill, line, member, put


def load(landing: Path, data: bytes, source_file: str = FILLS) -> duckdb.DuckDBPyConnection:
    """Load one file and open the result."""
    put(landing, source_file, data)
    warehouse = landing.parent / "w.duckdb"
    load_landing(landing, warehouse)
    assert_reconciled(warehouse)
    return duckdb.connect(str(warehouse), read_only=True)


def damages(connection: duckdb.DuckDBPyConnection) -> list[tuple]:
    return connection.execute(
        "select byte_start, byte_end, reason, min_lost_records from raw.damaged_ranges order by byte_start"
    ).fetchall()


def rejects(connection: duckdb.DuckDBPyConnection) -> list[tuple]:
    return connection.execute("select line_no, reason, detail from raw.rejected_lines order by line_no").fetchall()


def loaded_ids(connection: duckdb.DuckDBPyConnection) -> list[int]:
    rows = connection.execute("select (record->>'ts')::bigint from raw.hyperliquid_fills order by line_no").fetchall()
    return [row[0] - 1763683200000 for row in rows]


MEMBERS = [member(line(fill(i))) for i in range(40)]


def offset_of(index: int) -> int:
    return sum(map(len, MEMBERS[:index]))


@pytest.mark.parametrize("stray", [b"}", b"\n}", b"abc", b"\x1f\x8b\x08", b"\x1f\x8b\x08\x00\x01\x02"])
def test_stray_bytes_between_members(tmp_path: Path, stray: bytes) -> None:
    data = b"".join(MEMBERS[:20]) + stray + b"".join(MEMBERS[20:])
    connection = load(tmp_path / "l", data)
    assert loaded_ids(connection) == list(range(40))
    (found,) = damages(connection)
    assert found[:2] == (offset_of(20), offset_of(20) + len(stray))
    assert found[3] >= 1
    if not stray.startswith(b"\x1f\x8b\x08"):  # those look like a broken member, which is as true
        assert found[2] == "stray_bytes"


def test_truncated_last_member_then_completed(tmp_path: Path) -> None:
    data = b"".join(MEMBERS)
    connection = load(tmp_path / "l", data[:-7])
    assert loaded_ids(connection)[:39] == list(range(39))
    assert damages(connection) == [(offset_of(39), len(data) - 7, "truncated_member", 1)]
    connection.close()
    connection = load(tmp_path / "l", data)  # the writer comes back and finishes it
    assert loaded_ids(connection) == list(range(40))
    assert damages(connection) == []


def test_member_with_wrong_checksum_is_refused_line_by_line(tmp_path: Path) -> None:
    broken = bytearray(member(line(fill(7)) + line(fill(8))))
    broken[-8] ^= 1
    data = b"".join(MEMBERS[:7]) + bytes(broken) + b"".join(MEMBERS[9:])
    connection = load(tmp_path / "l", data)
    assert loaded_ids(connection) == [*range(7), *range(9, 40)]
    assert rejects(connection) == [(8, "crc_mismatch", None), (9, "crc_mismatch", None)]
    assert damages(connection) == [(offset_of(7), offset_of(7) + len(broken), "crc_mismatch", 2)]


def test_long_member_with_wrong_checksum(tmp_path: Path) -> None:
    """The checksum is known only at the end of a member of many pieces: none of its lines may stay loaded."""
    rng = random.Random(5)
    long = bytearray(member(b"".join(line(fill(i, address=f"0x{rng.getrandbits(4000):x}")) for i in range(6000))))
    long[-6] ^= 1
    connection = load(tmp_path / "l", MEMBERS[0] + bytes(long) + MEMBERS[1])
    assert loaded_ids(connection) == [0, 1]
    assert connection.execute("select count(*), count(distinct line_no) from raw.rejected_lines").fetchone() == (6000, 6000)
    assert damages(connection) == [(len(MEMBERS[0]), len(MEMBERS[0]) + len(long), "crc_mismatch", 6000)]


def test_broken_data_inside_a_long_member_keeps_what_came_before(tmp_path: Path) -> None:
    rng = random.Random(3)
    lines = [line(fill(i, address=f"0x{rng.getrandbits(160):040x}")) for i in range(20_000)]
    data = bytearray(member(b"".join(lines)))
    at = len(data) // 2
    data[at : at + 64] = rng.randbytes(64)
    connection = load(tmp_path / "l", bytes(data) + MEMBERS[0])
    ids = loaded_ids(connection)
    assert len(ids) > 8000
    assert ids[:-1] == list(range(len(ids) - 1)), "a prefix of the member, then the member behind it"
    assert ids[-1] == 0
    (found,) = damages(connection)
    assert found[:2] == (0, len(data))
    assert found[2] in ("corrupt_member", "crc_mismatch")  # random bytes may or may not break the code itself
    assert found[3] >= 1


def test_no_gzip_at_all_and_empty_file(tmp_path: Path) -> None:
    connection = load(tmp_path / "l", b"this is no gzip file at all\n" * 9)
    assert damages(connection) == [(0, 252, "not_gzip", 1)]
    connection.close()
    connection = load(tmp_path / "l", b"")
    assert damages(connection) == []
    assert loaded_ids(connection) == []


def test_lines_that_are_no_records(tmp_path: Path) -> None:
    signal = {
        "ts": 1,
        "symbol": "B",
        "features": [],
        "model_out": {},
        "decision": {},
        "cohort": {},
        "ts_ist": "2025-11-21T12:00:00+05:30",
    }
    lines = [
        line(signal),
        b"{broken\n",
        b"[1, 2]\n",
        line({key: value for key, value in signal.items() if key != "decision"}),
        line(signal | {"symbol": "a\u0000b"}).replace(b"\\u0000", b"\0"),
        line(signal | {"symbol": "x"}).replace(b'"x"', b'"\xff"'),
        b"   \n",
        line(signal | {"ts_ist": "2025-11-21T12:00:00"}),
        line(signal | {"ts": "soon"}),
        line(signal | {"symbol": "Zürich"}).replace(b"\\u00fc", "ü".encode()),
        line(signal | {"later_idea": 1}),
        b'{"ts": 1, "symbol": "B", "fea',
    ]
    connection = load(tmp_path / "l", b"".join(lines), SIGNALS)
    assert rejects(connection) == [
        (2, "invalid_json", None),
        (3, "not_an_object", "it is array"),
        (4, "missing_key", "decision"),
        (5, "nul_byte", None),
        (6, "invalid_utf8", None),
        (7, "blank_line", None),
        (8, "bad_clock", "ts_ist = 2025-11-21T12:00:00"),
        (9, "wrong_type", "ts is no integer"),
        (12, "incomplete_line", None),
    ]
    assert connection.execute("select line_no, byte_offset, record from raw.signals order by line_no").fetchall() == [
        (n, sum(map(len, lines[: n - 1])), lines[n - 1].decode().rstrip("\n")) for n in (1, 10, 11)
    ]
    assert connection.execute("select key, first_line_no, records from raw.unknown_keys").fetchall() == [("later_idea", 11, 1)]
    texts = dict(connection.execute("select line_no, text from raw.rejected_lines").fetchall())
    assert texts[5].count("a\\x00b") == 1
    assert texts[6].count("\\xff") == 1


@pytest.mark.long
def test_a_line_of_100_mb_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    landing = tmp_path / "l"
    put(landing, FILLS, MEMBERS[0] + member(b'{"x":"' + b"y" * (100 << 20) + b'"}\n') + MEMBERS[1])
    command = python("-m", "raw_loaders", "load", "--landing", landing, "--warehouse", tmp_path / "w.duckdb")
    # not by what the system counted for it: that begins with what this process holds, which is what it was forked from
    assert measure(command).peak_bytes < 600_000_000
    connection = duckdb.connect(str(tmp_path / "w.duckdb"), read_only=True)
    assert loaded_ids(connection) == [0, 1]
    assert connection.execute("select line_no, reason, text_bytes, strlen(text) from raw.rejected_lines").fetchall() == [
        (2, "line_too_long", (100 << 20) + 8, 64 << 10)
    ]


@pytest.mark.long
def test_wide_lines_are_loaded_with_more_memory(tmp_path: Path) -> None:
    """120 lines of a megabyte each overflow the usual memory limit of the database; they are whole records all the same."""
    data = member(b"".join(line(fill(i, address="x" * (1 << 20))) for i in range(120)))
    with load(tmp_path / "l", data) as connection:
        assert loaded_ids(connection) == list(range(120))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_damage_leaves_the_other_members_whole(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Overwrite, insert or cut bytes anywhere: members that were not touched are all loaded, and the books balance."""
    blob = bytearray(b"".join(MEMBERS))
    start = data.draw(st.integers(0, len(blob) - 1))
    length = data.draw(st.integers(1, 600))
    kind = data.draw(st.sampled_from(["overwrite", "insert", "cut", "truncate"]))
    noise = data.draw(st.binary(min_size=length, max_size=length))
    end = min(start + length, len(blob))
    touched = set(range(40))
    if kind == "truncate":
        end = len(blob)
        del blob[start:]
    elif kind == "cut":
        del blob[start:end]
    elif kind == "insert":
        blob[start:start] = noise
        end = start + 1
    else:
        blob[start:end] = noise[: end - start]
    touched = {i for i in range(40) if offset_of(i) < end and offset_of(i + 1) > start}
    landing = tmp_path_factory.mktemp("damage") / "l"
    with load(landing, bytes(blob)) as connection:
        ids = loaded_ids(connection)
    assert len(ids) == len(set(ids))
    assert set(range(40)) - touched <= set(ids)
    assert set(ids) <= set(range(40))
