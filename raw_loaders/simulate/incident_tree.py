"""Writes the scripted incidents: one quiet bot on a flat market to which only what the script says happens."""

import json
import uuid
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from raw_loaders.simulate.broker import Book, Fill
from raw_loaders.simulate.burst import Burst, write_burst
from raw_loaders.simulate.clock import DAY_US, IST_US, ist, utc_ms
from raw_loaders.simulate.decide import Decision
from raw_loaders.simulate.dice import Dice, generator
from raw_loaders.simulate.incident_script import EPISODES, ROLLOUTS
from raw_loaders.simulate.incidents import BOT, FIRST_SEEN_MIN, START_HOUR_IST, SYMBOL, Alert, Episode, OfDay
from raw_loaders.simulate.market import STEP_S, TICKS_PER_USD, WARM_DAYS, Bars, Features
from raw_loaders.simulate.model import Prediction
from raw_loaders.simulate.releases import registry
from raw_loaders.simulate.schedule import Run
from raw_loaders.simulate.settings import BOTS, MARKER, Settings
from raw_loaders.simulate.simulation import BurstFacts, GuardFacts, Simulated
from raw_loaders.simulate.tree import FileKeys, TreeWriter

_BAR_US = 300_000_000
_PRICE_USD = 80_000
_VOLUME = 500.0  # coins a bar: always liquid
_ORDER_EVERY = 12
_IN_AND_OUT = 0.0008  # of the base notional
_NEVER = 1 << 31
# a model that is sure of its sign: eligible, over every threshold, a buy once the bot has flipped it
_SURE = Prediction(0.7, 0.2, 0.1, -0.6, 0.0, 0.0, 1.25e-05, "model_meta", 0.6, 1, 0.7, 0.0, None, "5c291d07")


@dataclass(slots=True)
class ScriptedBook(Book):
    """A book whose result is what the script says, whatever its orders made."""

    scripted_pnl_usd: float = 0.0

    def pnl_usd(self, close_ticks: int) -> float:
        """The scripted result in USD; the price does not matter."""
        return self.scripted_pnl_usd


class _WholeOrders(Dice):
    """Dice by which each order is filled in one part."""

    def u(self) -> float:
        """Always 0."""
        return 0.0


def simulate_incidents(settings: Settings, root: Path) -> Simulated:
    """Write one IST day per episode below `root`, from the day of `settings.start` on, and return what was written."""
    settings = replace(settings, days=len(EPISODES), assets=(SYMBOL,), runs=1)
    bot = replace(next(bot for bot in BOTS if bot.name == BOT), health_every=_ORDER_EVERY)
    steps = (WARM_DAYS + settings.days + 2) * DAY_US // (STEP_S * 1_000_000)
    path, volume = np.full(steps + 1, _PRICE_USD * TICKS_PER_USD), np.full(steps, _VOLUME)
    bars = Bars(utc_ms(settings.start) - WARM_DAYS * 86_400_000, bot, path, volume)
    tree = TreeWriter(root, is_one_member=settings.is_one_member)
    simulated = Simulated(settings, [], tree=tree)
    keys, features = FileKeys([bot.name], settings.assets).of(bot.name, SYMBOL), Features(bars)
    rng = generator(settings.seed, "incidents")
    seen_us: dict[int, list[int]] = defaultdict(list)
    for number, episode in enumerate(EPISODES):
        start_us = _start_us(settings, number)
        end_us = start_us + (episode.bars + 2) * _BAR_US
        rollout_no = max(index for index, rollout in enumerate(ROLLOUTS) if rollout.episode <= number)
        run_id = str(uuid.UUID(bytes=rng.bytes(16), version=4))
        run = Run(number, run_id, "live_paper", 0, start_us, end_us, ROLLOUTS[rollout_no].release)
        simulated.runs.append(run)
        book = simulated.books[number, bot.name, SYMBOL] = ScriptedBook(bot.name, number, SYMBOL)
        free_us = counter = 0
        for index in range(episode.bars):
            if index in episode.silent:
                continue
            bar_us = start_us + index * _BAR_US
            bar = bars.bar_of(bar_us // 1000)
            burst_no = len(simulated.bursts)

            def write(
                stream: str,
                us: int,
                line: str,
                landed_us: int | None = None,
                burst_no: int = burst_no,
                rollout_no: int = rollout_no,
            ) -> None:
                if stream == "repro":
                    seen_us[rollout_no].append(us)
                simulated.steps.add(burst_no, stream, us)
                tree.add(keys[stream], us if landed_us is None else landed_us, line, burst_no)

            facts = BurstFacts(number, bot.name, SYMBOL, bars.open_ms(bar), counter)
            simulated.bursts.append(facts)
            decision, fills = _decide(episode, index, book, bars.close_ticks[bar], counter)
            if decision.token:
                simulated.guards.append(GuardFacts(burst_no, decision.token, True, None, _SURE.direction))
            book.scripted_pnl_usd = episode.pnl_usd(index)
            book.recent = [*book.recent[-59:], (_SURE.p_down, _SURE.p_up, _SURE.s_model)]
            book.reconnects = dict(episode.reconnects).get(index, book.reconnects)
            facts.ensemble_us = bar_us + _BAR_US + 13_000_000
            dice = Dice(settings.seed, number, index, 0x1C)
            burst = Burst(
                bot, run, SYMBOL, bar, bars.open_ms(bar), counter, bars, features.at(bar, min(counter, 21)), _SURE, decision,
                fills, book, dice, 0.0,
            )  # fmt: skip
            facts.pnl_us, facts.end_us = write_burst(burst, facts.ensemble_us, free_us, write)
            free_us = facts.end_us
            counter += 1
        run.books[bot.name, SYMBOL] = counter
        simulated.alerts += [_alert(start_us, alert) for alert in episode.alerts]
        simulated.alerts += [_of_day(start_us, alert) for alert in episode.of_day]
    simulated.registry = registry(bot.name, ROLLOUTS, seen_us)
    tree.flush(_NEVER)
    tree.close()
    marker = {"is_synthetic": True, "written_by": "raw_loaders.simulate", "arguments": settings.as_manifest()}
    (root / MARKER).write_text(json.dumps(marker, indent=1) + "\n")
    return simulated


def _start_us(settings: Settings, number: int) -> int:
    """When bar 0 of an episode opens."""
    return utc_ms(settings.start) * 1000 - IST_US + number * DAY_US + START_HOUR_IST * 3_600_000_000


def _decide(episode: Episode, index: int, book: Book, close_ticks: int, counter: int) -> tuple[Decision, list[Fill]]:
    whole = _WholeOrders()

    def order(target: float) -> list[Fill]:
        return book.trade_to(target, close_ticks, counter, whole, is_forced=False, exit_reason=None)

    if index in episode.throttled:
        return Decision(0, 0.0, "throttle_guard", True, None, None, None, False), []
    held = book.fraction(close_ticks / TICKS_PER_USD)
    fills, target = [], None
    if index in episode.in_and_out:
        fills, target = [*order(_IN_AND_OUT), *order(0.0)], 0.0
    elif episode.order_share and index % _ORDER_EVERY == 0:
        target = held + episode.order_share
        fills = order(target)
    return Decision(_SURE.direction, _SURE.alpha, None, False, None, target, None, False), fills


def _seen_us(start_us: int, bar: int) -> int:
    return start_us + FIRST_SEEN_MIN * 60_000_000 + bar * _BAR_US


def _alert(start_us: int, alert: Alert) -> dict[str, object]:
    return {
        "rule_id": alert.rule, "dimension": "bot", "dimension_value": BOT, "fired_at": ist(_seen_us(start_us, alert.bar)),
        "level": alert.level, "is_escalated": alert.is_escalated, "breach_started_at": ist(_seen_us(start_us, alert.since)),
        "suppressed_count": alert.suppressed, "outcome": alert.outcome,
    }  # fmt: skip


def _of_day(start_us: int, alert: OfDay) -> dict[str, object]:
    over = ist(start_us + (24 - START_HOUR_IST) * 3_600_000_000)
    return {
        "rule_id": alert.rule, "dimension": alert.dimension, "dimension_value": alert.dimension_value,
        "fired_at": over, "level": alert.level, "is_escalated": False, "breach_started_at": over, "suppressed_count": 0,
        "outcome": "sent",
    }  # fmt: skip
