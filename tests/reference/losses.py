"""Reference implementations of the losses, in plain Python from their equations."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

# --- Optimizers -------------------------------------------------------------------------------------------------------


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


# --- Names ------------------------------------------------------------------------------------------------------------
