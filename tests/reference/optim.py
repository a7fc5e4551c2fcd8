"""Reference implementations of optimizers, schedules and everything around a step, in NumPy from the papers.

A rule is given the indices `at` of the parameters that an event touches and their gradient `g`; it may keep whatever
it likes about each parameter: counts, sums, or all gradients ever seen.
"""

# ruff: noqa: ARG002 - every rule is given the same arguments

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgedescent import optim
from edgedescent.optim import Optimizer, Schedule

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


class Rule(Protocol):
    """How one gradient changes the parameters that it touches; `slope` is that of the squared loss."""

    def step(self, w: Floats, at: Indices, g: Floats, lr: float, slope: float) -> None: ...


class SGD:
    def __init__(self, o: Any, n: int) -> None:
        pass

    def step(self, w: Floats, at: Indices, g: Floats, lr: float, slope: float) -> None:
        w[at] -= lr * g


class CountedSGD:
    def __init__(self, o: Any, n: int) -> None:
        self.power, self.t = o.power, np.zeros(n)

    def step(self, w: Floats, at: Indices, g: Floats, lr: float, slope: float) -> None:
        self.t[at] += 1
        w[at] -= lr * g / self.t[at] ** self.power


class Momentum:
    def __init__(self, o: Any, n: int) -> None:
        self.mu = o.mu
        self.seen: list[list[float]] = [[] for _ in range(n)]

    def velocity(self, i: int) -> float:
        return math.fsum(g * self.mu**age for age, g in enumerate(reversed(self.seen[i])))

    def step(self, w: Floats, at: Indices, g: Floats, lr: float, slope: float) -> None:
        for i, x in zip(at, g, strict=True):
            self.seen[i].append(x)
            w[i] -= lr * self.velocity(i)


class Nesterov(Momentum):
    def step(self, w: Floats, at: Indices, g: Floats, lr: float, slope: float) -> None:
        for i, x in zip(at, g, strict=True):
            self.seen[i].append(x)
            w[i] -= lr * (x + self.mu * self.velocity(i))


class AdaGrad:
    def __init__(self, o: Any, n: int) -> None:
        self.eps = o.eps
        self.squares: list[list[float]] = [[o.initial] for _ in range(n)]

    def step(self, w: Floats, at: Indices, g: Floats, lr: float, slope: float) -> None:
        for i, x in zip(at, g, strict=True):
            self.squares[i].append(x * x)
            w[i] -= lr * x / (math.sqrt(math.fsum(self.squares[i])) + self.eps)


class RMSProp:
    def __init__(self, o: Any, n: int) -> None:
        self.rho, self.eps, self.v = o.rho, o.eps, np.zeros(n)

    def step(self, w: Floats, at: Indices, g: Floats, lr: float, slope: float) -> None:
        self.v[at] = self.rho * self.v[at] + (1 - self.rho) * g**2
        w[at] -= lr * g / (np.sqrt(self.v[at]) + self.eps)


class AdaDelta:
    def __init__(self, o: Any, n: int) -> None:
        self.rho, self.eps = o.rho, o.eps
        self.mean_g2, self.mean_d2 = np.zeros(n), np.zeros(n)

    def step(self, w: Floats, at: Indices, g: Floats, lr: float, slope: float) -> None:
        self.mean_g2[at] = self.rho * self.mean_g2[at] + (1 - self.rho) * g**2
        d = -np.sqrt(self.mean_d2[at] + self.eps) / np.sqrt(self.mean_g2[at] + self.eps) * g
        self.mean_d2[at] = self.rho * self.mean_d2[at] + (1 - self.rho) * d**2
        w[at] += lr * d


class Adam:
    def __init__(self, o: Any, n: int) -> None:
        self.beta1, self.beta2, self.eps = o.beta1, o.beta2, o.eps
        self.m, self.v, self.t = np.zeros(n), np.zeros(n), np.zeros(n)

    def moments(self, at: Indices, g: Floats) -> Floats:
        """Take in a gradient; returns the root of the corrected second moment."""
        self.t[at] += 1
        self.m[at] = self.beta1 * self.m[at] + (1 - self.beta1) * g
        self.v[at] = self.beta2 * self.v[at] + (1 - self.beta2) * g**2
        root: Floats = np.sqrt(self.v[at] / (1 - self.beta2 ** self.t[at]))
        return root

    def step(self, w: Floats, at: Indices, g: Floats, lr: float, slope: float) -> None:
        root = self.moments(at, g)
        w[at] -= lr * self.m[at] / (1 - self.beta1 ** self.t[at]) / (root + self.eps)


class AdamW(Adam):
    def __init__(self, o: Any, n: int) -> None:
        super().__init__(o, n)
        self.weight_decay = o.weight_decay

    def step(self, w: Floats, at: Indices, g: Floats, lr: float, slope: float) -> None:
        w[at] -= lr * self.weight_decay * w[at]
        super().step(w, at, g, lr, slope)


class NAdam(Adam):
    def step(self, w: Floats, at: Indices, g: Floats, lr: float, slope: float) -> None:
        root = self.moments(at, g)
        t, beta1 = self.t[at], self.beta1
        ahead = beta1 * self.m[at] / (1 - beta1 ** (t + 1)) + (1 - beta1) * g / (1 - beta1**t)
        w[at] -= lr * ahead / (root + self.eps)


class AMSGrad(Adam):
    def __init__(self, o: Any, n: int) -> None:
        super().__init__(o, n)
        self.highest = np.zeros(n)

    def step(self, w: Floats, at: Indices, g: Floats, lr: float, slope: float) -> None:
        self.moments(at, g)
        self.highest[at] = np.maximum(self.highest[at], self.v[at])
        w[at] -= lr * self.m[at] / (np.sqrt(self.highest[at]) + self.eps)


class FTRLProximal:
    """The minimum of g w + Σ s (w - w_s)² / 2 + l1 |w| + (l2 + beta / alpha) w² / 2 over all rounds s so far."""

    def __init__(self, o: Any, n: int) -> None:
        self.beta, self.l1, self.l2 = o.beta, o.l1, o.l2
        self.rounds: list[list[tuple[float, float]]] = [[] for _ in range(n)]
        self.linear = np.zeros(n)

    def step(self, w: Floats, at: Indices, g: Floats, lr: float, slope: float) -> None:
        for i, x in zip(at, g, strict=True):
            if x * x == 0 and not self.rounds[i]:
                continue
            if not self.rounds[i]:
                # The linear term whose minimum is where the parameter starts.
                self.linear[i] = -w[i] * (self.beta / lr + self.l2) - math.copysign(self.l1 * (w[i] != 0), w[i])
            self.rounds[i].append((x, w[i]))
            roots = np.sqrt(np.cumsum([0.0] + [q * q for q, _ in self.rounds[i]]))
            strengths = np.diff(roots) / lr
            z = self.linear[i] + sum(q - s * v for s, (q, v) in zip(strengths, self.rounds[i], strict=True))
            shrunk = math.copysign(max(abs(z) - self.l1, 0.0), z)
            w[i] = -shrunk / (self.beta / lr + self.l2 + float(strengths.sum()))


class NormalizedAdaptive:
    def __init__(self, o: Any, n: int) -> None:
        self.scale, self.squares = np.zeros(n), np.zeros(n)
        self.total, self.t = 0.0, 0

    def measure(self, at: Indices, g: Floats, slope: float) -> None:
        self.t += 1
        if abs(slope) < 1e-3:
            return
        x = np.abs(g / slope)
        self.scale[at] = np.maximum(np.maximum(self.scale[at], x), 1)
        self.total += float(np.sum((x / self.scale[at]) ** 2))

    def step(self, w: Floats, at: Indices, g: Floats, lr: float, slope: float) -> None:
        self.measure(at, g, slope)
        if self.total == 0:
            self.squares[at] += g**2
            return
        rate = lr * math.sqrt(self.t / self.total)
        self.squares[at] += g**2
        usable = (self.scale[at] > 0) & (self.squares[at] > 0)
        at, g = at[usable], g[usable]
        direction = g / (self.scale[at] * np.sqrt(self.squares[at]))
        along = float(np.sum(g * direction))
        if abs(slope) >= 1e-3 and rate * along > slope**2:
            rate = slope**2 / along
        w[at] -= rate * direction


class ImportanceAware:
    def __init__(self, o: Any, n: int) -> None:
        pass

    def step(self, w: Floats, at: Indices, g: Floats, lr: float, slope: float) -> None:
        if slope != 0 and (g != 0).any():
            x = g / slope
            w[at] -= slope / (x @ x) * -math.expm1(-lr * (x @ x)) * x


class COCOB:
    def __init__(self, o: Any, n: int) -> None:
        self.alpha = o.alpha
        self.start: Floats | None = None
        self.seen: list[list[float]] = [[] for _ in range(n)]
        self.reward = np.zeros(n)

    def step(self, w: Floats, at: Indices, g: Floats, lr: float, slope: float) -> None:
        if self.start is None:
            self.start = w.copy()
        for i, x in zip(at, g, strict=True):
            self.seen[i].append(x)
            largest = max(abs(q) for q in self.seen[i])
            if largest == 0:
                continue
            total = math.fsum(abs(q) for q in self.seen[i])
            self.reward[i] = max(self.reward[i] - (w[i] - self.start[i]) * x, 0.0)
            share = -math.fsum(self.seen[i]) / (largest * max(total + largest, self.alpha * largest))
            w[i] = self.start[i] + lr * share * (largest + self.reward[i])


class RLS:
    """Each change of the covariance as a product that cannot but stay positive semidefinite."""

    def __init__(self, o: Any, n: int) -> None:
        self.forgetting, self.prior, self.bound = o.forgetting, o.prior, min(n, o.dense_max)
        self.p = np.eye(n) * o.prior

    def step(self, w: Floats, at: Indices, g: Floats, lr: float, slope: float) -> None:
        n, bound, forgetting = len(self.p), self.bound, self.forgetting
        if slope == 0 or not len(at):
            return
        variances = np.diag(self.p)[:bound]
        # The first of those that are equal but for rounding.
        self._limit(int(np.flatnonzero(variances >= variances.max() / (1 + 1e-6))[0]))
        z, touched = np.zeros(n), np.zeros(n)
        z[at], touched[at] = np.clip(g / slope, -1e6, 1e6), 1.0
        k = touched * (self.p @ z) / (forgetting + z @ self.p @ z)
        w -= lr * slope * k
        # Joseph's form of an observation with the variance of lambda.
        keep = np.eye(n) - np.outer(k, z)
        p = keep @ self.p @ keep.T + forgetting * np.outer(k, k)
        inside = at[at < bound]
        # Nothing is forgotten of a parameter with an input of 0.
        growth = np.where(z, forgetting**-0.5, 1.0)
        if np.diag(self.p)[inside].sum() > 2 * self.prior * len(inside):
            growth[inside] = 1.0
        # Beyond the bound, parameters are correlated with no other.
        alone = np.diag(np.diag(self.p) - k * touched * (self.p @ z))
        p[bound:, :] = p[:, bound:] = 0.0
        p[bound:, bound:] = alone[bound:, bound:]
        p *= np.outer(growth, growth)
        rest = np.arange(bound, n)
        p[rest, rest] = np.minimum(p[rest, rest], self.prior)
        self.p = p

    def _limit(self, i: int) -> None:
        """Observe parameter i with the noise that brings its variance down to the initial one."""
        if self.p[i, i] > self.prior:
            noise = 1 / (1 / self.prior - 1 / self.p[i, i])
            self.p = self.p - np.outer(self.p[i], self.p[i]) / (self.p[i, i] + noise)


class MiniBatch:
    def __init__(self, o: Any, n: int) -> None:
        self.inner, self.size = RULES[type(o.optimizer)](o.optimizer, n), o.size
        self.waiting: list[list[float]] = [[] for _ in range(n)]

    def step(self, w: Floats, at: Indices, g: Floats, lr: float, slope: float) -> None:
        for i, x in zip(at, g, strict=True):
            self.waiting[i].append(x)
        due = np.array([i for i in at if len(self.waiting[i]) == self.size], dtype=np.intp)
        if len(due):
            self.inner.step(w, due, np.array([math.fsum(self.waiting[i]) / self.size for i in due]), lr, slope)
        for i in due:
            self.waiting[i] = []


RULES: dict[type[Optimizer], Callable[[Any, int], Rule]] = {
    optim.SGD: SGD,
    optim.CountedSGD: CountedSGD,
    optim.Momentum: Momentum,
    optim.Nesterov: Nesterov,
    optim.AdaGrad: AdaGrad,
    optim.RMSProp: RMSProp,
    optim.AdaDelta: AdaDelta,
    optim.Adam: Adam,
    optim.AdamW: AdamW,
    optim.NAdam: NAdam,
    optim.AMSGrad: AMSGrad,
    optim.FTRLProximal: FTRLProximal,
    optim.NormalizedAdaptive: NormalizedAdaptive,
    optim.ImportanceAware: ImportanceAware,
    optim.RLS: RLS,
    optim.COCOB: COCOB,
    optim.MiniBatch: MiniBatch,
}


# --- Schedules --------------------------------------------------------------------------------------------------------


@dataclass
class Factors:
    """The factor of each step, from the losses that were seen before it."""

    schedule: Schedule

    def at(self, t: int, losses: list[float]) -> float:
        match self.schedule:
            case optim.Constant():
                return 1.0
            case optim.InverseScaling(power=power, delay=delay):
                return float((1 + t / delay) ** -power)
            case optim.Step(every=every, decay=decay):
                return float(decay ** (t // every))
            case optim.CosineRestarts(period=period, growth=growth, floor=floor):
                since, length = float(t), float(period)
                while since >= length * (1 - 1e-9):
                    since, length = since - length, length * growth
                return floor + (1 - floor) * (1 + math.cos(math.pi * since / length)) / 2
            case optim.ReduceOnPlateau(window=window, decay=decay, gain=gain, floor=floor):
                factor, best = 1.0, math.inf
                for first in range(0, len(losses) - window + 1, window):
                    mean = math.fsum(losses[first : first + window]) / window
                    if math.isinf(best) or mean < best - gain * abs(best):
                        best = mean
                    else:
                        factor = max(factor * decay, floor)
                return factor
        raise NotImplementedError(self.schedule)


# --- All that surrounds a step ----------------------------------------------------------------------------------------


def specified_steps(
    optimizer: Optimizer, gradients: Floats, start: Floats, l1: float, slopes: Floats, losses: Floats
) -> tuple[Floats, Floats]:
    """The parameters after each step, and those that would predict; NaN in a gradient is a parameter not touched."""
    w = np.array(start)
    rule = RULES[type(optimizer)](optimizer, len(w))
    factors = Factors(optimizer.schedule)
    iterates: list[list[float]] = [[] for _ in w]
    average = np.array(start)
    path, served = [], []
    for t, (row, slope) in enumerate(zip(gradients, slopes, strict=True)):
        at = np.flatnonzero(~np.isnan(row))
        g = row[at]
        if optimizer.clip_value is not None:
            g = np.clip(g, -optimizer.clip_value, optimizer.clip_value)
        if optimizer.clip_norm is not None and np.linalg.norm(g) > optimizer.clip_norm:
            g = g * (optimizer.clip_norm / np.linalg.norm(g))
        lr = optimizer.rate * factors.at(t, losses[:t].tolist())
        rule.step(w, at, g, lr, slope)
        if l1:
            w[at] = np.sign(w[at]) * np.maximum(np.abs(w[at]) - lr * l1, 0.0)
        for i in at:
            iterates[i].append(w[i])
            average[i] = averaged(iterates[i], optimizer.average_rate)
        path.append(w.copy())
        served.append(average.copy())
    return np.array(path), np.array(served)


def averaged(iterates: list[float], rate: float | None) -> float:
    """The last iterate; or the mean of the first 1 / rate of them, into which each later one is mixed by the rate."""
    if rate is None:
        return iterates[-1]
    whole = min(len(iterates), math.floor(1 / rate))
    average = math.fsum(iterates[:whole]) / whole
    for iterate in iterates[whole:]:
        average = (1 - rate) * average + rate * iterate
    return average


# --- One parameter as an object, for the reference learners ---------------------------------------------------------


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
