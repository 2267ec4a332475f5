"""The simulator prints records as the bot does: fed with the values of a real record, it gives back its very bytes."""

import gzip
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from raw_loaders.simulate import plain_records, records
from raw_loaders.simulate.broker import Fill
from raw_loaders.simulate.clock import ist, ist_day, ist_second
from raw_loaders.simulate.gzip_write import OneMember, member_header, members
from raw_loaders.simulate.third_party import fill_line, fill_middle


def _us(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


def _bar_id_us(record: dict) -> int:
    """The scale of the envelope's bar_id: three exist in the real logs."""
    seconds = _us(record["ts_ist"]) // 1_000_000
    return next(scale for scale in (300, 3600, 43200) if seconds // scale == record["bar_id"]) * 1_000_000


def _bar_ms(record: dict) -> int:
    return int(record["event_id"].split(":")[0])


def _flat(record: dict) -> tuple[str, str]:
    tail = records.tail(_us(record["ts_ist"]), _bar_id_us(record))
    return records.head(record["run_id"], record["asset"]), tail


def _fill(r: dict) -> str:
    middle = fill_middle(r["ts"], r["asset"], r["address"], r["side"], r["price"], r["size"])
    return fill_line(r["run_id"], middle, _us(r["ts_ist"]))


def _equity(r: dict) -> str:
    head, tail = _flat(r)
    return records.pnl_equity(head, r["asset"], _bar_ms(r), r["pnl_total_usd"], tail)


def _overlay(r: dict) -> str:
    frames = tuple(r["individual_signals"])
    return records.overlay_status(r["run_id"], r["asset"], _bar_ms(r), r["bar_id"], frames, r["confidence"], _us(r["ts_ist"]))


def _ensemble(r: dict) -> str:
    head, tail = _flat(r)
    h8 = r["event_id"].split(":")[3]
    return records.ensemble(head, r["asset"], _bar_ms(r), h8, r["pred_stack_bps"] / 1e4, tail)


def _calibration_log(r: dict) -> str:
    head, tail = _flat(r)
    return records.calibration_log(head, r["pred_cal_bps"], tail)


def _market_ingest(r: dict) -> str:
    head, tail = _flat(r)
    wanted = f'"hour_bucket":{r["hour_bucket"]},"weekday":{r["weekday"]},'
    hour = _us(r["ts_ist"]) // 3_600_000_000
    opens = (earlier * 3_600_000 for earlier in range(hour, hour - 200, -1))  # the record does not say which bar it was
    bar_ms = next(ms for ms in opens if wanted in records.market_ingest(head, r["mid"], ms, r["range_bps"], tail))
    return records.market_ingest(head, r["mid"], bar_ms, r["range_bps"], tail)


def _kpi(r: dict) -> str:
    return records.kpi_scorecard(*_flat(r))


def _attribution_or_breakdown(r: dict) -> str:
    costs, us = r["costs"], _us(r["ts_ist"])
    if "pnl_attrib" in costs:
        part = costs["pnl_attrib"]
        return plain_records.costs_attribution(
            r["ts"], r["symbol"], costs["bar_id"], part["alpha"], part["fees"], part["impact"], us
        )
    text = json.dumps({key: value for key, value in costs.items() if key != "event_id"}, sort_keys=True)
    assert costs["event_id"].endswith(":" + records.h8(text))
    return json.dumps(r) + "\n"


PRINTERS: dict[str, Callable[[dict], str]] = {
    "*/logs/*/hyperliquid_fills/*/*/*.gz": _fill,
    "*/logs/*/pnl_equity_log/*/*/*.gz": _equity,
    "*/logs/*/overlay_status/*/*/*.gz": _overlay,
    "*/logs/*/ensemble_log/*/*/*.gz": _ensemble,
    "*/logs/calibration_log/*/*/*.gz": _calibration_log,
    "*/logs/market_ingest_log/*/*/*.gz": _market_ingest,
    "*/logs/kpi_scorecard/*/*/*.gz": _kpi,
    "*/logs/costs/costs.jsonl": _attribution_or_breakdown,
}


@pytest.mark.parametrize("pattern", PRINTERS)
def test_real_lines_are_reproduced_byte_by_byte(real_logs: Path, pattern: str) -> None:
    seen = 0
    for file in sorted(real_logs.glob(pattern)):
        content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        for line in content.decode().splitlines(keepends=True):
            assert PRINTERS[pattern](json.loads(line)) == line, file
            seen += 1
    assert seen > 20


def test_real_breakdowns_follow_from_quantity_and_price(real_logs: Path) -> None:
    checked = 0
    for bot in ("5m", "24h"):
        lines = (real_logs / bot / "logs/costs/costs.jsonl").read_text().splitlines(keepends=True)
        breakdowns = {line for line in lines if "trade_notional" in line}
        executions = []
        for file in sorted(real_logs.glob(f"{bot}/logs/{bot}/execution_log/*/*/*.gz")):
            executions += [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]
        for line in breakdowns:
            record = json.loads(line)
            us = _us(record["ts_ist"])
            before = [e for e in executions if 0 < us - _us(e["ts_ist"]) < 100_000]
            printed = [
                plain_records.costs_breakdown(
                    record["ts"], "BTCUSDT", Fill(0, 0, False, None), e["fill_qty"], e["fill_px"], record["costs"]["adv_ref"], us
                )
                for e in before
            ]  # fmt: skip
            assert line in printed
            checked += 1
    assert checked > 50


def test_clock_prints_as_isoformat_does() -> None:
    assert ist(1_763_709_374_451_642) == "2025-11-21T12:46:14.451642+05:30"
    assert ist(1_763_709_374_000_000) == "2025-11-21T12:46:14+05:30"
    assert ist_second(1_763_709_300_000) == "2025-11-21T12:45:00+05:30"
    # 18:30 UTC is IST midnight
    assert ist_day(1_763_749_800_000_000) == ist_day(1_763_749_799_999_999) + 1


def test_gzip_is_read_by_the_standard_library() -> None:
    lines = [f'{{"n":{number}}}\n'.encode() * (number + 1) for number in range(50)]
    header = member_header("x.jsonl")
    assert gzip.decompress(members(header, lines)) == b"".join(lines)
    assert members(header, lines).count(header) == 50
    whole = OneMember(header)
    assert gzip.decompress(b"".join([*map(whole.feed, lines), whole.finish()])) == b"".join(lines)
