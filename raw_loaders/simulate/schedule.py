"""When which process runs, and when each of its bots decides which bar."""

import uuid
from dataclasses import dataclass, field

from raw_loaders.simulate.clock import utc_ms
from raw_loaders.simulate.dice import Dice, generator
from raw_loaders.simulate.market import Market
from raw_loaders.simulate.releases import Release
from raw_loaders.simulate.settings import BOTS, Settings


@dataclass
class Run:
    """One process: all bots and assets in it share the run id. Times in us since 1970 UTC; `end_us` is when it stops."""

    number: int
    run_id: str
    kind: str  # 'live_paper', 'offline_smoke' (decides bars that are not over yet) or 'poll_only' (dies after polling)
    slot: int
    start_us: int
    end_us: int
    release: Release
    books: dict[tuple[str, str], int] = field(default_factory=dict)  # (bot, asset) -> bursts written


@dataclass(frozen=True, order=True, slots=True)
class Planned:
    """One decision to come: a bot of a run decides bar `bar` as its `counter`-th."""

    start_us: int
    run: int
    bot: int
    asset: int
    bar: int
    counter: int


def plan_runs(settings: Settings) -> list[Run]:
    """`settings.runs` concurrent replicas that restart now and then, one offline smoke run, one that dies at once."""
    rng = generator(settings.seed, "runs")
    first = utc_ms(settings.start) * 1000
    end = first + settings.days * 86_400_000_000
    hour = 3_600_000_000
    release = Release(f"{int(rng.integers(1 << 28)):07x}")
    spans = [("offline_smoke", -1, first + 4 * hour + 61_451_642, first + 4 * hour + 160_000_000)]
    spans.append(("live_paper", -1, first + 5 * hour + 123_456, first + 5 * hour + 13_000_000))  # dies before bot 24h
    for slot in range(settings.runs):
        start = first + int(rng.random() * 2 * hour)
        while start < end - hour // 2:
            length = int((4 + 40 * rng.random() ** 2) * hour)
            stop = min(start + length, end)
            spans.append(("live_paper", slot, start, stop))
            start = stop + int((1 + 29 * rng.random()) * 60_000_000)
    spans.sort(key=lambda span: span[2])
    ids = [uuid.UUID(bytes=rng.bytes(16), version=4) for _ in spans]
    return [
        Run(number, str(ids[number]), kind, slot, start, stop, release) for number, (kind, slot, start, stop) in enumerate(spans)
    ]


def plan_bursts(settings: Settings, market: Market, runs: list[Run]) -> list[Planned]:
    """All decisions of all runs in time order."""
    planned: list[Planned] = []
    for run in runs:
        for bot_no, bot in enumerate(BOTS):
            for asset_no, asset in enumerate(settings.assets):
                bars = market.bars(asset, bot.name)
                dice = Dice(settings.seed, run.number, bot_no, asset_no, 0xB0)
                at = run.start_us + bot.start_delay_s * 1_000_000 + asset_no * 700_000 + dice.us(0, 600_000)
                if run.kind == "offline_smoke":
                    planned.append(Planned(at + bot_no * 25_000_000, run.number, bot_no, asset_no, bars.bar_of(at // 1000), 0))
                    continue
                bar = bars.bar_of(at // 1000) - 1
                counter = 0
                while at < run.end_us:
                    planned.append(Planned(at, run.number, bot_no, asset_no, bar, counter))
                    bar += 1
                    counter += 1
                    close_us = (bars.open_ms(bar) + bars.interval_ms) * 1000
                    at = close_us + 13_000_000 + bot.start_delay_s * 400_000 + dice.us(0, 4_000_000)
    planned.sort()
    return planned
