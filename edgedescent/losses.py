"""Losses: what a learner minimizes, in units of the target's standard deviation."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from typing import ClassVar

from edgedescent.validation import require_number

__all__ = [
    "AbsoluteLoss",
    "AdaptiveHuberLoss",
    "EpsilonInsensitiveLoss",
    "HuberLoss",
    "LogCoshLoss",
    "LogisticLoss",
    "Loss",
    "PoissonLoss",
    "QuantileLoss",
    "SquaredLoss",
]


@dataclass(frozen=True)
class Loss:
    """Hyper-parameters of a loss; a subclass is a frozen dataclass whose fields the compiled loss reads in order."""

    rule: ClassVar[str]
    binary: ClassVar[bool] = False
    """Whether it is for labels between 0 and 1, and predictions are probabilities."""
    least: ClassVar[float] = -math.inf
    """The least target that it is defined for."""

    @property
    def hyper(self) -> tuple[float, ...]:
        """The hyper-parameters as the compiled loss takes them."""
        return tuple(float(value) for value in astuple(self))


@dataclass(frozen=True)
class SquaredLoss(Loss):
    """Half the squared error, for the conditional mean.

    ::

        loss = (f - t)² / 2        dloss/df = f - t

    with ``t`` the standardized target and ``f`` the standardized prediction.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.losses import SquaredLoss
        >>> LinearRegressor(loss=SquaredLoss()).learn_one({"temp": 20.1}, 3.2)

    References:
        Widrow and Hoff 1960, "Adaptive Switching Circuits", IRE WESCON Convention Record 4.
    """

    rule: ClassVar[str] = "squared"


@dataclass(frozen=True)
class AbsoluteLoss(Loss):
    """The absolute error, for the conditional median: no outlier counts more than any other error.

    ::

        loss = |f - t|        dloss/df = sign(f - t)

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.losses import AbsoluteLoss
        >>> LinearRegressor(loss=AbsoluteLoss()).learn_one({"temp": 20.1}, 3.2)

    References:
        Bloomfield and Steiger 1983, "Least Absolute Deviations", Birkhäuser.
    """

    rule: ClassVar[str] = "absolute"


@dataclass(frozen=True)
class HuberLoss(Loss):
    """Squared for small errors, absolute for large ones.

    ::

        loss = (f - t)² / 2                   where |f - t| <= delta
        loss = delta (|f - t| - delta / 2)    elsewhere        dloss/df = clip(f - t, ±delta)

    Args:
        delta: where the one becomes the other, in standard deviations of the target; > 0.

    Raises:
        ValueError: if `delta` is not > 0.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.losses import HuberLoss
        >>> LinearRegressor(loss=HuberLoss(delta=0.5)).learn_one({"temp": 20.1}, 3.2)

    References:
        Huber 1964, "Robust Estimation of a Location Parameter", Annals of Mathematical Statistics 35(1).
    """

    rule: ClassVar[str] = "huber"

    delta: float = 1.0

    def __post_init__(self) -> None:
        require_number(self, "delta", self.delta, above=0)


@dataclass(frozen=True)
class AdaptiveHuberLoss(Loss):
    """Squared error whose derivative is clipped at a multiple of its own running mean absolute value.

    ::

        dloss/df = clip(f - t, -k s, k s)
        s <- max(s + max(1/n, rate_min) (|dloss/df| - s), 0.01)        s = 1 and n = 1 at the start

    One absurd target moves the model no further than `k` typical errors would, while a lasting change of level raises
    ``s`` and is followed.

    Args:
        k: at how many mean absolute errors the derivative is clipped, > 1.
        rate_min: how fast the scale forgets once many events are seen, in (0, 1].

    Raises:
        ValueError: if a hyper-parameter is out of its range.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.losses import AdaptiveHuberLoss
        >>> LinearRegressor(loss=AdaptiveHuberLoss(k=2.0)).learn_one({"temp": 20.1}, 3.2)

    References:
        Huber 1964, "Robust Estimation of a Location Parameter", Annals of Mathematical Statistics 35(1).
    """

    rule: ClassVar[str] = "adaptive_huber"

    k: float = 3.0
    rate_min: float = 0.002

    def __post_init__(self) -> None:
        require_number(self, "k", self.k, above=1)
        require_number(self, "rate_min", self.rate_min, above=0, at_most=1)


@dataclass(frozen=True)
class QuantileLoss(Loss):
    """The pinball loss, for a conditional quantile.

    ::

        loss = q (t - f)          where t >= f        dloss/df = -q
        loss = (1 - q) (f - t)    elsewhere           dloss/df = 1 - q

    Args:
        q: which share of the targets is to lie below the prediction, in (0, 1).

    Raises:
        ValueError: if `q` is out of its range.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.losses import QuantileLoss
        >>> LinearRegressor(loss=QuantileLoss(q=0.9)).learn_one({"temp": 20.1}, 3.2)

    References:
        Koenker and Bassett 1978, "Regression Quantiles", Econometrica 46(1).
    """

    rule: ClassVar[str] = "quantile"

    q: float = 0.5

    def __post_init__(self) -> None:
        require_number(self, "q", self.q, above=0, below=1)


@dataclass(frozen=True)
class EpsilonInsensitiveLoss(Loss):
    """The absolute error beyond a tolerance: errors within it change nothing, as in support vector regression.

    ::

        loss = max(|f - t| - eps, 0)        dloss/df = sign(f - t) where |f - t| > eps, else 0

    Args:
        eps: the tolerance, in standard deviations of the target; >= 0.

    Raises:
        ValueError: if `eps` is negative.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.losses import EpsilonInsensitiveLoss
        >>> LinearRegressor(loss=EpsilonInsensitiveLoss(eps=0.05)).learn_one({"temp": 20.1}, 3.2)

    References:
        Vapnik 1995, "The Nature of Statistical Learning Theory", Springer, section 6.1.
    """

    rule: ClassVar[str] = "epsilon_insensitive"

    eps: float = 0.1

    def __post_init__(self) -> None:
        require_number(self, "eps", self.eps, at_least=0)


@dataclass(frozen=True)
class LogCoshLoss(Loss):
    """The logarithm of the hyperbolic cosine: like the squared error near zero, like the absolute far off, and smooth.

    ::

        loss = log cosh(f - t)        dloss/df = tanh(f - t)

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.losses import LogCoshLoss
        >>> LinearRegressor(loss=LogCoshLoss()).learn_one({"temp": 20.1}, 3.2)

    References:
        Green 1990, "Bayesian reconstructions from emission tomography data using a modified EM algorithm", IEEE
        Transactions on Medical Imaging 9(1).
    """

    rule: ClassVar[str] = "log_cosh"


@dataclass(frozen=True)
class PoissonLoss(Loss):
    """The negative log-likelihood of counts, for targets >= 0; predictions are > 0.

    ::

        loss = exp(f) - t f        dloss/df = exp(f) - t

    with ``t`` the target over its running mean; the prediction is the mean times ``exp(f)``. Beyond ``f = 20`` the loss
    goes on as a straight line.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.losses import PoissonLoss
        >>> LinearRegressor(loss=PoissonLoss()).learn_one({"hour": 17}, 42)

    References:
        Nelder and Wedderburn 1972, "Generalized Linear Models", Journal of the Royal Statistical Society A 135(3).
    """

    rule: ClassVar[str] = "poisson"
    least: ClassVar[float] = 0.0


@dataclass(frozen=True)
class LogisticLoss(Loss):
    """Log loss of a label between 0 and 1; predictions are probabilities.

    ::

        p = 1 / (1 + exp(-f))
        loss = -y log p - (1 - y) log(1 - p)        dloss/df = p - y

    Example:
        >>> from edgedescent import LogisticRegressor
        >>> from edgedescent.losses import LogisticLoss
        >>> LogisticRegressor(loss=LogisticLoss()).learn_one({"age": 41.0}, True)

    References:
        Cox 1958, "The Regression Analysis of Binary Sequences", Journal of the Royal Statistical Society B 20(2).
    """

    rule: ClassVar[str] = "logistic"
    binary: ClassVar[bool] = True
    least: ClassVar[float] = 0.0
