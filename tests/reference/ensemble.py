"""Reference implementations of the parts of the automatic regressor."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edgedescent.losses import Loss, QuantileLoss, SquaredLoss

Vector = NDArray[np.float64]


class LabelHistory:
    """All labels so far, with the statistics, lags and periods of the event that is `delay` events after the next."""

    def __init__(self) -> None:
        self.labels: list[float] = []
        self.mean = self.deviation = self.change_mean = self.change = self.fast_mean = self.slow_mean = 0.0
        self.differences = np.zeros(701)
        self.period = self.second_period = self.delay = 0

    def observe(self, y: float) -> None:
        n = len(self.labels)
        self.mean, self.deviation = follow(self.mean, self.deviation, y, n + 1)
        if n > self.delay:
            change, count = y - self.labels[-1 - self.delay], n - self.delay
            self.change_mean, self.change = follow(self.change_mean, self.change, change, count)
        self.fast_mean += max(1 / (n + 1), 0.1) * (y - self.fast_mean)
        self.slow_mean += max(1 / (n + 1), 0.01) * (y - self.slow_mean)
        for k in range(2, min(n, 700) + 1):
            self.differences[k] += 0.002 * (abs(y - self.labels[-k]) - self.differences[k])
        self.labels.append(y)
        if (n + 1) % 50 == 0:
            self.find_periods()

    def find_periods(self) -> None:
        n = len(self.labels)
        longest = min(n - 1, 700, n // 2)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = self.differences / (1 - 0.998 ** (n - np.arange(701.0)))
        minima = [k for k in range(4, longest) if mean[k] < mean[k - 1] and mean[k] <= mean[k + 1]]
        self.period = min(minima, key=lambda k: mean[k], default=0)
        others = [k for k in minima if k % self.period and abs(k - self.period) > 2]
        self.second_period = min(others, key=lambda k: mean[k], default=0)

    def lags(self, late: bool = False) -> Vector:
        """Lags, from all labels or from those known `delay` events earlier."""
        z, a = np.zeros(10), self.delay
        y = [np.nan, *self.known(late)]
        n = len(self.labels) - a
        s = self.deviation or 1.0
        d = self.change or s
        if self.labels:
            z[0] = (y[1] - self.mean) / s
        for i in range(1, 4):
            if n > i:
                z[i] = (y[i] - y[i + 1]) / d
        for at, p in ((4, self.period), (7, self.second_period)):
            if p:
                # The newest one that is known.
                k = next(m * p - a for m in range(1, a + 2) if m * p > a)
                if n >= k + a + 1 and k + 2 * a + 1 <= 702:
                    z[at : at + 2] = (y[k] - y[1]) / s, (y[k] - y[k + a + 1]) / d
                    z[at + 2] = (y[k - 1] - y[k]) / d if k > 1 else 0.0
        return z.clip(-5, 5)

    def known(self, late: bool) -> list[float]:
        """Known labels, the last one first."""
        hidden = min(self.delay, max(len(self.labels) - 1, 0)) if late else 0
        return self.labels[: len(self.labels) - hidden][::-1]

    def recent_means(self, late: bool = False) -> tuple[float, float]:
        y = self.known(late)
        if len(y) == len(self.labels):
            return self.fast_mean, self.slow_mean
        # Older labels are no longer stored.
        y = y[: 702 - self.delay]
        fast, slow = (float(np.average(y, weights=(1 - rate) ** np.arange(len(y)))) for rate in (0.1, 0.01))
        return fast, slow


def follow(mean: float, deviation: float, value: float, count: int) -> tuple[float, float]:
    """Forgetting mean and deviation after one more value, which is winsorized at 10 deviations."""
    rate, step = max(1 / count, 0.0002), value - mean
    if deviation > 0 and count > 10:
        step = min(max(step, -10 * deviation), 10 * deviation)
    variance = (1 - rate) * (deviation**2 + rate * step**2)
    return mean + rate * step, np.sqrt(variance) if variance > 1e-60 else 0.0


class LeastSquares:
    """Recursive least squares with one matrix for all parameters."""

    def __init__(self, size: int, forgetting: float, prior: float, clip: float = 4.0) -> None:
        self.clip = clip
        self.w, self.p = np.zeros(size), prior * np.eye(size)
        self.forgetting, self.prior = forgetting, prior
        self.scale, self.count, self.clipped = 0.0, 0, 0.0

    def learn(self, z: Vector, target: float) -> None:
        error = target - self.w @ z
        # The first of those that are equal but for rounding.
        variances = np.diag(self.p)
        i = int(np.flatnonzero(variances >= variances.max() / (1 + 1e-6))[0])
        if self.p[i, i] > self.prior:
            noise = 1 / (1 / self.prior - 1 / self.p[i, i])
            self.p = self.p - np.outer(self.p[i], self.p[i]) / (self.p[i, i] + noise)
        gain = self.p @ z
        total = self.forgetting + z @ gain
        self.count += 1
        size = abs(error)
        if self.count > 20 and self.scale > 0:
            self.clipped += 0.1 * ((size > self.clip * self.scale) - self.clipped)
            error = np.clip(error, -self.clip * self.scale, self.clip * self.scale)
            size = min(size, 5 * self.scale)
        self.scale += max(1 / self.count, 0.01) * (size - self.scale)
        self.w = self.w + gain * error / total
        winds_up = np.trace(self.p) > 2 * self.prior * len(z)
        # Nothing is forgotten of a parameter with an input of 0.
        growth = np.where((z == 0) | winds_up, 1.0, self.forgetting**-0.5)
        self.p = (self.p - np.outer(gain, gain) / total) * np.outer(growth, growth)
        if self.clipped > 0.6:
            self.p = self.prior * np.eye(len(self.p))
            self.scale, self.count, self.clipped = 0.0, 0, 0.0


class RegretWeights:
    """MLpol over experts under two rules, and over the rules."""

    def __init__(self, n: int, forgetting: float) -> None:
        self.forgetting = forgetting
        self.regrets, self.squares = np.zeros((2, 2, n))
        self.trust_regrets, self.trust_squares = np.zeros((2, 2))

    def mix(self, predictions: Vector) -> float:
        self.mixed = np.array([weighed(*one) @ predictions for one in zip(self.regrets, self.squares, strict=True)])
        return float(weighed(self.trust_regrets, self.trust_squares) @ self.mixed)

    def weights(self) -> Vector:
        trust = weighed(self.trust_regrets, self.trust_squares)
        of_rules = [weighed(*one) for one in zip(self.regrets, self.squares, strict=True)]
        return sum((part * w for part, w in zip(trust, of_rules, strict=True)), np.zeros(self.regrets.shape[1]))

    def learn(
        self, predictions: Vector, slope: Callable[[float], float], centre: float, shift: float, scale: float
    ) -> None:
        """Take in a label by the slope of the loss at a prediction."""
        regret = (slope(centre + shift) * (centre - self.mixed) / scale).clip(-1000, 1000)
        count(self.trust_regrets, self.trust_squares, self.forgetting, regret)
        for k, clip in enumerate((20.0, 1000.0)):
            regret = slope(self.mixed[k] + shift) * (self.mixed[k] - predictions) / scale
            count(self.regrets[k], self.squares[k], self.forgetting, regret.clip(-clip, clip))


def weighed(regrets: Vector, squares: Vector) -> Vector:
    """Weights that follow regrets."""
    w: Vector = np.maximum(regrets, 0) / (1 + squares)
    w = w / w.sum() if w.any() else np.full(len(w), 1 / len(w))
    return (1 - 0.0002) * w + 0.0002 / len(w)


def count(regrets: Vector, squares: Vector, forgetting: float, regret: Vector) -> None:
    """Add regrets in place."""
    squares[:] = forgetting * squares + regret**2
    regrets[:] = np.maximum(forgetting * regrets + regret, -np.sqrt(1 + squares))


class Mixture:
    """Mixture of members and stacks, for a loss."""

    def __init__(self, n: int, stacks: tuple[float, ...], forgetting: float, loss: Loss) -> None:
        self.n, self.loss = n, loss
        self.trust = RegretWeights(n + len(stacks), forgetting)
        self.shift = 0.0
        self.stacks = [LeastSquares(n, one, 1.0) for one in stacks]
        for stack in self.stacks:
            stack.w[:] = 1 / n
        self.errors = np.zeros(n + len(stacks))
        self.change = self.error = 0.0
        self.count = 0

    def weights(self) -> Vector:
        return self.trust.weights()

    def mix(self, predictions: Vector, base: float, lowest: float, highest: float) -> float:
        predictions = np.where(np.isnan(predictions), base, predictions).clip(lowest, highest)
        self.z = (predictions - base) / (self.change or 1.0)
        stacked = [base + (self.change or 1.0) * (stack.w @ self.z) for stack in self.stacks]
        self.experts = np.array([*predictions, *np.clip(stacked, lowest, highest)])
        self.centre = self.trust.mix(self.experts)
        self.prediction = self.centre if self.count else base
        if self.shift:
            self.prediction = float(np.clip(self.prediction + self.shift, lowest, highest))
        return self.prediction

    def slope(self, error: float, scale: float) -> float:
        """Derivative of the loss, in units of the scale for the squared one."""
        if isinstance(self.loss, SquaredLoss):
            return float(np.clip(error / scale, -20, 20))
        q = self.loss.q if isinstance(self.loss, QuantileLoss) else 0.5
        return 2 * (1 - q) if error > 0 else -2 * q if error < 0 else 0.0

    def learn(self, base: float, y: float) -> None:
        size, change = abs(self.prediction - y), (y - base) ** 2
        if self.count:
            scale, weights = self.error or size or 1.0, self.weights()
            slope = self.slope(self.prediction - y, scale)
            shift = self.prediction - self.centre
            self.trust.learn(self.experts, lambda p: self.slope(p - y, scale), self.centre, shift, scale)
            self.errors += max(1 / self.count, 0.01) * (np.abs(y - self.experts) - self.errors)
            if isinstance(self.loss, QuantileLoss):
                error = weights @ self.errors
                self.shift -= max(1 / self.count, 0.03) * slope / 2 * error
                self.shift = float(np.clip(self.shift, -100 * error, 100 * error))
            if self.count > 5:
                for stack in self.stacks:
                    stack.learn(self.z, (y - base) / (self.change or 1.0))
            if self.count > 20:
                change, size = min(change, 25 * self.change**2), min(size, 5 * self.error)
            self.change = np.sqrt(self.change**2 + max(1 / self.count, 0.002) * (change - self.change**2))
            self.error += max(1 / self.count, 0.01) * (size - self.error)
        self.count += 1


def nearest(events: list[tuple[Vector, float, float]], z: Vector, k: int, base: float) -> tuple[float, float]:
    """Predictions by change and by label of the k nearest of events of inputs, base and label."""
    distances = np.array([((inputs - z) ** 2).sum() for inputs, _, _ in events])
    chosen = np.argsort(distances, kind="stable")[:k]
    weights = 1 / (0.01 + distances[chosen])
    changes = np.array([events[i][2] - events[i][1] for i in chosen])
    labels = np.array([events[i][2] for i in chosen])
    return float(base + weights @ changes / weights.sum()), float(weights @ labels / weights.sum())


class Network:
    """Network of one or two hidden layers, with the parameters of a compiled one."""

    def __init__(self, first: Vector, skip: Vector, rest: Vector, hidden: tuple[int, ...]) -> None:
        self.first, self.skip, self.rest, self.hidden = first, skip, rest, hidden

    def output(self, slots: NDArray[np.int64], z: Vector) -> float:
        a = np.maximum(z @ self.first[slots], 0)
        rest = self.rest
        if len(self.hidden) == 2:
            h1, h2 = self.hidden
            table, rest = rest[: (h1 + 1) * h2].reshape(h1 + 1, h2), rest[(h1 + 1) * h2 :]
            a = np.maximum(table[0] + a @ table[1:], 0)
        return float(rest[0] + rest[1:] @ a + self.skip[slots] @ z)
