"""Reference implementations of the drift detectors, from lists of all values, and of what a watch gives them."""

from __future__ import annotations

import math
import random
import statistics
from dataclasses import dataclass, field

import numpy as np

from edgedescent.drift import ADWIN, KSWIN, Detector, PageHinkley


@dataclass
class Window:
    """The window of ADWIN as a list of buckets, each a list of its values, the oldest first."""

    detector: ADWIN
    buckets: list[list[float]] = field(default_factory=list)
    ticks: int = 0

    def update(self, x: float) -> bool:
        self.buckets.append([x])
        self._merge()
        self.ticks += 1
        n = sum(map(len, self.buckets))
        if self.ticks % self.detector.clock or n <= self.detector.grace_period:
            return False
        return self._differs()

    def _merge(self) -> None:
        size = 1
        while sum(len(bucket) == size for bucket in self.buckets) > self.detector.max_buckets:
            first = next(i for i, bucket in enumerate(self.buckets) if len(bucket) == size)
            self.buckets[first : first + 2] = [self.buckets[first] + self.buckets[first + 1]]
            size *= 2

    def _differs(self) -> bool:
        values = np.array([x for bucket in self.buckets for x in bucket])
        n, shortest = len(values), self.detector.min_window_length
        for n0 in np.cumsum([len(bucket) for bucket in self.buckets])[:-1]:
            n1 = n - n0
            if n0 < shortest or n1 < shortest:
                continue
            strictness = math.log(2 * math.log(n) / self.detector.delta)
            m = 1 / (n0 - shortest + 1) + 1 / (n1 - shortest + 1)
            limit = math.sqrt(2 * m * values.var() * strictness) + 2 / 3 * strictness * m
            if abs(values[:n0].mean() - values[n0:].mean()) > limit:
                return True
        return False


@dataclass
class Sums:
    """The Page-Hinkley test from all values."""

    detector: PageHinkley
    values: list[float] = field(default_factory=list)
    rises: list[float] = field(default_factory=list)
    falls: list[float] = field(default_factory=list)

    def update(self, x: float) -> bool:
        self.values.append(x)
        n = len(self.values)
        deviation = x - statistics.fmean(self.values)
        for sums, delta in ((self.rises, -self.detector.delta), (self.falls, self.detector.delta)):
            sums.append(self.detector.alpha * (sums[-1] if sums else 0.0) + deviation + delta)
        if n < self.detector.min_instances:
            return False
        rise, fall = self.rises[-1] - min(self.rises), max(self.falls) - self.falls[-1]
        modes = {"up": rise, "down": fall, "both": max(rise, fall)}
        return modes[self.detector.mode] > self.detector.threshold


@dataclass
class Samples:
    """KSWIN with Python's own generator, and the p-value by counting paths."""

    detector: KSWIN
    window: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.generator = random.Random(self.detector.seed)

    def update(self, x: float) -> bool:
        size, n = self.detector.window_size, self.detector.stat_size
        self.window = [*self.window, x][-size:]
        if len(self.window) < size:
            return False
        drawn = [self.window[i] for i in self.generator.sample(range(size - n), n)]
        latest = self.window[-n:]
        farthest = max(abs(sum(a <= v for a in drawn) - sum(b <= v for b in latest)) for v in self.window)
        return farthest / n > 0.1 and p_value(farthest, n) <= self.detector.alpha


def p_value(h: int, n: int) -> float:
    """Share of the paths from (0, 0) to (n, n) that reach a distance of `h` from the diagonal."""
    if h == 0:
        return 1.0
    # Number of paths that stay within it, by their difference.
    within = {0: 1}
    for step in range(1, 2 * n + 1):
        reached: dict[int, int] = {}
        for at, count in within.items():
            for there in (at - 1, at + 1):
                if abs(there) < h and abs(there) <= 2 * n - step:
                    reached[there] = reached.get(there, 0) + count
        within = reached
    return 1.0 - within.get(0, 0) / math.comb(2 * n, n)


TWINS = {ADWIN: Window, PageHinkley: Sums, KSWIN: Samples}


def alarms(detector: Detector, values: list[float]) -> list[int]:
    """Place of each alarm."""
    twin, found = TWINS[type(detector)](detector), []
    for i, x in enumerate(values):
        if twin.update(x):
            found.append(i)
            twin = TWINS[type(detector)](detector)
    return found


def standardized(values: list[float]) -> list[float]:
    """What the detector of a watch gets of values without an alarm."""
    center = statistics.median(values[:64])
    away = [abs(value - center) for value in values[:64]]
    scale = 1.4826 * statistics.median(away) or statistics.fmean(away)
    return [min(max(0.5 + (value - center) / (10 * scale), 0.0), 1.0) for value in values]


def change(values: list[float]) -> tuple[float, float, int]:
    """Means before and since the cut between two buckets, and its place, that leaves the least squared error."""
    buckets: list[list[float]] = []
    for value in values:
        buckets.append([value])
        size = 1
        while sum(len(bucket) == size for bucket in buckets) > 5:
            first = next(i for i, bucket in enumerate(buckets) if len(bucket) == size)
            buckets[first : first + 2] = [buckets[first] + buckets[first + 1]]
            size *= 2
    cuts = np.cumsum([len(bucket) for bucket in buckets])[:-1].tolist()
    at = min(cuts, key=lambda cut: len(values[:cut]) * np.var(values[:cut]) + len(values[cut:]) * np.var(values[cut:]))
    return float(np.mean(values[:at])), float(np.mean(values[at:])), at
