"""The specification of the compiled core, in plain Python written straight from the papers and equations.

Nothing here shares code with the kernels or is meant to be fast. Names are keys of dicts, every coordinate is an
object, and the step count of Adam is a count. The tests hold the kernels to agree with it.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

MASK = 2**64 - 1


def is_usable(value: float | None) -> bool:
    return value is not None and -1e100 < value < 1e100


def bounded(value: float) -> float:
    """Errors and gradients beyond 1e100 count as that, so that nothing overflows however a model diverges."""
    return min(max(value, -1e100), 1e100)


# --- Optimizers -------------------------------------------------------------------------------------------------------


@dataclass
class SGDCoordinate:
    """One parameter under w <- w - lr g (Robbins and Monro 1951)."""

    lr: float
    w: float = 0.0

    def step(self, g: float) -> None:
        self.w -= self.lr * g


@dataclass
class AdamCoordinate:
    """One parameter under algorithm 1 of Kingma and Ba 2015, with a step count of its own."""

    lr: float
    beta1: float
    beta2: float
    eps: float
    w: float = 0.0
    m: float = 0.0
    v: float = 0.0
    t: int = 0

    def step(self, g: float) -> None:
        self.t += 1
        self.m = self.beta1 * self.m + (1 - self.beta1) * g
        self.v = self.beta2 * self.v + (1 - self.beta2) * g * g
        m_hat = self.m / (1 - self.beta1**self.t)
        v_hat = self.v / (1 - self.beta2**self.t)
        self.w -= self.lr * m_hat / (math.sqrt(v_hat) + self.eps)


Coordinate = SGDCoordinate | AdamCoordinate
COORDINATES: dict[str, Callable[..., Coordinate]] = {"sgd": SGDCoordinate, "adam": AdamCoordinate}


# --- Losses -----------------------------------------------------------------------------------------------------------


class Loss:
    """A loss of a target and a score; one that adapts takes in every error once."""

    def value(self, target: float, score: float) -> float:
        raise NotImplementedError

    def slope(self, target: float, score: float) -> float:
        """The derivative of the value by the score; where there is none, one between those to both sides."""
        raise NotImplementedError

    def observe(self, target: float, score: float) -> None:
        pass


def sign(x: float) -> float:
    return float((x > 0) - (x < 0))


class Squared(Loss):
    """(f - t)² / 2."""

    def value(self, target: float, score: float) -> float:
        return (score - target) ** 2 / 2

    def slope(self, target: float, score: float) -> float:
        return score - target


class Absolute(Loss):
    """|f - t|."""

    def value(self, target: float, score: float) -> float:
        return abs(score - target)

    def slope(self, target: float, score: float) -> float:
        return sign(score - target)


@dataclass
class Huber(Loss):
    """Squared up to delta, a straight line beyond (Huber 1964)."""

    delta: float

    def value(self, target: float, score: float) -> float:
        size = abs(score - target)
        return size**2 / 2 if size <= self.delta else self.delta * (size - self.delta / 2)

    def slope(self, target: float, score: float) -> float:
        return min(max(score - target, -self.delta), self.delta)


@dataclass
class AdaptiveHuber(Loss):
    """The squared loss with its derivative clipped at k times its running mean absolute value."""

    k: float
    rate_min: float
    scale: float = 1.0
    n: int = 1

    def value(self, target: float, score: float) -> float:
        return Huber(self.k * self.scale).value(target, score)

    def slope(self, target: float, score: float) -> float:
        return Huber(self.k * self.scale).slope(target, score)

    def observe(self, target: float, score: float) -> None:
        error = abs(self.slope(target, score))
        self.n += 1
        self.scale += max(1 / self.n, self.rate_min) * (error - self.scale)
        self.scale = max(self.scale, 0.01)


@dataclass
class Quantile(Loss):
    """The pinball loss (Koenker and Bassett 1978)."""

    q: float

    def value(self, target: float, score: float) -> float:
        return max(self.q * (target - score), (self.q - 1) * (target - score))

    def slope(self, target: float, score: float) -> float:
        return 0.0 if score == target else float(score > target) - self.q


@dataclass
class EpsilonInsensitive(Loss):
    """The absolute error beyond a tolerance (Vapnik 1995)."""

    eps: float

    def value(self, target: float, score: float) -> float:
        return max(abs(score - target) - self.eps, 0.0)

    def slope(self, target: float, score: float) -> float:
        return sign(score - target) if abs(score - target) > self.eps else 0.0


class LogCosh(Loss):
    """log cosh (f - t)."""

    def value(self, target: float, score: float) -> float:
        size = abs(score - target)
        return math.log(math.cosh(size)) if size < 100 else size - math.log(2)

    def slope(self, target: float, score: float) -> float:
        return math.tanh(score - target)


class Poisson(Loss):
    """exp(f) - t f, and from f = 20 on the tangent."""

    def value(self, target: float, score: float) -> float:
        grown = math.exp(score) if score <= 20 else math.exp(20) * (score - 19)
        return grown - target * score

    def slope(self, target: float, score: float) -> float:
        return math.exp(min(score, 20)) - target


class Logistic(Loss):
    """-y log p - (1 - y) log(1 - p) with p = 1 / (1 + exp(-f))."""

    def value(self, target: float, score: float) -> float:
        # log(1 + exp(f)) without overflow.
        return max(score, 0.0) + math.log1p(math.exp(-abs(score))) - target * score

    def slope(self, target: float, score: float) -> float:
        return 1 / (1 + math.exp(-max(score, -700.0))) - target


LOSSES: dict[str, Callable[..., Loss]] = {
    "squared": Squared,
    "absolute": Absolute,
    "huber": Huber,
    "adaptive_huber": AdaptiveHuber,
    "quantile": Quantile,
    "epsilon_insensitive": EpsilonInsensitive,
    "log_cosh": LogCosh,
    "poisson": Poisson,
    "logistic": Logistic,
}


def travelled(loss: Loss, target: float, score: float, time: float, steps: int = 4000) -> float:
    """How far the score goes in some time along df/dt = -slope(f): Runge and Kutta's method in small steps."""
    f, h = score, time / steps
    for _ in range(steps):
        k1 = -loss.slope(target, f)
        k2 = -loss.slope(target, f + h * k1 / 2)
        k3 = -loss.slope(target, f + h * k2 / 2)
        k4 = -loss.slope(target, f + h * k3)
        f += h * (k1 + 2 * k2 + 2 * k3 + k4) / 6
    return f - score


# --- Statistics -------------------------------------------------------------------------------------------------------


@dataclass
class Scaler:
    """Mean and population variance by Welford's recurrence, winsorized, with a least rate of forgetting."""

    clip: float
    rate_min: float
    n: int = 0
    mean: float = 0.0
    variance: float = 0.0
    window: list[float] = field(default_factory=list)

    def standardize(self, x: float) -> float:
        if self.variance == 0:
            return 0.0
        return min(max((x - self.mean) / math.sqrt(self.variance), -self.clip), self.clip)

    def observe(self, x: float) -> None:
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
        self._check_start(x)

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


@dataclass
class Prequential:
    """Errors of the model, of the last value and of the running mean, from lists of all that happened."""

    ys: list[float] = field(default_factory=list)
    predictions: list[float] = field(default_factory=list)

    def update(self, y: float, prediction: float) -> None:
        if is_usable(y):
            self.ys.append(y)
            self.predictions.append(bounded(prediction))

    def summary(self) -> dict[str, float]:
        n = len(self.ys) - 1
        if n < 1:
            return {}
        model = [abs(y - p) for y, p in zip(self.ys, self.predictions, strict=True)][1:]
        last = [abs(b - a) for a, b in zip(self.ys, self.ys[1:], strict=False)]
        mean = [abs(self.ys[i] - math.fsum(self.ys[:i]) / i) for i in range(1, n + 1)]
        weights = [0.999 ** (n - 1 - i) for i in range(n)]

        def faded(errors: list[float]) -> float:
            return math.fsum(w * e for w, e in zip(weights, errors, strict=True)) / math.fsum(weights)

        return {
            "mae": math.fsum(model) / n,
            "rmse": math.sqrt(math.fsum(e * e for e in model) / n),
            "mae_last_value": math.fsum(last) / n,
            "mae_mean": math.fsum(mean) / n,
            "mae_recent": faded(model),
            "mae_last_value_recent": faded(last),
        }


# --- Names ------------------------------------------------------------------------------------------------------------


class Vocabulary:
    """Exact least-recently-learned eviction; among equals the lowest row goes first."""

    def __init__(self, keys_max: int, when_full: str) -> None:
        self.keys_max = keys_max
        self.when_full = when_full
        self.row_of: dict[str, int] = {}
        self.stamp_of: dict[str, int] = {}
        self.born_of: dict[str, int] = {}
        self.evicted = 0
        self.shared = 0

    def learn(self, key: str, now: int) -> tuple[int, str | None]:
        """The row of the key, 0 if it got none, and the key that had to go for it."""
        gone = None
        if key not in self.row_of:
            row = len(self.row_of) + 1
            if row > self.keys_max:
                oldest = min(self.row_of, key=lambda k: (self.stamp_of[k], self.row_of[k]))
                if self.when_full == "share" or self.stamp_of[oldest] == now:
                    self.shared += 1
                    return 0, None
                row, gone = self.row_of.pop(oldest), oldest
                del self.stamp_of[oldest], self.born_of[oldest]
                self.evicted += 1
            self.row_of[key] = row
            self.born_of[key] = now
        self.stamp_of[key] = now
        return self.row_of[key], gone

    def keys(self) -> list[str]:
        return sorted(self.row_of, key=self.row_of.__getitem__)


class DedupWindow:
    """The last `window` distinct ids, in the order in which they were first seen."""

    def __init__(self, window: int) -> None:
        self.window = window
        self.ids: OrderedDict[str, None] = OrderedDict()

    def add(self, key: str) -> bool:
        if key in self.ids:
            return False
        self.ids[key] = None
        if len(self.ids) > self.window:
            self.ids.popitem(last=False)
        return True


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
