"""Round trips of a book, in exact decimals, straight from its executions in order."""

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal, localcontext

from raw_loaders.simulate.broker import PX_UNITS, QTY_UNITS, Book, Fill
from raw_loaders.simulate.clock import ist

_MONEY_UNITS = QTY_UNITS * PX_UNITS
_SHARE_PLACES = Decimal("1e-10")
_EXIT_CLASSES = (
    ("model_reversal", "SIGNAL_FLIP"),
    ("stop_loss", "STOP_LOSS"),
    ("take_profit", "TAKE_PROFIT"),
    ("max_duration", "TIME_EXIT"),
)


@dataclass
class Episode:
    """From flat to flat (or to a flip). Quantities in 1e-6 coins, money in 1e-11 USD; fees and impact as logged, in USD."""

    side: int
    opened_by: Fill
    closed_by: Fill | None = None
    entry_qty: int = 0
    exit_qty: int = 0
    entry_notional: int = 0
    exit_notional: int = 0
    realised: int = 0
    fee_usd: Decimal = Decimal(0)
    impact_usd: Decimal = Decimal(0)
    fills: int = 0
    last_exit_reason: str | None = None
    has_forced: bool = False
    lots: deque[list[int]] = field(default_factory=deque)


def episodes(fills: list[Fill]) -> list[Episode]:
    """Cut a book's executions into episodes; exits match the oldest open quantity first (FIFO).

    A flip closes one episode and opens the next; its fee and impact are shared by quantity, rounded to 1e-10 USD for the
    closing part, the rest to the opening part.
    """
    done: list[Episode] = []
    current: Episode | None = None
    position = 0
    for fill in fills:
        fee, impact = Decimal(str(fill.fee_usd_logged)), Decimal(str(fill.impact_usd_logged))
        left = fill.qty
        if current is not None and position * left < 0:
            part = min(abs(left), abs(position))
            share = Decimal(part) / Decimal(abs(left))
            part_fee = fee if part == abs(left) else (fee * share).quantize(_SHARE_PLACES)
            part_impact = impact if part == abs(left) else (impact * share).quantize(_SHARE_PLACES)
            _exit(current, fill, part, part_fee, part_impact)
            fee, impact = fee - part_fee, impact - part_impact
            sign = 1 if left > 0 else -1
            left -= sign * part
            position += sign * part
            if position == 0:
                current.closed_by = fill
                current = None
        if left:
            if current is None:
                current = Episode(1 if left > 0 else -1, fill)
                done.append(current)
            _enter(current, fill, abs(left), fee, impact)
            position += left
    return done


def _enter(episode: Episode, fill: Fill, qty: int, fee: Decimal, impact: Decimal) -> None:
    episode.entry_qty += qty
    episode.entry_notional += qty * fill.px
    episode.lots.append([qty, fill.px])
    _count(episode, fill, fee, impact)


def _exit(episode: Episode, fill: Fill, qty: int, fee: Decimal, impact: Decimal) -> None:
    episode.exit_qty += qty
    episode.exit_notional += qty * fill.px
    episode.last_exit_reason = fill.exit_reason
    _count(episode, fill, fee, impact)
    while qty:
        lot = episode.lots[0]
        matched = min(qty, lot[0])
        episode.realised += episode.side * (fill.px - lot[1]) * matched
        lot[0] -= matched
        qty -= matched
        if not lot[0]:
            episode.lots.popleft()


def _count(episode: Episode, fill: Fill, fee: Decimal, impact: Decimal) -> None:
    episode.fee_usd += fee
    episode.impact_usd += impact
    episode.fills += 1
    episode.has_forced = episode.has_forced or fill.is_forced


def exit_class(reason: str | None) -> str | None:
    """The class of a logged exit reason; None when the log names none (a position that was only made smaller)."""
    if reason is None:
        return None
    return next(name for prefix, name in _EXIT_CLASSES if reason.startswith(prefix))


def as_manifest(book: Book, run_id: str, has_run_ended: bool) -> list[dict[str, object]]:
    """The episodes of one book as manifest entries: decimals are strings, net = gross - fees (impact stated apart)."""
    rows = []
    for episode in episodes(book.fills):
        is_closed = episode.closed_by is not None
        gross = Decimal(episode.realised) / _MONEY_UNITS
        rows.append(
            {
                "bot": book.bot,
                "run_id": run_id,
                "symbol": book.asset,
                "status": "closed" if is_closed else "run_end" if has_run_ended else "open",
                "side": "LONG" if episode.side > 0 else "SHORT",
                "opened_by": fill_reference(episode.opened_by),
                "closed_by": fill_reference(episode.closed_by) if is_closed else None,
                "fills": episode.fills,
                "entry_qty": _plain(Decimal(episode.entry_qty) / QTY_UNITS),
                "exit_qty": _plain(Decimal(episode.exit_qty) / QTY_UNITS),
                "entry_vwap_px": _vwap(episode.entry_notional, episode.entry_qty),
                "exit_vwap_px": _vwap(episode.exit_notional, episode.exit_qty),
                "gross_usd": _plain(gross),
                "fee_usd": _plain(episode.fee_usd),
                "impact_usd": _plain(episode.impact_usd),
                "net_usd": _plain(gross - episode.fee_usd),
                "exit_reason_logged": episode.last_exit_reason if is_closed else None,
                "exit_reason": exit_class(episode.last_exit_reason) if is_closed else ("RUN_END" if has_run_ended else None),
                "is_forced": episode.has_forced,
            }
        )
    return rows


def fill_reference(fill: Fill) -> dict[str, str]:
    """How the manifest names an execution: its event id (no key) and its emission time (unique within a book)."""
    return {"event_id": fill.event_id, "emitted_at": ist(fill.emitted_us)}


def _vwap(notional: int, qty: int) -> str | None:
    """Volume-weighted price, rounded to 1e-10 USD."""
    if not qty:
        return None
    with localcontext() as context:
        context.prec = 50
        return _plain((Decimal(notional) / qty / PX_UNITS).quantize(_SHARE_PLACES))


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
