"""Reference implementation of prediction intervals: DtACI on scaled errors, from lists of all that happened."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from reference.numerics import bounded, is_usable

GAMMAS = 0.001 * 2.0 ** np.arange(8)
HORIZON = 500


@dataclass
class ErrorScale:
    """Forgetting mean of the errors, with factors at nine knots of the prediction."""

    n: int = 0
    mean: float = 0.0
    largest: float = 0.0
    center: float = 0.0
    variance: float = 0.0
    factors: list[float] = field(default_factory=lambda: [1.0] * 9)

    def _nearness(self, prediction: float) -> dict[int, float]:
        """Weight of the two knots beside a prediction."""
        place = 4.0
        if self.variance > 0:
            place += 2.0 * (prediction - self.center) / math.sqrt(self.variance)
        place = min(max(place, 0.0), 8.0)
        knot = min(int(place), 7)
        return {knot: 1.0 - (place - knot), knot + 1: place - knot}

    def at(self, prediction: float) -> float:
        first, second = (weight * self.factors[knot] for knot, weight in self._nearness(prediction).items())
        return self.mean * (first + second)

    def update(self, prediction: float, error: float) -> None:
        self.largest *= 0.998
        if self.mean > 0:
            self.largest = max(self.largest, min(error, 50.0 * self.mean))
            for knot, weight in self._nearness(prediction).items():
                self.factors[knot] += 0.02 * weight * (min(error / self.mean, 10.0) - self.factors[knot])
            error = min(error, 20.0 * self.mean)
        else:
            self.largest = max(self.largest, error)
        self.mean += max(0.01, 1 / (self.n + 1)) * (error - self.mean)
        if self.n == 0:
            self.center = prediction
        distance = prediction - self.center
        if self.variance > 0:
            limit = 5.0 * math.sqrt(self.variance)
            distance = min(max(distance, -limit), limit)
        rate = max(0.005, 1 / (self.n + 1))
        self.center += rate * distance
        self.variance += rate * (distance * distance - self.variance)
        self.n += 1


class DtACI:
    """Algorithm 1 of Gibbs and Candès 2024, with the weighted mean of the experts' levels."""

    def __init__(self, alpha: float) -> None:
        self.alpha = alpha
        self.alphas = np.full(len(GAMMAS), alpha)
        self.weights = np.ones(len(GAMMAS))
        self.sigma = 1 / (2 * HORIZON)
        denominator = (1 - alpha) ** 2 * alpha**3 + alpha**2 * (1 - alpha) ** 3
        self.eta = math.sqrt(3 / HORIZON) * math.sqrt((math.log(len(GAMMAS) * HORIZON) + 2) / denominator)

    @property
    def level(self) -> float:
        return float(self.weights @ self.alphas / self.weights.sum())

    def update(self, beta: float) -> None:
        loss = self.alpha * (beta - self.alphas) - np.minimum(0, beta - self.alphas)
        weights = self.weights * np.exp(np.maximum(-self.eta * loss, -32.0))
        weights = (1 - self.sigma) * weights + weights.sum() * self.sigma / len(GAMMAS)
        self.weights = weights / weights.sum()
        self.alphas = self.alphas + GAMMAS * (self.alpha - (self.alphas > beta))


class PredictionIntervals:
    """Intervals of one level."""

    def __init__(self, level: float) -> None:
        self.scale = ErrorScale()
        self.scores: list[float] = []
        self.dtaci = DtACI(1.0 - level)
        self.started = False
        self.covered: list[bool] = []

    def half_width(self, prediction: float) -> float:
        if not self.scores or not math.isfinite(prediction):
            return math.inf
        window = sorted(self.scores[-500:])
        rank = math.ceil((1.0 - self.dtaci.level) * (len(window) + 1) - 1e-9)
        if rank > len(window):
            return self.scale.largest
        if rank < 1:
            return 0.0
        return min(self.scale.at(bounded(prediction)) * window[rank - 1], self.scale.largest)

    def update(self, y: float, prediction: float) -> None:
        if not is_usable(y):
            return
        if not self.started:
            self.started = True
            return
        prediction = 1e100 if math.isnan(prediction) else bounded(prediction)
        error, score = abs(y - prediction), 1.0
        if self.scale.n > 0:
            scale = self.scale.at(prediction)
            score = min(error / scale, 1e6) if scale > 0 else (1e6 if error > 0 else 0.0)
            window = self.scores[-500:]
            n_below = sum(one < score for one in window)
            beta = 1.0 - n_below / (len(window) + 1.0) if error <= self.scale.largest else 0.0
            self.covered.append(error <= self.half_width(prediction))
            self.dtaci.update(beta)
        self.scores.append(score)
        self.scale.update(prediction, error)
