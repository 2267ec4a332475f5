"""Events of the second system: signals, gate verdicts, trades, model updates, threshold changes and errors, with their truth."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from raw_loaders.simulate.clock import DAY_US, IST_US, ist, ist_day, utc_ms
from raw_loaders.simulate.dice import Dice
from raw_loaders.simulate.market import Bars, Market
from raw_loaders.simulate.settings import Settings

STREAMS = ("signal", "gate_decision", "trade_exec", "trade_close", "model_update", "gate_adjustment", "error")
GATES = ("spread_gate", "volume_gate", "regime_gate", "cost_gate", "confidence_gate", "meta_label")  # in order of execution
REGIMES = ("TREND", "CHOP", "VOLATILE")
FEATURES = ("momentum", "mean_reversion", "order_flow", "volatility", "funding", "volume_shock")
LIMITS = {
    "scalp": {"spread_gate": 5.0, "volume_gate": 0.50, "cost_gate": 3.0, "confidence_gate": 0.55, "meta_label": 0.45},
    "runner": {"spread_gate": 10.0, "volume_gate": 0.30, "cost_gate": 8.0, "confidence_gate": 0.70, "meta_label": 0.65},
}
REGIMES_ALLOWED = {"scalp": ("TREND", "CHOP"), "runner": ("TREND",)}
HOLD_S = {"scalp": 900, "runner": 14_400}
SIGNALS_PER_DAY = 48
_FEE_SHARE = Decimal("0.0005")
_SIZE_GBP = Decimal(1000)

# add(stream, symbol, us, line)
Add = Callable[[str, str, int, str], None]


@dataclass
class SecondSystem:
    """The truth about the simulated second system, JSON-ready."""

    verdicts: list[dict[str, object]] = field(default_factory=list)
    trades: list[dict[str, object]] = field(default_factory=list)
    models: list[dict[str, object]] = field(default_factory=list)
    adjustments: list[dict[str, object]] = field(default_factory=list)
    signals: int = 0
    errors: int = 0

    def as_manifest(self) -> dict[str, object]:
        """Counts and rows as the manifest holds them."""
        return {
            "signals": self.signals, "verdicts": self.verdicts, "trades": self.trades, "models": self.models,
            "adjustments": self.adjustments, "errors": self.errors,
        }  # fmt: skip


def write_second_system(settings: Settings, market: Market, add: Add) -> SecondSystem:
    """Hand all events of the simulated days to `add` and return their truth."""
    truth = SecondSystem()
    limits = {mode: dict(of_mode) for mode, of_mode in LIMITS.items()}
    start_us = utc_ms(settings.start) * 1000
    for day in range(settings.days):
        day_us = start_us + day * DAY_US
        model_id = f"lgbm-{day:04d}"
        _model_update(settings, truth, add, day, day_us, model_id)
        if day:
            _adjust(truth, add, settings, limits, day, day_us)
        for number, symbol in enumerate(settings.assets):
            for index in range(SIGNALS_PER_DAY):
                dice = Dice(settings.seed, day, number, index, 0x5EC)
                at = day_us + (index * DAY_US) // SIGNALS_PER_DAY + dice.us(0, 60_000_000)
                _signal(truth, add, market.bars(symbol, "5m"), limits, symbol, at, dice, model_id)
            dice = Dice(settings.seed, day, number, 0xE44)
            if dice.u() < 0.5:
                at = day_us + dice.us(0, DAY_US)
                event = {"component": "feed", "error_type": "Timeout", "message": "no answer within 5 s", "symbol": symbol}
                add("error", symbol, at, _line(at, "system", "critical", event))
                truth.errors += 1
    return truth


def _line(us: int, source: str, priority: str, event: dict[str, object]) -> str:
    head = {"event_version": 1, "event_id": "", "timestamp": ist(us), "source": source, "priority": priority}
    head["event_id"] = f"{us}-{source}-{event.get('gate', '')}{event.get('trade_id', '')}"
    return json.dumps(head | event, separators=(",", ":")) + "\n"


def _signal(
    truth: SecondSystem,
    add: Add,
    bars: Bars,
    limits: dict[str, dict[str, float]],
    symbol: str,
    at: int,
    dice: Dice,
    model_id: str,
) -> None:
    mode = "scalp" if dice.u() < 0.7 else "runner"
    side = "BUY" if dice.u() < 0.5 else "SELL"
    regime = REGIMES[int(dice.u() * 3)]
    confidence, meta = round(0.4 + 0.5 * dice.u(), 4), round(0.3 + 0.6 * dice.u(), 4)
    expected, cost = round(60 * dice.u(), 2), round(8 + 6 * dice.u(), 2)
    price = bars.close(bars.bar_of(at // 1000) - 1)
    signal_id = f"s{truth.signals:06d}"
    leak = {"decision_timestamp": ist(at), "label_cutoff_timestamp": ist(at)}
    common = {"signal_id": signal_id, "symbol": symbol, "mode": mode}
    event = {
        **common, "side": side, "price": price, "confidence": confidence, "meta_prob": meta,
        "expected_return_bps": expected, "regime": regime, "model_id": model_id,
        "features": {name: round(dice.u() - 0.5, 4) for name in FEATURES}, **leak,
    }  # fmt: skip
    add("signal", symbol, at, _line(at, "hamilton", "normal", event))
    truth.signals += 1
    values = {
        "spread_gate": round(8 * dice.u(), 2), "volume_gate": round(1.5 * dice.u(), 3), "regime_gate": None,
        "cost_gate": round(expected - cost, 2), "confidence_gate": confidence, "meta_label": meta,
    }  # fmt: skip
    is_passed = True
    for step, gate in enumerate(GATES, start=1):
        limit, value = limits[mode].get(gate), values[gate]
        if gate == "regime_gate":
            passed = regime in REGIMES_ALLOWED[mode]
        else:
            passed = value <= limit if gate == "spread_gate" else value >= limit
        is_passed = is_passed and passed
        verdict = "PASS" if passed else "REJECT"
        event = {**common, "gate": gate, "verdict": verdict, "value": value, "limit": limit, "regime": regime, **leak}
        add("gate_decision", symbol, at + step * 200, _line(at + step * 200, "hamilton", "normal", event))
        truth.verdicts.append({"signal_id": signal_id, "gate": gate, "mode": mode, "verdict": verdict})
    if is_passed:
        _trade(truth, add, bars, common, side, regime, confidence, meta, price, at + 5_000, dice)


def _trade(
    truth: SecondSystem,
    add: Add,
    bars: Bars,
    common: dict[str, object],
    side: str,
    regime: str,
    confidence: float,
    meta: float,
    entry: float,
    at: int,
    dice: Dice,
) -> None:
    symbol, mode = str(common["symbol"]), str(common["mode"])
    trade_id = f"t{len(truth.trades):06d}"
    closed = at + dice.us(HOLD_S[mode] * 500_000, HOLD_S[mode] * 1_500_000)
    leave = bars.close(bars.bar_of(closed // 1000) - 1)
    sign = 1 if side == "BUY" else -1
    gross = (Decimal(str(leave)) / Decimal(str(entry)) - 1) * sign * _SIZE_GBP
    fees = (_SIZE_GBP * _FEE_SHARE * 2).quantize(Decimal("0.0001"))
    net = gross.quantize(Decimal("0.0001")) - fees
    qty = round(float(_SIZE_GBP) / entry, 8)
    other = "SELL" if side == "BUY" else "BUY"
    for when, action, px in ((at, side, entry), (closed, other, leave)):
        event = {
            "trade_id": trade_id, **common, "side": action, "qty": qty, "price": px, "expected_price": px,
            "size_gbp": float(_SIZE_GBP), "fee_gbp": float(fees / 2),
        }  # fmt: skip
        add("trade_exec", symbol, when, _line(when, "hamilton", "critical", event))
    event = {
        "trade_id": trade_id, "symbol": symbol, "mode": mode, "side": side, "opened_timestamp": ist(at),
        "closed_timestamp": ist(closed), "entry_price": entry, "exit_price": leave, "size_gbp": float(_SIZE_GBP),
        "pnl_gbp": float(net), "fees_gbp": float(fees), "return_bps": round(float(net / _SIZE_GBP * 10_000), 6),
        "exit_reason": "TIME_EXIT", "regime": regime, "confidence": confidence, "meta_prob": meta,
    }  # fmt: skip
    add("trade_close", symbol, closed + 1_000, _line(closed + 1_000, "hamilton", "critical", event))
    truth.trades.append(
        {"trade_id": trade_id, "mode": mode, "regime": regime, "side": side, "pnl_gbp": str(net), "fees_gbp": str(fees)}
    )


def _model_update(settings: Settings, truth: SecondSystem, add: Add, day: int, day_us: int, model_id: str) -> None:
    dice = Dice(settings.seed, day, 0x30DE1)
    at = day_us - IST_US + 90_000_000 + DAY_US // 4
    weights = [dice.u() for _ in FEATURES]
    importance = {name: round(weight / sum(weights), 6) for name, weight in zip(FEATURES, weights, strict=True)}
    accuracies = [round(0.1 + 0.8 * bin_no / 9 + 0.05 * (dice.u() - 0.5), 4) for bin_no in range(10)]
    counts = [20 + int(200 * dice.u()) for _ in range(10)]
    confidences = [round(0.05 + bin_no / 10, 4) for bin_no in range(10)]
    gaps = [abs(accuracy - confidence) for accuracy, confidence in zip(accuracies, confidences, strict=True)]
    previous = truth.models[-1]["model_id"] if truth.models else None
    hyperparameters = {"num_leaves": 31 + 8 * (day % 3), "learning_rate": 0.05} if day % 4 else {}
    event = {
        "model_id": model_id, "previous_model_id": previous, "samples_processed": 800 + 100 * day, "samples_total": 5_000,
        "data_from": ist(day_us - 90 * DAY_US), "data_until": ist(day_us - DAY_US), "data_hash": f"{day:08x}",
        "auc": round(0.60 + 0.12 * dice.u(), 4),
        "ece": round(sum(gap * count for gap, count in zip(gaps, counts, strict=True)) / sum(counts), 6),
        "mce": round(max(gaps), 6), "brier": round(0.18 + 0.05 * dice.u(), 4), "win_rate": round(0.6 + 0.2 * dice.u(), 4),
        "duration_s": round(60 + 200 * dice.u(), 1), "calibration_method": "isotonic", "hyperparameters": hyperparameters,
        "feature_importance": importance,
        "calibration_bins": {
            "edges": [round(edge / 10, 1) for edge in range(11)], "counts": counts, "accuracies": accuracies,
            "confidences": confidences,
        },
        "regime_performance": {
            regime: {
                "n": 100 + int(300 * dice.u()), "auc": round(0.55 + 0.15 * dice.u(), 4), "win_rate": round(dice.u(), 4),
                "avg_return_bps": round(40 * dice.u() - 10, 2), "avg_confidence": round(0.5 + 0.3 * dice.u(), 4),
            }
            for regime in REGIMES
        },
    }  # fmt: skip
    symbol = settings.assets[0]
    add("model_update", symbol, at, _line(at, "mechanic", "normal", event))
    kept = ("model_id", "previous_model_id", "auc", "ece", "mce", "brier", "samples_processed", "data_hash")
    truth.models.append({name: event[name] for name in kept} | {"hyperparameters": hyperparameters, "ist_day": ist_day(at)})


def _adjust(
    truth: SecondSystem, add: Add, settings: Settings, limits: dict[str, dict[str, float]], day: int, day_us: int
) -> None:
    mode = ("scalp", "runner")[day % 2]
    old = limits[mode]["meta_label"]
    new = round(old + (0.01 if day % 3 else -0.01), 4)
    event = {
        "gate": "meta_label", "mode": mode, "parameter": "probability", "old_value": old, "new_value": new,
        "effective_timestamp": ist(day_us), "reason": "pass rate outside its target", "approved_by": "operator",
    }  # fmt: skip
    add("gate_adjustment", settings.assets[0], day_us, _line(day_us, "mechanic", "critical", event))
    limits[mode]["meta_label"] = new
    truth.adjustments.append({"gate": "meta_label", "mode": mode, "old_value": old, "new_value": new})
