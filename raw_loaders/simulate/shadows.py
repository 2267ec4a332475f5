"""What the trades that a guard held back would have made: from the price path itself, on the bars the same run decided."""

from collections.abc import Iterator

from raw_loaders.simulate.market import TICKS_PER_USD
from raw_loaders.simulate.settings import BOTS, FEE_BPS, IMPACT_K
from raw_loaders.simulate.simulation import GuardFacts, Simulated

HORIZONS_BARS = (1, 3, 6, 12)
SLIPPAGE_BPS = 2.0
NOTIONAL_USD = 1000.0
DEAD_BAND_BPS = 10.0  # a result of at most this size, either way, says nothing of the guard
_HEALTH_EVERY = {bot.name: bot.health_every for bot in BOTS}


def shadow_trades(simulated: Simulated) -> Iterator[dict[str, object]]:
    """One row per guard that stood against a direction and horizon; results in bps of the trade, None where the run ended or
    the return of a bar on the way was lost. A decision whose own record was lost is not known to have been held back.
    The first bar of a run has no direction, so no row is of a run that decides bars that are not over."""
    last_bars: dict[tuple[int, str, str], int] = {}
    lost: set[tuple[int, str, str, int]] = set()
    for burst in simulated.bursts:
        if burst.kind == "decision":
            book = burst.run, burst.bot, burst.asset
            last_bars[book] = max(last_bars.get(book, 0), burst.bar_ms)
            if burst.lost == "signals":
                lost.add((*book, burst.bar_ms))
    for guard in simulated.guards:
        burst = simulated.bursts[guard.burst]
        if guard.intended_direction and burst.lost != "signals":
            for horizon in HORIZONS_BARS:
                yield _shadow(simulated, guard, horizon, last_bars[burst.run, burst.bot, burst.asset], lost)


def _shadow(simulated: Simulated, guard: GuardFacts, horizon: int, last_bar_ms: int, lost: set) -> dict[str, object]:
    burst = simulated.bursts[guard.burst]
    bars = simulated.market.bars(burst.asset, burst.bot)
    entry, leave = bars.bar_of(burst.bar_ms), bars.bar_of(burst.bar_ms) + horizon
    row = {
        "burst": guard.burst, "horizon_bars": horizon, "side": "BUY" if guard.intended_direction > 0 else "SELL",
        "gross_bps": None, "net_bps": None, "verdict": "unresolved", "unresolved_reason": None,
    }  # fmt: skip
    if bars.open_ms(leave) > last_bar_ms:
        return row | {"unresolved_reason": "no_later_bar"}

    def is_any_lost(first: int, last: int) -> bool:
        return any((burst.run, burst.bot, burst.asset, bars.open_ms(bar)) in lost for bar in range(first, last + 1))

    if is_any_lost(entry + 1, leave):
        return row | {"unresolved_reason": "bar_missing"}
    gross = (bars.close_ticks[leave] / bars.close_ticks[entry] - 1.0) * 1e4 * guard.intended_direction
    # the price itself is logged on health bars only; from there on the returns of the bars tell it
    if is_any_lost(entry - burst.counter % _HEALTH_EVERY[burst.bot] + 1, entry):
        return row | {"gross_bps": gross, "unresolved_reason": "entry_price_unknown"}
    coins = NOTIONAL_USD / (bars.close_ticks[entry] / TICKS_PER_USD)
    net = gross - 2 * (FEE_BPS + SLIPPAGE_BPS + IMPACT_K * coins * 1e4)
    verdict = "good" if net < -DEAD_BAND_BPS else "bad" if net > DEAD_BAND_BPS else "neutral"
    return row | {"gross_bps": gross, "net_bps": net, "verdict": verdict}
