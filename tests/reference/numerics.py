"""Reference implementations of number checks and of the random generator."""

from __future__ import annotations

import math

MASK = 2**64 - 1


def is_usable(value: float | None) -> bool:
    return value is not None and -1e100 < value < 1e100


def bounded(value: float) -> float:
    """Errors and gradients beyond 1e100 count as that, so that nothing overflows however a model diverges."""
    return min(max(value, -1e100), 1e100)


class SplitMix64:
    """The generator of Steele, Lea and Flood 2014, figure 17 and following, with normal variates on top."""

    def __init__(self, seed: int) -> None:
        self.state = seed & MASK

    def word(self) -> int:
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def below(self, n: int) -> int:
        return self.word() % n

    def uniform(self) -> float:
        return ((self.word() >> 11) + 1) / 2**53

    def normal(self) -> float:
        """One of the pair that Box and Muller 1958 make of two uniform variates."""
        radius = math.sqrt(-2 * math.log(self.uniform()))
        return radius * math.cos(2 * math.pi * self.uniform())
