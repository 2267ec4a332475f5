"""Fills of other wallets: what happened on the exchange, and the polls in which the bots see it."""

import hashlib
from bisect import bisect_right

import numpy as np

from raw_loaders.simulate.clock import ist, utc_ms
from raw_loaders.simulate.dice import generator
from raw_loaders.simulate.market import TICKS_PER_USD, Market
from raw_loaders.simulate.settings import Settings

WALLETS = 20
BAR_ID_US = 43_200_000_000
HISTORY_DAYS = 4  # a 24h bot polls fills up to four days old


class FillTape:
    """All third-party fills of one asset in time order. Identical partial fills of one order are separate fills."""

    def __init__(self, settings: Settings, market: Market, asset: str) -> None:
        first_ms = utc_ms(settings.start)
        days = range(-HISTORY_DAYS, settings.days + 1)
        per_day = [_day(settings, market, asset, day, first_ms + day * 86_400_000) for day in days]
        self.ms: list[int] = [ms for ms_of_day, _ in per_day for ms in ms_of_day]
        self.middles: list[str] = [middle for _, middles in per_day for middle in middles]

    def between(self, after_ms: int, until_ms: int) -> tuple[int, int]:
        """Index range of the fills in (after_ms, until_ms]."""
        return bisect_right(self.ms, after_ms), bisect_right(self.ms, until_ms)


def fill_line(run_id: str, middle: str, us: int) -> str:
    """One poll result as the bot writes it; `middle` comes from a FillTape."""
    return f'{{"run_id":"{run_id}",{middle},"ts_ist":"{ist(us)}","schema_v":"1","bar_id":{us // BAR_ID_US}}}\n'


def fill_middle(ms: int, asset: str, address: str, side: str, price: float, size: float) -> str:
    """The part of a fill record that is the same in every poll, with the event id hashed as the bot does."""
    coin = asset.removesuffix("USDT")
    payload = (
        f'{{"address": "{address}", "asset": "{asset}", "coin": "{coin}", "price": {price}, "side": "{side}", '
        f'"size": {size}, "ts": {ms}}}'
    )
    h8 = hashlib.sha256(payload.encode()).hexdigest()[:8]
    return (
        f'"asset":"{asset}","ts":{ms},"address":"{address}","coin":"{coin}","side":"{side}","price":{price},'
        f'"size":{size},"event_id":"{ms}:{asset}:hyperliquid_fills:{h8}"'
    )


def wallets(seed: int) -> list[str]:
    """The addresses of the tracked cohorts."""
    rng = generator(seed, "wallets")
    return ["0x" + rng.bytes(20).hex() for _ in range(WALLETS)]


def _day(settings: Settings, market: Market, asset: str, day: int, day_ms: int) -> tuple[list[int], list[str]]:
    rng = generator(settings.seed, "third party", asset, day)
    addresses = wallets(settings.seed)
    wanted = settings.third_party_fills
    orders = np.sort(day_ms + (rng.random(wanted + 1) * 86_400_000).astype(np.int64))
    ticks = market.ticks_at(asset, orders).tolist()
    draws = rng.random((wanted + 1, 6)).tolist()
    ms_out: list[int] = []
    middles: list[str] = []
    for ms, tick, (who, side_draw, size_draw, parts_draw, same_draw, step) in zip(orders.tolist(), ticks, draws, strict=True):
        if len(ms_out) >= wanted:
            break
        address = addresses[int(who * who * WALLETS)]
        side = "buy" if side_draw < 0.5 else "sell"
        price = (tick + int(step * 60) - 30) / TICKS_PER_USD
        parts = 1 + int(parts_draw**6 * 9)  # most orders fill at once
        for part in range(parts):
            # parts of equal size at one instant are alike in every logged field: the multiplicity trap
            share = 1.0 if same_draw < 0.35 else 1.0 / (part + 1)
            size = max(round(0.002 * (1.0 - size_draw) ** -1.2 * share, 5), 1e-05)
            ms_out.append(ms)
            middles.append(fill_middle(ms, asset, address, side, price, size))
    return ms_out[:wanted], middles[:wanted]
