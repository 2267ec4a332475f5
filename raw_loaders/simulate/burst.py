"""One burst: everything a bot writes about one bar, in its order, microseconds apart."""

from collections.abc import Callable
from dataclasses import dataclass

from raw_loaders.simulate import plain_records as plain
from raw_loaders.simulate import records as gz
from raw_loaders.simulate.broker import PX_UNITS, QTY_UNITS, Book, Fill
from raw_loaders.simulate.clock import DAY_US, IST_US, ist_day
from raw_loaders.simulate.decide import Decision
from raw_loaders.simulate.dice import Dice
from raw_loaders.simulate.market import Bars, FeatureRow
from raw_loaders.simulate.model import Prediction
from raw_loaders.simulate.schedule import Run
from raw_loaders.simulate.settings import BAND_BPS, FEE_BPS, IMPACT_K, START_EQUITY_USD, Bot

# add(stream, emitted_us, line), with landed_us as a fourth where that is another
Add = Callable[..., None]

# Offline one-shot processes use the bar length as the id's scale for the two fastest bots, all others use 12 hours.
_SMOKE_BAR_ID_US = {"5m": 300_000_000, "1h": 3_600_000_000}


@dataclass(slots=True)
class Burst:
    """Everything one burst is written from."""

    bot: Bot
    run: Run
    asset: str
    bar: int
    bar_ms: int
    counter: int
    bars: Bars
    features: FeatureRow
    prediction: Prediction
    decision: Decision
    fills: list[Fill]
    book: Book
    dice: Dice
    late_share: float


def write_burst(burst: Burst, at: int, free_us: int, add: Add) -> tuple[int, int]:
    """Write all records of a burst that starts at `at` (us); `free_us` is when the previous replica's burst was over.

    Returns the emission times of pnl_equity_log and of the last record.
    """
    b, us = burst, burst.dice.us
    bot, run, asset, bar_ms, counter = b.bot, b.run, b.asset, b.bar_ms, b.counter
    prediction, book = b.prediction, b.book
    s_model = prediction.s_model
    pred_bps = 1e4 * s_model
    scale = _SMOKE_BAR_ID_US.get(bot.name, 43_200_000_000) if run.kind == "offline_smoke" else 43_200_000_000
    head = gz.head(run.run_id, asset)
    add("ensemble_log", at, gz.ensemble(head, asset, bar_ms, prediction.ensemble_hash, s_model, gz.tail(at, scale)))
    at += us(900, 3_000)
    add("feature_log", at, plain.feature_log(bar_ms, counter, asset, b.features, prediction.funding))
    at += us(300, 900)
    book.in_band += abs(pred_bps) <= BAND_BPS
    add("calibration", at, plain.calibration(bar_ms, counter, asset, pred_bps, book.in_band / (counter + 1)))
    frames, confidences, conf = _overlay(burst)
    if frames:
        at += us(500, 2_000)
        add("overlay_status", at, gz.overlay_status(run.run_id, asset, bar_ms, counter, frames, conf, at))
    at += us(300, 900)
    add("order_intent", at, plain.order_intent(bar_ms, counter, asset, prediction, b.features.volume))
    at += us(2_000, 9_000)
    add("calibration_log", at, gz.calibration_log(head, pred_bps, gz.tail(at, scale)))
    at += us(2_000, 6_000)
    position_after = b.decision.target or 0.0
    add("sizing_risk_log", at, gz.sizing_risk(head, s_model, position_after, conf, gz.tail(at, scale)))
    # what follows has no run id: replicas of the same bar keep it apart in time, as their jitter mostly does
    at = max(at, free_us) + us(1_500, 5_000)
    pnl_us, at = _trade(burst, at, head, scale, add)
    at += us(800, 5_000)
    decision = b.decision
    extra = plain.overlay_details(frames, confidences, conf, decision.direction, decision.alpha) if frames else ""
    extra += plain.guard_details(decision.token, pred_bps)
    if decision.exit_reason:
        extra += f', "exit_reason": "{decision.exit_reason}"'
    add(
        "signals",
        at,
        plain.signals(bar_ms, asset, bot, b.features, prediction, decision.direction, decision.alpha, extra, counter, at),
    )
    if counter % bot.health_every == 0:
        at = _health(burst, at, head, scale, add)
    return pnl_us, at


def _overlay(burst: Burst) -> tuple[tuple[str, ...], tuple[float, ...], float]:
    """Time frames, their confidences and the overlay's confidence; empty for bots without one."""
    if not burst.bot.has_overlay:
        return (), (), 0.0
    if burst.counter < 2:
        return ("5m",), (1.0,), 0.0
    pair = (0.4 + 0.5 * burst.dice.u(), 0.4 + 0.5 * burst.dice.u())
    return ("5m", "15m"), pair, (pair[0] + pair[1]) / 2


def _trade(burst: Burst, at: int, head: str, scale: int, add: Add) -> tuple[int, int]:
    """Equity, and around each execution its two costs records. Returns the times of the equity record and of the last one."""
    b, us, book = burst, burst.dice.us, burst.book
    fees = book.fees_usd - sum(_fee(fill) for fill in b.fills)
    impact = book.impact_usd - sum(_impact(fill) for fill in b.fills)
    close_ticks = b.bars.close_ticks[b.bar]
    pnl_usd = book.pnl_usd(close_ticks)
    pnl_us = 0
    for fill in b.fills or [None]:
        if fill is not None:
            fees += _fee(fill)
            impact += _impact(fill)
            line = plain.costs_attribution(b.bar_ms, b.asset, b.counter, pnl_usd + fees + impact, fees, impact, at)
            add("costs", at, line)
            at += us(300, 900)
        if not pnl_us:
            pnl_us = at
            add("pnl_equity_log", at, gz.pnl_equity(head, b.asset, b.bar_ms, pnl_usd, gz.tail(at, scale)))
        if fill is not None:
            at = _execution(burst, fill, at + us(2_000, 6_000), head, scale, add) + us(400, 900)
    return pnl_us, at


def _execution(burst: Burst, fill: Fill, at: int, head: str, scale: int, add: Add) -> int:
    """The execution and its breakdown; returns when the latter was written."""
    b, us = burst, burst.dice.us
    qty, px = abs(fill.qty) / QTY_UNITS, fill.px / PX_UNITS
    side = "BUY" if fill.qty > 0 else "SELL"
    line, fill.event_id = gz.execution(head, b.asset, b.bar_ms, b.counter, side, px, qty, at - us(12, 200), gz.tail(at, scale))
    fill.emitted_us = at
    landed = at
    if b.dice.u() < b.late_share:  # it still lands in the file of the day it was emitted on
        landed = min(at + us(60_000_000, 7_200_000_000), (ist_day(at) + 1) * DAY_US - IST_US - 1)
    add("execution_log", at, line, landed)
    at += us(2_000, 9_000)
    adv = b.bars.mean_volume_240[b.bar] * b.bars.close(b.bar)
    add("costs", at, plain.costs_breakdown(b.bar_ms, b.asset, fill, qty, px, adv, at))
    return at


def _health(burst: Burst, at: int, head: str, scale: int, add: Add) -> int:
    """The four records of a health bar; returns when the last was written."""
    b, us, book = burst, burst.dice.us, burst.book
    equity = START_EQUITY_USD + book.pnl_usd(b.bars.close_ticks[b.bar])
    at += us(1_500, 6_000)
    line = plain.health(
        b.bar_ms, b.asset, book.recent, book.executions_since_health, equity, book.last_target / 2500,
        b.run.kind == "offline_smoke", at, book.reconnects,
    )  # fmt: skip
    add("health", at, line)
    book.executions_since_health = 0
    at += us(1_000, 30_000)
    add("repro", at, plain.repro(b.bar_ms, b.asset, b.run.release, at))
    at += us(500, 3_000)
    mid, range_bps = b.bars.close(b.bar), b.features.range_bps
    add("market_ingest_log", at, gz.market_ingest(head, mid, b.bar_ms, range_bps, gz.tail(at, scale)))
    at += us(1_500, 10_000)
    add("kpi_scorecard", at, gz.kpi_scorecard(head, gz.tail(at, scale)))
    return at


def _fee(fill: Fill) -> float:
    return abs(fill.qty) / QTY_UNITS * (fill.px / PX_UNITS) * FEE_BPS / 1e4


def _impact(fill: Fill) -> float:
    coins = abs(fill.qty) / QTY_UNITS
    return IMPACT_K * coins * coins * (fill.px / PX_UNITS)
