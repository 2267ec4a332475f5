"""Rounds numbers for people and language models without changing what they say."""

import math
from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal

MOST_DECIMALS = 15


def _sign(value: Decimal) -> int:
    return (value > 0) - (value < 0)


def rounded(value: float | Decimal | None, decimals: int, boundaries: Iterable[float | Decimal | None] = ()) -> float | None:
    """`value` with at most `decimals` decimals, and with as many more as its sign and its side of each boundary need.

    0.0004 does not become 0 (no sign), and 0.5496 does not become 0.55 beside the boundary 0.55 (it would then pass). What is no
    finite number is None.
    """
    if value is None or not math.isfinite(value):
        return None
    exact = value if isinstance(value, Decimal) else Decimal(repr(value))
    limits = [Decimal(repr(b)) if isinstance(b, float) else Decimal(b) for b in boundaries if b is not None and math.isfinite(b)]
    for digits in range(decimals, MOST_DECIMALS + 1):
        candidate = exact.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN)
        if _sign(candidate) == _sign(exact) and all(_sign(candidate - limit) == _sign(exact - limit) for limit in limits):
            return float(candidate) + 0.0
    return float(exact)
