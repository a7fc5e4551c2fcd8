"""Reference implementations of the feature statistics, the vocabulary and its hash function."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from reference.numerics import MASK


@dataclass
class Scaler:
    """Mean and population variance by Welford's recurrence, winsorized, with a least rate of forgetting."""

    clip: float
    rate_min: float
    n: int = 0
    mean: float = 0.0
    variance: float = 0.0
    window: list[float] = field(default_factory=list)
    block: list[tuple[float, bool]] = field(default_factory=list)
    """The latest values, up to 16, and whether each was far away."""
    usual: float = 0.0
    streak: int = 0
    burst: float = 0.0

    def standardize(self, x: float) -> float:
        if self.variance == 0:
            return 0.0
        return min(max((x - self.mean) / math.sqrt(self.variance), -self.clip), self.clip)

    def observe(self, x: float) -> None:
        if len(self.block) == 16:
            self.block = []
        self.block.append((x, abs(x - self.mean) > 5 * math.sqrt(self.variance)))
        self.n += 1
        rate = max(1 / self.n, self.rate_min)
        deviation = x - self.mean
        if self.variance > 0:
            limit = self.clip * math.sqrt(self.variance)
            deviation = min(max(deviation, -limit), limit)
        self.mean += rate * deviation
        self.variance = (1 - rate) * (self.variance + rate * deviation**2)
        if self.variance <= 1e-60:
            self.variance = 0.0
        if len(self.block) == 16 and self.n >= 47:
            self._check_block()
        self._check_start(x)

    def _check_block(self) -> None:
        """Compare 16 values, none of which is among the first 31, with the statistics."""
        mean, variance = self.block_statistics()
        far = sum(is_far for _, is_far in self.block)
        spread = variance + (mean - self.mean) ** 2
        comparable = variance > 1e-60 and self.variance > 0
        is_larger = spread > 4 * self.burst and (far >= 6 or (far >= 3 and variance > 9 * self.variance))
        if comparable and is_larger:
            self.streak = max(self.streak, 0) + 1
        elif comparable and 16 * variance < min(self.usual, self.variance):
            self.streak = min(self.streak, 0) - 1
        else:
            self.streak = 0
            if self.usual > 0:
                rate = 1 / 2 if variance < self.usual else 1 / 64
                self.usual += rate * (min(variance, 16 * self.usual) - self.usual)
            else:
                self.usual = variance

    def block_statistics(self) -> tuple[float, float]:
        values = [value for value, _ in self.block]
        mean = sum(values) / 16
        return mean, sum((value - mean) ** 2 for value in values) / 16

    def change(self) -> int:
        if len(self.block) < 16 or -3 < self.streak < 3:
            return 0
        return 1 if self.streak > 0 else -1

    def settle(self, follow: bool) -> None:
        mean, variance = self.block_statistics()
        if follow:
            self.n, self.mean, self.variance, self.usual = 15, mean, variance, variance
            self.streak, self.burst, self.window = 0, 0.0, []
        elif self.streak < 0:
            self.usual = variance
        else:
            self.burst = max(self.burst, variance + (mean - self.mean) ** 2)
        self.block = []

    def _check_start(self, x: float) -> None:
        """Start again from the values of a window where the ones before were of quite another scale."""
        if self.n > 31:
            return
        if self.n in (1, 2, 4, 8, 16):
            self.window = []
        self.window.append(x)
        if self.n in (7, 15, 31):
            mean = sum(self.window) / len(self.window)
            variance = sum((value - mean) ** 2 for value in self.window) / len(self.window)
            if variance > 1e-60 and self.variance > (2 * self.clip) ** 2 * variance:
                self.mean, self.variance = mean, variance


class FrequencySketch:
    """Count-min sketch with conservative update, whose counters are halved after each `width / 2` names."""

    def __init__(self, rows_max: int) -> None:
        self.width = 1024
        while self.width < 2 * rows_max:
            self.width *= 2
        self.counters: list[list[int]] = []
        self.n_added = 0

    def places(self, name: str) -> list[tuple[int, int]]:
        word = siphash24(name.encode())
        low, high = word % 2**32, (word >> 32) | 1
        return [(i, (low + i * high) % self.width) for i in range(4)]

    def estimate(self, name: str) -> int:
        return min(self.counters[i][at] for i, at in self.places(name)) if self.counters else 0

    def add(self, name: str) -> int:
        if not self.counters:
            self.counters = [[0] * self.width for _ in range(4)]
        if self.n_added == self.width // 2:
            self.counters = [[count // 2 for count in row] for row in self.counters]
            self.n_added = 0
        self.n_added += 1
        least = self.estimate(name)
        for i, at in self.places(name):
            self.counters[i][at] = max(self.counters[i][at], min(least + 1, 255))
        return self.estimate(name)


class Vocabulary:
    """Admission by frequency: a newcomer competes with the least used name, of those with the longest unused."""

    def __init__(self, keys_max: int, when_full: str) -> None:
        self.keys_max = keys_max
        self.when_full = when_full
        self.row_of: dict[str, int] = {}
        self.stamp_of: dict[str, int] = {}
        self.born_of: dict[str, int] = {}
        self.uses_of: dict[str, int] = {}
        self.newcomers = FrequencySketch(keys_max + 1)
        self.pressure = 0
        self.pressed_at = -1
        self.evicted = 0
        self.shared = 0

    def learn(self, key: str, now: int) -> tuple[int, str | None]:
        """The row of the key, 0 if it got none, and the key that had to go for it."""
        gone = None
        came = 1
        if key not in self.row_of:
            row = len(self.row_of) + 1
            if row > self.keys_max:
                gone, came = self.loser(key, now) if self.when_full == "evict" else (None, 0)
                if gone is None:
                    self.shared += 1
                    return 0, None
                row = self.row_of.pop(gone)
                del self.stamp_of[gone], self.born_of[gone], self.uses_of[gone]
                self.evicted += 1
            self.row_of[key] = row
            self.born_of[key] = now
            self.uses_of[key] = min(max(came - 1, 1), 15)
        else:
            self.uses_of[key] = min(self.uses_of[key] + 1, 15)
        self.stamp_of[key] = now
        return self.row_of[key], gone

    def loser(self, key: str, now: int) -> tuple[str | None, int]:
        """The key that has to go for a newcomer, None if the newcomer is turned away, and how often that one came."""
        came = self.newcomers.add(key)
        others = [k for k in self.row_of if self.stamp_of[k] != now]
        if not others:
            return None, came
        least = min(others, key=lambda k: (self.uses_of[k], self.stamp_of[k], self.row_of[k]))
        if self.uses_of[least] <= 1 or came > self.uses_of[least]:
            return least, came
        if came > 1 and self.pressed_at != now:
            self.pressed_at = now
            self.pressure += 1
            if self.pressure > self.keys_max:
                self.pressure = 0
                self.uses_of = {k: uses // 2 for k, uses in self.uses_of.items()}
        return None, came

    def keys(self) -> list[str]:
        return sorted(self.row_of, key=self.row_of.__getitem__)


def siphash24(data: bytes, key: bytes = bytes(range(16))) -> int:
    """SipHash-2-4 as section 2 of Aumasson and Bernstein 2012 states it."""
    k0, k1 = int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little")
    v0, v1 = k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D
    v2, v3 = k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573

    def rotated(x: int, bits: int) -> int:
        return ((x << bits) | (x >> (64 - bits))) & MASK

    def rounds(count: int) -> None:
        nonlocal v0, v1, v2, v3
        for _ in range(count):
            v0, v2 = (v0 + v1) & MASK, (v2 + v3) & MASK
            v1, v3 = rotated(v1, 13) ^ v0, rotated(v3, 16) ^ v2
            v0 = rotated(v0, 32)
            v2, v0 = (v2 + v1) & MASK, (v0 + v3) & MASK
            v1, v3 = rotated(v1, 17) ^ v2, rotated(v3, 21) ^ v0
            v2 = rotated(v2, 32)

    padded = data + bytes(-(len(data) + 1) % 8) + bytes([len(data) % 256])
    for at in range(0, len(padded), 8):
        word = int.from_bytes(padded[at : at + 8], "little")
        v3 ^= word
        rounds(2)
        v0 ^= word
    v2 ^= 0xFF
    rounds(4)
    return v0 ^ v1 ^ v2 ^ v3
