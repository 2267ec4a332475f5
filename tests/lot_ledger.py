"""An exact lot ledger in plain Python, one fill at a time: the reference for the set-based one."""

import random
from collections import deque
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

UNIT = Decimal("1e-10")


@dataclass
class Trip:
    """What the reference knows of one episode."""

    sign: int
    entries: list[tuple[Decimal, Decimal]] = field(default_factory=list)
    exits: list[tuple[Decimal, Decimal]] = field(default_factory=list)
    lots: deque[list[Decimal]] = field(default_factory=deque)
    gross: Decimal = Decimal(0)
    average_gross: Decimal = Decimal(0)
    pool: Decimal = Decimal(0)
    fills: int = 0

    @property
    def open_qty(self) -> Decimal:
        return sum((lot[0] for lot in self.lots), Decimal(0))

    def enter(self, qty: Decimal, px: Decimal) -> None:
        self.entries.append((qty, px))
        self.lots.append([qty, px])
        self.pool += qty * px
        self.fills += 1

    def leave(self, qty: Decimal, px: Decimal) -> None:
        self.exits.append((qty, px))
        self.fills += 1
        cost = self.pool * qty / self.open_qty
        self.average_gross += self.sign * (px * qty - cost)
        self.pool -= cost
        while qty:
            lot = self.lots[0]
            met = min(qty, lot[0])
            self.gross += self.sign * (px - lot[1]) * met
            lot[0] -= met
            qty -= met
            if not lot[0]:
                self.lots.popleft()


def ledger(tape: list[tuple[Decimal, Decimal]]) -> list[Trip]:
    """Episodes of one book; `tape` holds (signed quantity, price) in order."""
    trips: list[Trip] = []
    position = Decimal(0)
    for signed, px in tape:
        sign, left = (1 if signed > 0 else -1), abs(signed)
        if position * sign < 0:
            closing = min(left, abs(position))
            trips[-1].leave(closing, px)
            position += sign * closing
            left -= closing
        if left:
            if position == 0:
                trips.append(Trip(sign))
            trips[-1].enter(left, px)
            position += sign * left
    return trips


def random_tape(dice: random.Random, length: int) -> list[tuple[Decimal, Decimal]]:
    """Fills of awkward sizes; some bring the position back to flat, some turn it around."""
    tape, position = [], Decimal(0)
    for _ in range(length):
        px = Decimal(dice.randrange(8_000_000_000, 9_000_000_000)).scaleb(-dice.choice([5, 5, 5, 4]))
        qty = Decimal(dice.randrange(1, 10 ** dice.randrange(3, 9))).scaleb(-dice.choice([6, 8, 10]))
        signed = dice.choice([-1, 1]) * qty
        if position and dice.random() < 0.25:
            signed = -position  # flat
        elif position and dice.random() < 0.2:
            signed = -position - (qty if position > 0 else -qty)  # flip
        tape.append((signed, px))
        position += signed
    return tape


def vwap(parts: list[tuple[Decimal, Decimal]]) -> Decimal | None:
    """Volume-weighted price at 1e-10."""
    if not parts:
        return None
    with localcontext() as context:
        context.prec = 60
        notional, qty = sum(q * p for q, p in parts), sum(q for q, _ in parts)
        return (notional / qty).quantize(UNIT, ROUND_HALF_EVEN)


def as_rows(trips: list[Trip], gross: str = "gross") -> list[tuple]:
    """The reference as tuples: direction, fills, entry qty, exit qty, entry vwap, exit vwap, gross."""
    return [
        (
            "LONG" if trip.sign > 0 else "SHORT", trip.fills, sum(q for q, _ in trip.entries),
            sum((q for q, _ in trip.exits), Decimal(0)), vwap(trip.entries), vwap(trip.exits), getattr(trip, gross),
        )
        for trip in trips
    ]  # fmt: skip
