"""Scripted incidents: what happens bar by bar, and which alerts must come of it. Both are written down by hand, side by side.

Each episode is one IST day with one process of bot 5m. Bar 0 opens at 10:00, is decided just after 10:05 and seen at 10:10 by
whoever looks every five minutes; bar n is seen 5 n minutes later. An account starts with 10,000 USD, its daily risk budget is
1.5 % of that. What is told once a day rests on figures that the script makes plain: counts, the worst loss, the sign of a sum.
"""

from dataclasses import dataclass, field

QUIET_BARS = 36  # as long as the longest escalation needs; too short for figures that need a day's worth of predictions
START_HOUR_IST = 10
FIRST_SEEN_MIN = 10  # after START_HOUR_IST
BOT = "5m"
SYMBOL = "BTCUSDT"


@dataclass(frozen=True)
class Alert:
    """An alert that must come: seen first at bar `bar`, in a breach that has stood since bar `since`."""

    rule: str
    level: str
    bar: int
    since: int
    suppressed: int
    is_escalated: bool = False
    outcome: str = "sent"


@dataclass(frozen=True)
class OfDay:
    """An alert on a figure of the whole day; told once, when the day is over."""

    rule: str
    level: str
    dimension: str = "bot"
    dimension_value: str = BOT


@dataclass(frozen=True)
class Episode:
    """One day: bars by number; whatever is not named is quiet. `loss_pct`: (from bar, percent of the deposit)."""

    name: str
    alerts: tuple[Alert, ...]
    of_day: tuple[OfDay, ...]
    bars: int = QUIET_BARS
    loss_pct: tuple[tuple[int, float], ...] = ()
    throttled: frozenset[int] = field(default_factory=frozenset)
    in_and_out: frozenset[int] = field(default_factory=frozenset)
    silent: frozenset[int] = field(default_factory=frozenset)  # the process lives, but decides nothing
    reconnects: tuple[tuple[int, int], ...] = ()  # (bar with a health record, reconnects of the process so far)
    order_share: float = 0.0008  # of the base notional: one order each hour, too small for an impact worth a warning

    def pnl_usd(self, bar: int) -> float:
        """What the account has made by bar `bar`, in USD."""
        lost = 0.0
        for start, percent in self.loss_pct:
            lost = percent if bar >= start else lost
        return -100.0 * lost
