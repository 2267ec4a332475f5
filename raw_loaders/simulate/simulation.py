"""Runs a simulation: every run's bots decide their bars in time order, and each burst is written to the tree."""

import gc
import json
from array import array
from dataclasses import dataclass, field, replace
from pathlib import Path

from raw_loaders.simulate.broker import Book
from raw_loaders.simulate.burst import Burst, write_burst
from raw_loaders.simulate.clock import DAY_US, IST_US, ist_day
from raw_loaders.simulate.decide import decide
from raw_loaders.simulate.dice import Dice
from raw_loaders.simulate.file_image import FOREIGN
from raw_loaders.simulate.market import Features, Market
from raw_loaders.simulate.model import Model
from raw_loaders.simulate.schedule import Planned, Run, plan_bursts, plan_runs
from raw_loaders.simulate.second_system import SecondSystem, write_second_system
from raw_loaders.simulate.settings import ACTIVE, BOTS, MARKER, REALISTIC, Settings
from raw_loaders.simulate.third_party import FillTape, fill_line
from raw_loaders.simulate.traces import StepLog, draw_fault
from raw_loaders.simulate.tree import SECOND_SYSTEM, FileKey, FileKeys, TreeWriter

_EXECUTIONS_PER_TRADE_BAR = 1.2  # replicas that miss the signal, targets already reached, orders filled in parts
_STEER_EVERY = 100
_NEVER = 1 << 31
_FLUSH_DELAY_US = 600_000_000
_MAX_COUNTER = 21  # features do not change any more once this many bars are known


@dataclass(slots=True)
class BurstFacts:
    """One burst as it was written; times in us since 1970 UTC. `kind` is 'decision' or 'poll_only'."""

    run: int
    bot: str
    asset: str
    bar_ms: int
    counter: int
    kind: str = "decision"
    ensemble_us: int = 0
    pnl_us: int = 0
    end_us: int = 0
    lost: str | None = None  # stream of the record that was left out


@dataclass(slots=True)
class GuardFacts:
    """A guard that fired in one decision; `masked` is an earlier token the band gate overwrote."""

    burst: int
    token: str
    is_causal: bool
    masked: str | None
    intended_direction: int


@dataclass
class Simulated:
    """Everything known about a simulated tree."""

    settings: Settings
    runs: list[Run]
    bursts: list[BurstFacts] = field(default_factory=list)
    books: dict[tuple[int, str, str], Book] = field(default_factory=dict)
    guards: list[GuardFacts] = field(default_factory=list)
    seen_fills: dict[str, array] = field(default_factory=dict)  # asset -> 1 where some poll saw the fill
    market: Market | None = None
    tree: TreeWriter | None = None
    second_system: SecondSystem | None = None
    steps: StepLog = field(default_factory=StepLog)
    alerts: list[dict[str, object]] = field(default_factory=list)  # of scripted incidents
    registry: dict[str, object] = field(default_factory=dict)  # of scripted releases


def simulate(settings: Settings, root: Path) -> Simulated:
    """Write the clean tree of `settings` below `root` (which must not exist or be empty) and return what was written."""
    was_enabled = gc.isenabled()
    gc.disable()  # millions of records are held at a time, none in a cycle: the search for cycles would cost much
    try:
        return _simulate(settings, root)
    finally:
        if was_enabled:
            gc.enable()


def _simulate(settings: Settings, root: Path) -> Simulated:
    market = Market(settings, BOTS)
    runs = plan_runs(settings)
    planned = plan_bursts(settings, market, runs)
    world = _World(settings, market, runs, len(planned), root)
    tree = world.result.tree
    if settings.has_second_system:
        world.result.second_system = _second_system(settings, market, tree)
    day_end = (ist_day(planned[0].start_us) + 1) * DAY_US - IST_US if planned else 0
    for plan in planned:
        if plan.start_us > day_end + _FLUSH_DELAY_US:
            tree.flush(ist_day(plan.start_us - _FLUSH_DELAY_US))
            day_end = (ist_day(plan.start_us - _FLUSH_DELAY_US) + 1) * DAY_US - IST_US
        world.burst(plan)
    tree.flush(_NEVER)
    tree.close()
    marker = {"is_synthetic": True, "written_by": "raw_loaders.simulate", "arguments": settings.as_manifest()}
    (root / MARKER).write_text(json.dumps(marker, indent=1) + "\n")
    return world.result


def _second_system(settings: Settings, market: Market, tree: TreeWriter) -> SecondSystem:
    keys: dict[tuple[str, str], FileKey] = {}

    def add(stream: str, symbol: str, us: int, line: str) -> None:
        key = keys.setdefault((stream, symbol), FileKey(stream, SECOND_SYSTEM, symbol))
        tree.add(key, us, line, FOREIGN)

    return write_second_system(settings, market, add)


class _World:
    """State while the bursts are written one after the other."""

    def __init__(self, settings: Settings, market: Market, runs: list[Run], bursts: int, root: Path) -> None:
        self.settings, self.market = settings, market
        self.trading = ACTIVE if settings.trading == "active" else REALISTIC
        self.bursts_left, self.executions = bursts, 0
        self.model = Model(settings, market)
        tree = TreeWriter(root, is_one_member=settings.is_one_member)
        self.result = Simulated(settings, runs, market=market, tree=tree)
        self.tapes = {asset: FillTape(settings, market, asset) for asset in settings.assets}
        self.result.seen_fills = {asset: array("b", bytes(len(tape.ms))) for asset, tape in self.tapes.items()}
        self.features = {(asset, bot.name): Features(market.bars(asset, bot.name)) for asset in settings.assets for bot in BOTS}
        self.keys = FileKeys([bot.name for bot in BOTS], settings.assets)
        self.run_free_us = [0] * len(runs)
        self.tail_free_us: dict[tuple[int, int], int] = {}

    def burst(self, plan: Planned) -> None:
        """Write everything that belongs to one planned decision."""
        bot, asset, run = BOTS[plan.bot], self.settings.assets[plan.asset], self.result.runs[plan.run]
        bars = self.market.bars(asset, bot.name)
        bar_ms = bars.open_ms(plan.bar)
        number = len(self.result.bursts)
        if number % _STEER_EVERY == 0:
            self._steer()
        self.bursts_left -= 1
        facts = BurstFacts(plan.run, bot.name, asset, bar_ms, plan.counter)
        self.result.bursts.append(facts)
        add, keys = self.result.tree.add, self.keys.of(bot.name, asset)

        steps = self.result.steps
        fault = draw_fault(Dice(self.settings.seed, plan.run, plan.bot, plan.asset, plan.bar, 0xFA), self.settings.trace_faults)

        def write(stream: str, us: int, line: str, landed_us: int | None = None) -> None:
            landed_us = us if landed_us is None else landed_us
            if fault and fault.stream == stream:
                if fault.kind == "omitted":
                    facts.lost = stream
                    return
                if fault.kind == "doubled":
                    add(keys[stream], landed_us, line, FOREIGN)
                else:  # it still lands in the file of the day it was emitted on
                    landed_us = min(us + fault.late_us, (ist_day(us) + 1) * DAY_US - IST_US - 1)
            steps.add(number, stream, us)
            add(keys[stream], landed_us, line, number)

        at = max(plan.start_us, self.run_free_us[plan.run])
        dice = Dice(self.settings.seed, plan.run, plan.bot, plan.asset, plan.bar, 0xB1)
        at = self._poll(plan, run.run_id, asset, bar_ms, bars.interval_ms, at, number)
        book = self.result.books.setdefault((plan.run, bot.name, asset), Book(bot.name, plan.run, asset))
        prediction = self.model.predict(plan.bot, plan.asset, plan.bar, plan.run, plan.counter, self.trading)
        book.recent = [*book.recent[-59:], (prediction.p_down, prediction.p_up, prediction.s_model)]
        decision = decide(bot, self.trading, book, prediction, bars.close(plan.bar), plan.counter)
        if decision.token:
            self.result.guards.append(
                GuardFacts(number, decision.token, decision.is_causal, decision.masked, prediction.direction)
            )
        fills = []
        if decision.target is not None:
            fills = book.trade_to(
                decision.target, bars.close_ticks[plan.bar], plan.counter, dice,
                is_forced=decision.is_forced, exit_reason=decision.exit_reason,
            )  # fmt: skip
        self.executions += len(fills)
        facts.ensemble_us = at
        features = self.features[asset, bot.name].at(plan.bar, min(plan.counter, _MAX_COUNTER))
        burst = Burst(
            bot, run, asset, plan.bar, bar_ms, plan.counter, bars, features, prediction, decision, fills, book, dice,
            self.settings.late_share,
        )  # fmt: skip
        tail = (plan.bot, plan.asset)
        facts.pnl_us, facts.end_us = write_burst(burst, at, self.tail_free_us.get(tail, 0), write)
        self.tail_free_us[tail] = facts.end_us + 200
        self.run_free_us[plan.run] = facts.end_us + 1_000
        run.books[bot.name, asset] = plan.counter + 1

    def _steer(self) -> None:
        """Keep the share of trading bars such that the wanted number of executions results in the end."""
        if self.settings.fills is None:
            return
        missing = max(self.settings.fills - self.executions, 0)
        share = missing / _EXECUTIONS_PER_TRADE_BAR / self.bursts_left
        limit = 1.0 - self.trading.guard_share - self.trading.band_share
        self.trading = replace(self.trading, trade_share=min(share, limit))

    def _poll(self, plan: Planned, run_id: str, asset: str, bar_ms: int, interval_ms: int, at: int, number: int) -> int:
        """Write the third-party fills this burst is the first of its run and bot to see; returns when that was done."""
        tape = self.tapes[asset]
        width = interval_ms if plan.counter else 2 * interval_ms
        low, high = tape.between(bar_ms - width, bar_ms)
        if low == high:
            return at
        key = self.keys.of(BOTS[plan.bot].name, asset)["hyperliquid_fills"]
        middles, seen = tape.middles, self.result.seen_fills[asset]
        entries = []
        for index in range(low, high):
            at += 350 + index * 7919 % 400
            entries.append((at, fill_line(run_id, middles[index], at), number))
            seen[index] = 1
        self.result.tree.add_all(key, entries)
        return at + 2_000
