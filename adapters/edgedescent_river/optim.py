"""River's optimizers as our own: functions with River's names and parameters, and conversion of configured ones.

The functions have River's parameters and defaults and return an optimizer of `edgedescent.optim`. Given the same
gradients, both take the same steps: a test compares the weights after each of them to 1e-6. For those that add `eps` at
another place, this holds where `eps` is negligible.

Two things differ, because they are not part of an optimizer. River counts steps per model and ours per coordinate,
which is the same if every event has every feature. And River's `Squared` has twice the slope of ours: double the rate
of optimizers that do not normalize gradients (`SGD`, `Momentum`) to take the same steps in a learner.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from river import optim as rivers
from river.optim import schedulers

from edgedescent import optim
from edgedescent.optim import Constant, InverseScaling, Optimizer, Schedule

__all__ = ["SGD", "AMSGrad", "AdaDelta", "AdaGrad", "Adam", "Momentum", "RMSProp", "from_river"]

_ALMOST_NOTHING = 1e-300


def SGD(lr: Any = 0.01) -> optim.SGD:  # noqa: N802 - River's name
    """River's `optim.SGD`.

    >>> SGD(0.1)
    SGD(lr=0.1)
    """
    rate, schedule = _schedule(lr)
    return optim.SGD(lr=rate, schedule=schedule)


def Momentum(lr: Any = 0.1, rho: float = 0.9) -> optim.Momentum:  # noqa: N802 - River's name
    """River's `optim.Momentum`, with a constant rate: River multiplies each gradient by the rate of its own step.

    Raises:
        ValueError: If `lr` changes from step to step.
    """
    rate, schedule = _schedule(lr)
    if schedule != Constant():
        raise _other("Momentum", "with a rate that falls, River's sum holds each gradient times the rate of its step")
    return optim.Momentum(lr=rate, mu=rho)


def AdaGrad(lr: Any = 0.1, eps: float = 1e-8) -> optim.AdaGrad:  # noqa: N802 - River's name
    """River's `optim.AdaGrad`, which adds `eps` under the root, as ours adds `initial`."""
    rate, schedule = _schedule(lr)
    return optim.AdaGrad(lr=rate, initial=eps, eps=_ALMOST_NOTHING, schedule=schedule)


def AdaDelta(rho: float = 0.95, eps: float = 1e-8) -> optim.AdaDelta:  # noqa: N802 - River's name
    """River's `optim.AdaDelta`."""
    return optim.AdaDelta(rho=rho, eps=eps)


def RMSProp(lr: Any = 0.1, rho: float = 0.9, eps: float = 1e-8) -> optim.RMSProp:  # noqa: N802 - River's name
    """River's `optim.RMSProp`, except for `eps`: River adds it under the root, ours beside it.

    Gradients whose running square is not far above `eps` make larger steps here.
    """
    rate, schedule = _schedule(lr)
    return optim.RMSProp(lr=rate, rho=rho, eps=eps, schedule=schedule)


def Adam(  # noqa: N802 - River's name
    lr: Any = 0.1, beta_1: float = 0.9, beta_2: float = 0.999, eps: float = 1e-8
) -> optim.Adam:
    """River's `optim.Adam`, except for `eps`: River adds it before the bias correction, ours after it, as the paper."""
    rate, schedule = _schedule(lr)
    return optim.Adam(lr=rate, beta1=beta_1, beta2=beta_2, eps=eps, schedule=schedule)


def AMSGrad(  # noqa: N802 - River's name
    lr: Any = 0.1, beta_1: float = 0.9, beta_2: float = 0.999, eps: float = 1e-8, correct_bias: bool = True
) -> optim.AMSGrad:
    """River's `optim.AMSGrad` with ``correct_bias=False``, as in the paper.

    Raises:
        ValueError: If `correct_bias` is True, River's default.
    """
    if correct_bias:
        raise _other("AMSGrad", "ours is the paper's, which corrects no bias: give `correct_bias=False`")
    rate, schedule = _schedule(lr)
    return optim.AMSGrad(lr=rate, beta1=beta_1, beta2=beta_2, eps=eps, schedule=schedule)


_SAME: dict[type, tuple[Callable[..., Optimizer], tuple[str, ...]]] = {
    rivers.SGD: (SGD, ("lr",)),
    rivers.Momentum: (Momentum, ("lr", "rho")),
    rivers.AdaGrad: (AdaGrad, ("lr", "eps")),
    rivers.AdaDelta: (AdaDelta, ("rho", "eps")),
    rivers.RMSProp: (RMSProp, ("lr", "rho", "eps")),
    rivers.Adam: (Adam, ("lr", "beta_1", "beta_2", "eps")),
    rivers.AMSGrad: (AMSGrad, ("lr", "beta_1", "beta_2", "eps", "correct_bias")),
}

_OTHER = {
    "NesterovMomentum": "River predicts with the weights behind the look-ahead, ours with those at it",
    "Nadam": "River corrects the momentum of the next step with the count of this one, the paper with the next",
    "FTRLProximal": "River's weights are those of the event before, because it solves for them at the next step",
    "AdaBound": "there is none of ours",
    "AdaMax": "there is none of ours",
    "Newton": "there is none of ours",
    "Averager": "River goes on from the average, while our `average_rate` only predicts with it",
}
"""Reason why an optimizer of River has no counterpart, by name."""


def from_river(optimizer: Any) -> Optimizer:
    """Return our optimizer that takes the same steps as a configured optimizer of River with its schedule.

    Args:
        optimizer: An optimizer of River; its parameters are used, not its state.

    Raises:
        ValueError: If none of ours has the same meaning; names the reason.

    >>> from river import optim
    >>> from_river(optim.SGD(optim.schedulers.InverseScaling(0.5, power=0.25))).schedule
    InverseScaling(power=0.25, delay=1.0)
    >>> from_river(optim.AdaMax())
    Traceback (most recent call last):
    ...
    ValueError: River's AdaMax has no counterpart: there is none of ours.
    """
    if type(optimizer) in _SAME:
        make, names = _SAME[type(optimizer)]
        return make(**{name: getattr(optimizer, name) for name in names})
    name = type(optimizer).__name__
    raise _other(name, _OTHER.get(name, "expected an optimizer of River"))


def _other(name: str, why: str) -> ValueError:
    return ValueError(f"River's {name} has no counterpart: {why}.")


def _schedule(lr: Any) -> tuple[float, Schedule]:
    """Return the first learning rate and the schedule."""
    if isinstance(lr, schedulers.Constant):
        return lr.learning_rate, Constant()
    if isinstance(lr, schedulers.InverseScaling):
        return lr.learning_rate, InverseScaling(power=lr.power, delay=1.0)
    if isinstance(lr, schedulers.Optimal):
        # 1 / (alpha (t0 + t)) = 1 / (alpha t0) · (1 + t / t0)^-1
        return 1.0 / (lr.alpha * lr.t0), InverseScaling(power=1.0, delay=lr.t0)
    if isinstance(lr, int | float):
        return lr, Constant()
    raise ValueError(f"The rate {lr!r:.80} has no counterpart: expected a number or a scheduler of River.")
