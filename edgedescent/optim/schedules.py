"""Learning-rate schedules: a factor on the learning rate for each step."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from edgedescent.validation import Declared


@dataclass(frozen=True, kw_only=True)
class Schedule(Declared):
    """Base of the schedules: a subclass declares its parameters in the order in which the compiled code reads them."""

    rule: ClassVar[str]

    @property
    def hyper(self) -> tuple[float, ...]:
        """The parameters as the compiled schedule takes them."""
        return tuple(float(value) for value in astuple(self))


@dataclass(frozen=True, kw_only=True)
class Constant(Schedule):
    """The learning rate as it is given: right for streams that drift.

    Example:
        >>> from edgedescent.optim import Adam, Constant
        >>> Adam(schedule=Constant()).lr
        0.01
    """

    rule: ClassVar[str] = "constant"


@dataclass(frozen=True, kw_only=True)
class InverseScaling(Schedule):
    """Falls with the power of the steps: right for streams that do not drift.

    ::

        factor = (1 + t / delay)^-power

    Example:
        >>> from edgedescent.optim import SGD, InverseScaling
        >>> SGD(lr=0.1, schedule=InverseScaling(power=0.5)).schedule.power
        0.5

    References:
        Robbins and Monro 1951, "A Stochastic Approximation Method", Annals of Mathematical Statistics 22(3).
    """

    rule: ClassVar[str] = "inverse_scaling"

    power: Annotated[float, Meta(gt=0, le=1, description="Power of the number of steps")] = 0.5
    delay: Annotated[float, Meta(gt=0, description="Number of steps after which it has fallen to 2^-power")] = 1.0


@dataclass(frozen=True, kw_only=True)
class Step(Schedule):
    """Falls by a factor every so many steps.

    ::

        factor = decay^floor(t / every)

    Example:
        >>> from edgedescent.optim import SGD, Step
        >>> SGD(lr=0.1, schedule=Step(every=1000, decay=0.5)).schedule.every
        1000
    """

    rule: ClassVar[str] = "stepwise"

    every: Annotated[int, Meta(ge=1, description="Steps between the falls")] = 10_000
    decay: Annotated[float, Meta(gt=0, le=1, description="Factor of each fall")] = 0.5


@dataclass(frozen=True, kw_only=True)
class CosineRestarts(Schedule):
    """Falls along a half cosine and starts again, each time for longer.

    ::

        factor = floor + (1 - floor) (1 + cos(π s / T)) / 2

    with ``s`` the steps since the last restart and ``T`` the length of the cycle, `growth` times the one before.

    Example:
        >>> from edgedescent.optim import CosineRestarts, SGD
        >>> SGD(lr=0.1, schedule=CosineRestarts(period=500)).schedule.period
        500

    References:
        Loshchilov and Hutter 2017, "SGDR: Stochastic Gradient Stepper with Warm Restarts", ICLR.
    """

    rule: ClassVar[str] = "cosine"

    period: Annotated[int, Meta(ge=1, description="Steps of the first cycle")] = 1000
    growth: Annotated[float, Meta(ge=1, description="Length of a cycle as a multiple of the one before")] = 2.0
    floor: Annotated[float, Meta(ge=0, lt=1, description="Least factor")] = 0.0


@dataclass(frozen=True, kw_only=True)
class ReduceOnPlateau(Schedule):
    """Falls whenever the mean loss of a window of events is not below that of the best window before.

    ::

        factor <- max(factor decay, floor)   unless   loss < best (1 - gain)

    Example:
        >>> from edgedescent.optim import Adam, ReduceOnPlateau
        >>> Adam(schedule=ReduceOnPlateau(window=2000)).schedule.window
        2000
    """

    rule: ClassVar[str] = "plateau"

    window: Annotated[int, Meta(ge=1, description="Events in a window")] = 1000
    decay: Annotated[float, Meta(gt=0, lt=1, description="Factor of each fall")] = 0.5
    gain: Annotated[
        float, Meta(ge=0, lt=1, description="By what share a window must be better than the best before")
    ] = 0.01
    floor: Annotated[float, Meta(gt=0, le=1, description="Least factor")] = 0.01
