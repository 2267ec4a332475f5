"""The plain streams, record by record: Python's default JSON separators and the bot's key order."""

from raw_loaders.simulate.broker import Fill
from raw_loaders.simulate.clock import ist, ist_second
from raw_loaders.simulate.market import FeatureRow
from raw_loaders.simulate.model import Prediction, is_model_eligible, is_pros_eligible
from raw_loaders.simulate.records import flag, h8
from raw_loaders.simulate.releases import TRAIN_END, TRAIN_START, Release
from raw_loaders.simulate.settings import BAND_BPS, FEE_BPS, IMPACT_K, Bot


def feature_log(bar_ms: int, counter: int, asset: str, features: FeatureRow, funding: float) -> str:
    """One feature_log line."""
    return (
        f'{{"ts_ist": "{ist_second(bar_ms)}", "bar_id": {counter}, "asset": "{asset}", '
        f"{features.log_head}{funding}{features.log_tail}\n"
    )


def calibration(bar_ms: int, counter: int, asset: str, pred_bps: float, band_hit_rate: float) -> str:
    """One calibration line."""
    return (
        f'{{"ts_ist": "{ist_second(bar_ms)}", "bar_id": {counter}, "asset": "{asset}", "a": 0.0, "b": 1.0, '
        f'"pred_raw_bps": {pred_bps}, "pred_cal_bps": {pred_bps}, "in_band_flag": {flag(abs(pred_bps) <= BAND_BPS)}, '
        f'"band_bps": {BAND_BPS}, "realized_bps": 0.0, "prediction_error": {abs(pred_bps)}, "calibration_score": 0.0, '
        f'"band_hit_rate": {band_hit_rate}, "prediction_accuracy": 0.0}}\n'
    )


def order_intent(bar_ms: int, counter: int, asset: str, prediction: Prediction, volume: float) -> str:
    """One order_intent line: the decision before guards and forced trades."""
    side = ("SELL", "HOLD", "BUY")[prediction.direction + 1]
    alpha = prediction.alpha
    return (
        f'{{"ts_ist": "{ist_second(bar_ms)}", "bar_id_decision": {counter}, "asset": "{asset}", "side": "{side}", '
        f'"intent_qty": {alpha}, "intent_notional": 0.0, "reason_codes": {{"threshold": {flag(alpha >= 0.12)}, '
        f'"band": {flag(abs(prediction.s_model) >= 0.12)}, "spread_guard": true, "volatility_ok": false, '
        f'"liquidity_ok": {flag(volume >= 100)}, "risk_ok": true}}, "signal_strength": {alpha}, "model_confidence": 0.0, '
        f'"risk_score": 0.0, "market_conditions": {{"spread_bps": 0.0, "volatility": 0.0, "volume": {volume}, '
        f'"funding_rate": 0.0}}}}\n'
    )


def signals(
    bar_ms: int,
    asset: str,
    bot: Bot,
    features: FeatureRow,
    prediction: Prediction,
    direction: int,
    alpha: float,
    extra: str,
    counter: int,
    us: int,
) -> str:
    """One signals line; `extra` is what guards, overlay and exit rules add to decision.details."""
    p = prediction
    s = p.s_model
    model_ok = flag(is_model_eligible(bot, p))
    eligible = (
        f'"eligible": {{"pros": {flag(is_pros_eligible(p))}, "amateurs": false, '
        f'"model_meta": {model_ok}, "model_bma": {model_ok}}}'
    )
    arms = f'"signals": {{"S_top": {p.pros}, "S_bot": 0.0, "S_mood": {-p.mood}, "S_model_meta": {-s}, "S_model_bma": {-s}}}'
    if p.chosen is None:
        choice = f'"chosen": null, {eligible}, {arms}'
    else:
        choice = f'"chosen": "{p.chosen}", "raw_val": {p.raw_val}, {arms}, {eligible}'
    weights = '"bma_w_base": 1.0, "bma_w_prob": 0.0' if counter < 10 else '"bma_w_base": 0.5, "bma_w_prob": 0.5'
    return (
        f'{{"ts": {bar_ms}, "symbol": "{asset}", "features": [{features.head}, {p.funding}, 0.0, {p.pros}, {p.pros}, 0.0], '
        f'"model_out": {{"p_down": {p.p_down}, "p_neutral": {p.p_neutral}, "p_up": {p.p_up}, "s_model": {s}, "a": 0.0, '
        f'"b": 1.0}}, "decision": {{"dir": {direction}, "alpha": {alpha}, "details": {{{choice}, "model_source": "bma", '
        f'{weights}, "pred_bma_bps": {1e4 * s}{extra}}}}}, "cohort": {{"pros": {p.pros}, "amateurs": 0.0, '
        f'"mood": {p.mood}}}, "ts_ist": "{ist(us)}"}}\n'
    )


def overlay_details(frames: tuple[str, ...], confidences: tuple[float, ...], conf: float, direction: int, alpha: float) -> str:
    """decision.details.overlay of the bots that have one."""
    rule, chosen = ("agreement", '"5m", "15m"') if len(frames) > 1 else ("fallback", "")
    individual = ", ".join(
        f'"{frame}": {{"direction": {direction}, "alpha": {alpha}, "confidence": {confidence}}}'
        for frame, confidence in zip(frames, confidences, strict=True)
    )
    return (
        f', "overlay": {{"enabled": true, "confidence": {conf}, "chosen_timeframes": [{chosen}], "alignment_rule": "{rule}", '
        f'"individual_signals": {{{individual}}}}}'
    )


def guard_details(token: str | None, pred_bps: float) -> str:
    """What a guard leaves in decision.details."""
    if token is None:
        return ""
    if token == "calibration_band_gate":
        return f', "mode": "{token}", "pred_cal_bps": {pred_bps}, "band_bps": {BAND_BPS}'
    return f', "mode": "{token}"'


def costs_attribution(
    bar_ms: int, asset: str, counter: int, alpha_usd: float, fees_usd: float, impact_usd: float, us: int
) -> str:
    """The costs line before an execution: cumulative since the start of the run, costs added with a plus as the bot does."""
    timing = alpha_usd * 0.1
    total = alpha_usd + timing + fees_usd + impact_usd
    bar = ist_second(bar_ms)
    canonical = (
        f'{{"asset": "{asset}", "bar_id": {counter}, "pnl_attrib": {{"alpha": {alpha_usd}, "fees": {fees_usd}, '
        f'"impact": {impact_usd}, "timing": {timing}, "total": {total}}}, "ts_ist": "{bar}"}}'
    )
    return (
        f'{{"ts": {bar_ms}, "symbol": "{asset}", "costs": {{"ts_ist": "{bar}", "asset": "{asset}", "bar_id": {counter}, '
        f'"pnl_attrib": {{"alpha": {alpha_usd}, "timing": {timing}, "fees": {fees_usd}, "impact": {impact_usd}, '
        f'"total": {total}}}, "event_id": "{bar_ms}:{asset}:costs:{h8(canonical)}"}}, "ts_ist": "{ist(us)}"}}\n'
    )


def costs_breakdown(bar_ms: int, asset: str, fill: Fill, qty: float, px: float, adv_usd: float, us: int) -> str:
    """The costs line after an execution; notes the logged fee and impact in `fill`."""
    notional = qty * px
    fee = notional * FEE_BPS / 1e4
    impact = IMPACT_K * qty * qty * px
    impact_bps = IMPACT_K * qty * 1e4
    fill.fee_usd_logged, fill.impact_usd_logged = round(fee, 2), round(impact, 2)
    adv = round(adv_usd, 2)
    cost, cost_bps = round(fee + impact, 2), round(FEE_BPS + impact_bps, 1)
    impact_bps, notional = round(impact_bps, 1), round(notional, 2)
    canonical = (
        f'{{"adv_ref": {adv}, "cost_bps_total": {cost_bps}, "cost_usd": {cost}, "fee_bps": {FEE_BPS}, '
        f'"fee_usd": {fill.fee_usd_logged}, "impact_bps": {impact_bps}, "impact_k": {IMPACT_K}, '
        f'"impact_usd": {fill.impact_usd_logged}, "slip_bps": null, "slip_usd": null, "trade_notional": {notional}}}'
    )
    return (
        f'{{"ts": {bar_ms}, "symbol": "{asset}", "costs": {{"trade_notional": {notional}, "fee_bps": {FEE_BPS}, '
        f'"slip_bps": null, "impact_k": {IMPACT_K}, "impact_bps": {impact_bps}, "adv_ref": {adv}, "cost_usd": {cost}, '
        f'"cost_bps_total": {cost_bps}, "fee_usd": {fill.fee_usd_logged}, "slip_usd": null, '
        f'"impact_usd": {fill.impact_usd_logged}, "event_id": "{bar_ms}:{asset}:costs:{h8(canonical)}"}}, '
        f'"ts_ist": "{ist(us)}"}}\n'
    )


def health(
    bar_ms: int, asset: str, recent: list[tuple[float, float, float]], executions: int, equity: float, part: float,
    is_stale: bool, us: int, reconnects: int,
) -> str:  # fmt: skip
    """One health line; `recent` holds (p_down, p_up, s_model) of the last bars."""
    n = len(recent)
    time_in_market = "null" if n == 1 else 0.0
    down, up, s = (sum(row[i] for row in recent) / n for i in range(3))
    return (
        f'{{"ts": {bar_ms}, "symbol": "{asset}", "metrics": {{"recent_bars": {n}, "mean_p_down": {down}, "mean_p_up": {up}, '
        f'"mean_s_model": {s}, "exec_count_recent": {executions}, "funding_stale": {flag(is_stale)}, "equity": {equity}, '
        f'"ws_queue_drops": 0, "ws_reconnects": {reconnects}, "ws_staleness_ms": null, "Sharpe_roll_1d": null, '
        f'"Sharpe_roll_1w": null, "Sortino_1w": null, "max_dd_to_date": 0.0, '
        f'"time_in_mkt": {time_in_market}, "hit_rate_w": null, '
        f'"turnover_bps_day": null, "capacity_participation": {part}, "ic_drift": null, "calibration_drift": 0.0, '
        f'"leakage_flag": false, "same_bar_roundtrip_flag": false, "in_band_share": 0.0}}, "ts_ist": "{ist(us)}"}}\n'
    )


def repro(bar_ms: int, asset: str, release: Release, us: int) -> str:
    """One repro line."""
    return (
        f'{{"ts": {bar_ms}, "symbol": "{asset}", "repro": {{"ts_ist": "{ist_second(bar_ms)}", "git_sha": "{release.git_sha}", '
        f'"model_version": null, "feature_version": "{release.feature_version}", "seed": 42, "train_start_ist": "{TRAIN_START}", '
        f'"train_end_ist": "{TRAIN_END}", "hyperparams_hash": "{release.hyperparams_hash}", "data_hash": "{release.data_hash}", '
        f'"adv_method": "rolling_20d"}}, "ts_ist": "{ist(us)}"}}\n'
    )
