"""The gzip streams, record by record: text exactly as the bot's writer prints it (compact separators, its key order)."""

import hashlib
import json

from raw_loaders.simulate.clock import ist
from raw_loaders.simulate.settings import BAND_BPS, START_EQUITY_USD

_BAR_ID_US = 43_200_000_000


def h8(canonical: str) -> str:
    """The bot's event hash over a payload already printed with sorted keys and the default separators."""
    return hashlib.sha256(canonical.encode()).hexdigest()[:8]


def flag(value: bool) -> str:
    """A JSON boolean."""
    return "true" if value else "false"


def tail(us: int, bar_id_us: int = _BAR_ID_US) -> str:
    """End of every flat record: emission time, format version, and the id made of the emission time."""
    return f',"ts_ist":"{ist(us)}","schema_v":"1","bar_id":{us // bar_id_us}}}\n'


def head(run_id: str, asset: str) -> str:
    """Start of every flat record but overlay_status."""
    return f'{{"run_id":"{run_id}","asset":"{asset}"'


def ensemble(head: str, asset: str, bar_ms: int, ensemble_hash: str, s_model: float, tail: str) -> str:
    """One ensemble_log line."""
    return f'{head},"event_id":"{bar_ms}:{asset}:ensemble:{ensemble_hash}","pred_stack_bps":{round(1e4 * s_model, 1)}{tail}'


def calibration_log(head: str, pred_bps: float, tail: str) -> str:
    """One calibration_log line."""
    in_band = flag(abs(pred_bps) <= BAND_BPS)
    return f'{head},"a":0.0,"b":1.0,"pred_cal_bps":{pred_bps},"in_band_flag":{in_band},"band_bps":{BAND_BPS}{tail}'


def sizing_risk(head: str, s_model: float, position_after: float, overlay_conf: float, tail: str) -> str:
    """One sizing_risk_log line."""
    return (
        f'{head},"forecast_vol_20":null,"target_vol_ann":0.15,"raw_score_bps":{round(1e4 * s_model, 1)},'
        f'"position_after":{position_after},"notional_usd":null,"adv_cap_hit":false,"overlay_conf":{overlay_conf}{tail}'
    )


def pnl_equity(head: str, asset: str, bar_ms: int, pnl_usd: float, tail: str) -> str:
    """One pnl_equity_log line; `pnl_usd` is rounded to cents."""
    pnl = round(pnl_usd, 2) + 0.0
    equity = round(START_EQUITY_USD + pnl, 2)
    canonical = f'{{"asset": "{asset}", "equity_value": {equity}, "pnl_total_usd": {pnl}, "realized_return_bps": 0.0}}'
    return (
        f'{head},"pnl_total_usd":{pnl},"equity_value":{equity},"realized_return_bps":0.0,'
        f'"event_id":"{bar_ms}:{asset}:equity:{h8(canonical)}"{tail}'
    )


def overlay_status(run_id: str, asset: str, bar_ms: int, counter: int, frames: tuple[str, ...], conf: float, us: int) -> str:
    """One overlay_status line; the nested signals are always zero in this stream."""
    rule = "agreement" if len(frames) > 1 else "fallback"
    chosen = list(frames) if len(frames) > 1 else []
    payload = {
        "bar_id": counter,
        "confidence": conf,
        "alignment_rule": rule,
        "chosen_timeframes": chosen,
        "individual_signals": {frame: {"dir": 0, "alpha": 0.0, "conf": 0.0} for frame in frames},
        "asset": asset,
    }
    event_id = f"{bar_ms}:{asset}:overlay_status:{h8(json.dumps(payload, sort_keys=True))}"
    record = {"run_id": run_id, **payload, "event_id": event_id, "ts_ist": ist(us), "schema_v": "1"}
    return json.dumps(record, separators=(",", ":")) + "\n"


def execution(
    head: str, asset: str, bar_ms: int, counter: int, side: str, px: float, qty: float, decided_us: int, tail: str
) -> tuple[str, str]:
    """One execution_log line and its event id."""
    decided = ist(decided_us)
    event_id = f"{bar_ms}:{asset}:executions:{h8(f'{side}|{px}|{qty}|{counter}')}"
    line = (
        f'{head},"event_id":"{event_id}","decision_time_ist":"{decided}","exec_time_ist":"{decided}",'
        f'"bar_id_exec":{counter},"side":"{side}","order_type":"MARKET","limit_px":null,"fill_px":{px},"fill_qty":{qty},'
        f'"slip_bps":null,"router":"BINANCE","rejections":0,"ioc_ms":null{tail}'
    )
    return line, event_id


def kpi_scorecard(head: str, tail: str) -> str:
    """One kpi_scorecard line: constant but for its envelope."""
    return (
        f'{head},"event":"kpi_scorecard","Sharpe_1w":null,"max_DD_pct":0.0,"turnover_bps_day":null,"in_band_share":0.0,'
        f'"gates":{{"sharpe_pass":false,"dd_pass":true,"turnover_pass":false,"cost_pass":null}}{tail}'
    )


def market_ingest(head: str, mid: float, bar_ms: int, range_bps: float, tail: str) -> str:
    """One market_ingest_log line; hour and weekday are those of the bar's open in IST."""
    hours = (bar_ms + 19_800_000) // 3_600_000
    weekday = (hours // 24 + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0
    return f'{head},"mid":{mid},"spread_bps":null,"hour_bucket":{hours % 24},"weekday":{weekday},"range_bps":{range_bps}{tail}'
