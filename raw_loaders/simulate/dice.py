"""Random numbers that depend on names only, never on the order of calls elsewhere."""

import zlib

import numpy as np

_MASK = (1 << 64) - 1
_SCALE = 2.0**-53


def generator(seed: int, *names: object) -> np.random.Generator:
    """A numpy generator for one purpose, e.g. generator(7, "market", "BTCUSDT")."""
    return np.random.Generator(np.random.PCG64([seed, *(zlib.crc32(str(name).encode()) for name in names)]))


class Dice:
    """A small fast stream of uniforms (splitmix64), one per burst."""

    __slots__ = ("_state",)

    def __init__(self, *keys: int) -> None:
        state = 0x9E3779B97F4A7C15
        for key in keys:
            state = ((state ^ key) * 0xBF58476D1CE4E5B9 + 0x94D049BB133111EB) & _MASK
            state ^= state >> 29
        self._state = state

    def u(self) -> float:
        """The next number in [0, 1)."""
        self._state = state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        return ((state ^ (state >> 31)) >> 11) * _SCALE

    def us(self, low: int, high: int) -> int:
        """A whole number of microseconds in [low, high)."""
        return low + int(self.u() * (high - low))
