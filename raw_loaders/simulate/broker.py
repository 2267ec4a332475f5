"""The paper account of one book (run, bot, asset): target position in, executions out, exact integers inside."""

from dataclasses import dataclass, field

from raw_loaders.simulate.dice import Dice
from raw_loaders.simulate.market import TICKS_PER_USD
from raw_loaders.simulate.settings import BASE_NOTIONAL_USD, FEE_BPS, IMPACT_K

QTY_UNITS = 1_000_000  # per coin
PX_UNITS = 100_000  # per USD
_SLIP_NUMERATOR = {1: 10_002, -1: 9_998}  # 2 bps against the order, in 1/10,000 of a tick price


@dataclass(slots=True)
class Fill:
    """One execution. `qty` in 1e-6 coins, signed; `px` in 1e-5 USD; what follows `exit_reason` is set when it is written."""

    qty: int
    px: int
    is_forced: bool
    exit_reason: str | None
    emitted_us: int = 0
    event_id: str = ""
    fee_usd_logged: float = 0.0
    impact_usd_logged: float = 0.0


@dataclass(slots=True)
class Book:
    """Position and money of one book since the start of its run."""

    bot: str
    run: int
    asset: str
    position: int = 0  # 1e-6 coins
    cash: int = 0  # 1e-11 USD
    fees_usd: float = 0.0
    impact_usd: float = 0.0
    entry_px: float = 0.0
    entry_counter: int = 0
    fills: list[Fill] = field(default_factory=list)
    in_band: int = 0
    executions_since_health: int = 0
    last_target: float = 0.0
    recent: list[tuple[float, float, float]] = field(default_factory=list)
    has_forced: bool = False
    reconnects: int = 0

    def fraction(self, close: float) -> float:
        """Position as a fraction of the base notional."""
        return self.position / QTY_UNITS * close / BASE_NOTIONAL_USD

    def pnl_usd(self, close_ticks: int) -> float:
        """Realised plus unrealised P&L after modelled costs."""
        mark = self.position * close_ticks * (PX_UNITS // TICKS_PER_USD)
        return (self.cash + mark) / (QTY_UNITS * PX_UNITS) - self.fees_usd - self.impact_usd

    def unrealised_bps(self, close: float) -> float:
        """Move since the entry price in favour of the position, in bps."""
        return 0.0 if not self.position else (close / self.entry_px - 1.0) * 1e4 * (1 if self.position > 0 else -1)

    def trade_to(
        self, target: float, close_ticks: int, counter: int, dice: Dice, *, is_forced: bool, exit_reason: str | None
    ) -> list[Fill]:
        """Move the position to `target` (fraction of base notional) with one market order, filled in one to three parts."""
        close = close_ticks / TICKS_PER_USD
        wanted = int(target * BASE_NOTIONAL_USD / close * QTY_UNITS) if target else 0
        order = wanted - self.position
        parts = _split(order, dice)
        side = 1 if order > 0 else -1
        fills = []
        for number, part in enumerate(parts):
            px = (close_ticks + side * number) * _SLIP_NUMERATOR[side]
            self._book(part, px, counter)
            fills.append(Fill(part, px, is_forced, exit_reason))
        self.fills.extend(fills)
        self.executions_since_health += len(fills)
        self.last_target = abs(target)
        return fills

    def _book(self, qty: int, px: int, counter: int) -> None:
        before = self.position
        self.position += qty
        self.cash -= qty * px
        coins, usd = abs(qty) / QTY_UNITS, px / PX_UNITS
        self.fees_usd += coins * usd * FEE_BPS / 1e4
        self.impact_usd += IMPACT_K * coins * coins * usd
        if before == 0 or before * self.position < 0:
            self.entry_px, self.entry_counter = usd, counter
        elif before * qty > 0:
            held = abs(before)
            self.entry_px = (self.entry_px * held + usd * abs(qty)) / (held + abs(qty))


def _split(order: int, dice: Dice) -> list[int]:
    """The parts in which the market fills an order."""
    draw = dice.u()
    if abs(order) < 30 or draw < 0.7:
        return [order] if order else []
    if draw < 0.78:  # two equal halves: same price step apart, same size
        half = order // 2
        return [half, order - half]
    first = int(order * (0.2 + 0.5 * dice.u()))
    rest = order - first
    if draw < 0.9:
        return [first, rest]
    second = int(rest * (0.3 + 0.4 * dice.u()))
    return [first, second, rest - second]
