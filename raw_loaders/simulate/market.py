"""One price path per asset, shared by all bots and replicas, and what the bots derive from its bars."""

import functools
import itertools
import math

import numpy as np

from raw_loaders.simulate.clock import utc_ms
from raw_loaders.simulate.dice import generator
from raw_loaders.simulate.settings import Bot, Settings

STEP_S = 300
WARM_DAYS = 12  # history before the first day, so that averages and the first 24h bars exist
_START_PRICE = {"BTCUSDT": 86_000.0, "ETHUSDT": 2_800.0, "SOLUSDT": 135.0}
TICKS_PER_USD = 10


class Bars:
    """Bars of one length: plain lists by bar number; bar n opens at `first_ms + n * interval`."""

    def __init__(self, first_ms: int, bot: Bot, path: np.ndarray, volume: np.ndarray) -> None:
        """`path`: ticks at every 5-minute edge (one more than there are steps); `volume`: coins per step."""
        width = bot.interval_s // STEP_S
        count = len(volume) // width
        steps = path[1 : count * width + 1].reshape(count, width)
        opens = path[:-1][: count * width : width]
        self.first_ms = first_ms
        self.interval_ms = bot.interval_s * 1000
        self.count = count
        self.close_ticks: list[int] = steps[:, -1].tolist()
        self.high_ticks: list[int] = np.maximum(steps.max(axis=1), opens).tolist()
        self.low_ticks: list[int] = np.minimum(steps.min(axis=1), opens).tolist()
        sums = volume[: count * width].reshape(count, width).sum(axis=1)
        self.volume: list[float] = [round(value, 3) for value in sums.tolist()]
        total = np.concatenate([[0.0], np.cumsum(sums)])
        ends = np.arange(1, count + 1)
        self.mean_volume_20: list[float] = _trailing_mean(total, ends, 20)
        self.mean_volume_240: list[float] = _trailing_mean(total, ends, 240)

    def open_ms(self, bar: int) -> int:
        """UTC open of bar `bar` in milliseconds."""
        return self.first_ms + bar * self.interval_ms

    def bar_of(self, ms: int) -> int:
        """Number of the bar that holds the instant."""
        return (ms - self.first_ms) // self.interval_ms

    def close(self, bar: int) -> float:
        """Close in USD."""
        return self.close_ticks[bar] / TICKS_PER_USD

    def range_bps(self, bar: int) -> float:
        """(high - low) / close in bps."""
        return (self.high_ticks[bar] - self.low_ticks[bar]) / self.close_ticks[bar] * 1e4


def _trailing_mean(total: np.ndarray, ends: np.ndarray, width: int) -> list[float]:
    starts = np.maximum(ends - width, 0)
    return ((total[ends] - total[starts]) / (ends - starts)).tolist()


class Market:
    """Bars of every (asset, bot) of a simulation."""

    def __init__(self, settings: Settings, bots: tuple[Bot, ...]) -> None:
        self.first_ms = utc_ms(settings.start) - WARM_DAYS * 86_400_000
        steps = (WARM_DAYS + settings.days + 2) * 86_400 // STEP_S
        self._paths = {asset: _path(settings.seed, asset, steps, settings.volatility) for asset in settings.assets}
        self._bars: dict[tuple[str, str], Bars] = {}
        for asset, (path, volume) in self._paths.items():
            for bot in bots:
                self._bars[asset, bot.name] = Bars(self.first_ms, bot, path, volume)

    def bars(self, asset: str, bot: str) -> Bars:
        """The bars of one bot's length."""
        return self._bars[asset, bot]

    def ticks_at(self, asset: str, ms: np.ndarray) -> np.ndarray:
        """Price in ticks at each instant."""
        return self._paths[asset][0][(ms - self.first_ms) // (STEP_S * 1000)]


def _path(seed: int, asset: str, steps: int, volatility: float) -> tuple[np.ndarray, np.ndarray]:
    rng = generator(seed, "market", asset)
    noise = rng.standard_normal((steps, 2))
    start = _START_PRICE.get(asset, 50.0)
    log_price = math.log(start) + np.concatenate([[0.0], np.cumsum(noise[:, 0] * 0.0012 * volatility)])
    ticks = np.maximum(np.rint(np.exp(log_price) * TICKS_PER_USD), 10).astype(np.int64)
    return ticks, np.exp(noise[:, 1] * 0.9) * 1.2e7 / start


class Features:
    """The price-derived features a process that has seen `counter` earlier bars would log."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self.at = functools.lru_cache(maxsize=8192)(self._at)

    def _at(self, bar: int, counter: int) -> "FeatureRow":
        return FeatureRow(self._bars, bar, counter)


class FeatureRow:
    """Features of one bar; `counter` (capped at 21) says how much of the past the process knows."""

    __slots__ = ("head", "log_head", "log_tail", "price_change_bps", "range_bps", "volume")

    def __init__(self, bars: Bars, bar: int, counter: int) -> None:
        closes = bars.close_ticks[bar - counter : bar + 1]
        close = closes[-1]
        returns = [b / a - 1.0 for a, b in itertools.pairwise(closes)]
        mom_1 = returns[-1] if returns else 0.0
        mom_3 = close / closes[-4] - 1.0 if counter >= 3 else 0.0
        rv = math.sqrt(sum(r * r for r in returns[-11:]))
        mean = sum(closes) / len(closes)
        mr_z = (close - mean) / 1e-4 / 1e2 if counter else 0.0
        range_fraction = bars.range_bps(bar) / 1e4
        volume = bars.volume[bar]
        known = bars.volume[max(bar - counter, bar - 4) : bar + 1]
        ratio = volume / (sum(known) / len(known)) if counter >= 4 else 1.0
        efficiency = min(1.0, abs(mom_3) / (rv + 1e-9)) if counter else 0.0
        correlation = math.sin(volume) * 0.5 if counter >= 5 else 0.0
        self.volume = volume
        self.range_bps = bars.range_bps(bar)
        self.price_change_bps = (close - closes[-2]) / closes[-2] * 10000.0 if counter else 0.0
        self.head = (
            f"{mom_1}, {mom_3}, {mr_z}, {rv}, {1.0 if rv > 0.02 else 0.0}, {range_fraction * 0.6}, {abs(mom_1)}, "
            f"{ratio - 1.0}, {efficiency}, {correlation}, {mom_3}, 0.0"
        )
        mr_ema = (close - mean) / mean if counter >= 20 else 0.0
        level = "low" if rv < 0.02 else "medium" if rv < 0.05 else "high"
        regime = f"{'low' if rv < 0.05 else 'high'}_vol_{'low' if volume < 1000 else 'high'}_vol"
        liquidity = (min(volume / 1000, 1.0) + max(0.0, 1 - self.range_bps / 50)) / 2
        adv20 = bars.mean_volume_20[bar] if counter >= 20 else 0.0
        self.log_head = (
            f'"mom_3": {mom_3}, "mr_ema20": {mr_ema}, "obi_10": 0.0, "spread_bps": {self.range_bps}, "rv_1h": {rv}, '
            f'"regime_bucket": "{regime}", "funding_delta": '
        )
        self.log_tail = (
            f', "adv20": {adv20}, "volume_ratio": {ratio}, "price_change_bps": {self.price_change_bps}, '
            f'"volatility_regime": "{level}", "liquidity_score": {liquidity}}}'
        )
