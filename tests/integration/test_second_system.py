"""The optional streams of the second system: a closed format, refused with the reason, and nothing where they are absent."""

import json
from pathlib import Path

import duckdb
import pytest

from raw_loaders.dictionary import load_dictionary
from raw_loaders.load import load_landing
from raw_loaders.simulate.__main__ import main as simulate
from raw_loaders.simulate.second_system import GATES, STREAMS
from raw_tables import SIGNALS, fill, line, member, put

SIGNAL = "second_system/signal/date=2025-11-21/asset=BTCUSDT/signal.jsonl.gz"
FILLS = "5m/logs/5m/hyperliquid_fills/date=2025-11-21/asset=BTCUSDT/hyperliquid_fills.jsonl.gz"


def signal(**changes: object) -> dict[str, object]:
    """A record of the stream signal; a value of ... leaves the key out."""
    record = {
        "event_version": 1, "event_id": "e1", "timestamp": "2025-11-21T10:00:00.5+05:30", "source": "hamilton",
        "priority": "normal", "signal_id": "s1", "symbol": "BTCUSDT", "mode": "scalp", "side": "BUY", "price": 85000.5,
        "decision_timestamp": "2025-11-21T10:00:00+05:30", "label_cutoff_timestamp": "2025-11-21T10:00:00+05:30",
    }  # fmt: skip
    return {key: value for key, value in (record | changes).items() if value is not ...}


BAD = {
    "label_before_decision": {"label_cutoff_timestamp": "2025-11-21T09:59:59.999999+05:30"},
    "unsupported_version": {"event_version": 2},
    "unknown_key": {"future_return_bps": 12.5},
    "value_not_allowed": {"side": "LONG"},
    "missing_key": {"signal_id": ...},
    "wrong_type": {"price": "dear"},
    "bad_clock": {"decision_timestamp": "yesterday"},
}


def rejected(warehouse: Path) -> dict[int, str]:
    with duckdb.connect(str(warehouse), read_only=True) as con:
        return dict(con.execute("select line_no, reason from raw.rejected_lines where stream = 'signal'").fetchall())


def test_each_breach_of_the_format_is_a_reject_with_its_reason(tmp_path: Path) -> None:
    records = [signal(), *(signal(**changes) for changes in BAD.values()), signal(confidence=0.6)]
    put(tmp_path / "landing", SIGNAL, member(b"".join(map(line, records))))
    load_landing(tmp_path / "landing", tmp_path / "w.duckdb")
    assert rejected(tmp_path / "w.duckdb") == dict(enumerate(BAD, start=2))
    with duckdb.connect(str(tmp_path / "w.duckdb"), read_only=True) as con:
        assert con.execute("select line_no from raw.signal order by 1").fetchall() == [(1,), (len(records),)]
        assert con.execute("select count(*) from raw.unknown_keys").fetchone() == (0,)


@pytest.mark.parametrize("offset", ["+05:30", "Z", "+00:00"])
def test_a_label_at_the_decision_is_allowed_whatever_the_zone(tmp_path: Path, offset: str) -> None:
    same = {"Z": "2025-11-21T04:30:00Z", "+00:00": "2025-11-21T04:30:00+00:00", "+05:30": "2025-11-21T10:00:00+05:30"}
    put(tmp_path / "landing", SIGNAL, member(line(signal(label_cutoff_timestamp=same[offset]))))
    load_landing(tmp_path / "landing", tmp_path / "w.duckdb")
    assert rejected(tmp_path / "w.duckdb") == {}


def test_streams_of_the_bots_stay_open(tmp_path: Path) -> None:
    put(tmp_path / "landing", FILLS, member(line(fill(1, new_key="kept"))))
    load_landing(tmp_path / "landing", tmp_path / "w.duckdb")
    with duckdb.connect(str(tmp_path / "w.duckdb"), read_only=True) as con:
        assert con.execute("select key from raw.unknown_keys").fetchall() == [("new_key",)]
        # and the optional tables are there, empty
        for stream in STREAMS:
            assert con.execute(f'select count(*) from raw."{stream}"').fetchone() == (0,)


def test_the_dictionary_knows_the_seven_streams_as_optional() -> None:
    dictionary = load_dictionary()
    assert {name for name, stream in dictionary.streams.items() if stream.is_optional} == set(STREAMS)
    assert not set(STREAMS) & set(dictionary.bot_streams)
    assert all(dictionary.streams[name].strict for name in STREAMS)
    assert Path(SIGNALS).stem == "signals" in dictionary.bot_streams


def test_the_simulator_writes_them_only_when_asked_and_tells_the_truth(tmp_path: Path) -> None:
    common = ["--days", "2", "--runs", "1", "--third-party-fills", "50", "--seed", "3"]
    assert simulate(["--out", str(tmp_path / "without"), *common]) == 0
    assert not (tmp_path / "without" / "second_system").exists()
    assert "second_system" not in json.loads((tmp_path / "without.manifest.json").read_text())
    assert simulate(["--out", str(tmp_path / "with"), *common, "--second-system"]) == 0
    truth = json.loads((tmp_path / "with.manifest.json").read_text())["second_system"]
    load_landing(tmp_path / "with", tmp_path / "w.duckdb")
    with duckdb.connect(str(tmp_path / "w.duckdb"), read_only=True) as con:
        assert con.execute("select count(*) from raw.rejected_lines").fetchone() == (0,)
        found = {stream: con.execute(f'select count(*) from raw."{stream}"').fetchone()[0] for stream in STREAMS}
    assert found == {
        "signal": truth["signals"],
        "gate_decision": truth["signals"] * len(GATES),
        "trade_exec": 2 * len(truth["trades"]),
        "trade_close": len(truth["trades"]),
        "model_update": len(truth["models"]),
        "gate_adjustment": len(truth["adjustments"]),
        "error": truth["errors"],
    }
    assert found["trade_close"] and found["model_update"]
