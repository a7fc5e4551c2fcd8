"""Learning-rate schedules: a factor on the learning rate for each step."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import ClassVar

from edgedescent.validation import require_count, require_number


@dataclass(frozen=True)
class Schedule:
    """Parameters of a schedule; a subclass is a frozen dataclass whose fields the compiled schedule reads in order."""

    rule: ClassVar[str]

    @property
    def hyper(self) -> tuple[float, ...]:
        """The parameters as the compiled schedule takes them."""
        return tuple(float(value) for value in astuple(self))


@dataclass(frozen=True)
class Constant(Schedule):
    """The learning rate as it is given: right for streams that drift.

    Example:
        >>> from edgedescent.optim import Adam, Constant
        >>> Adam(schedule=Constant()).lr
        0.01
    """

    rule: ClassVar[str] = "constant"


@dataclass(frozen=True)
class InverseScaling(Schedule):
    """Falls with the power of the steps: right for streams that do not drift.

    ::

        factor = (1 + t / delay)^-power

    Args:
        power: in (0, 1].
        delay: how many steps pass before it has fallen to 2^-power; > 0.

    Raises:
        ValueError: if a parameter is out of its range.

    Example:
        >>> from edgedescent.optim import SGD, InverseScaling
        >>> SGD(lr=0.1, schedule=InverseScaling(power=0.5)).schedule.power
        0.5

    References:
        Robbins and Monro 1951, "A Stochastic Approximation Method", Annals of Mathematical Statistics 22(3).
    """

    rule: ClassVar[str] = "inverse_scaling"

    power: float = 0.5
    delay: float = 1.0

    def __post_init__(self) -> None:
        require_number(self, "power", self.power, above=0, at_most=1)
        require_number(self, "delay", self.delay, above=0)


@dataclass(frozen=True)
class Step(Schedule):
    """Falls by a factor every so many steps.

    ::

        factor = decay^floor(t / every)

    Args:
        every: steps between the falls; >= 1.
        decay: in (0, 1].

    Raises:
        ValueError: if a parameter is out of its range.

    Example:
        >>> from edgedescent.optim import SGD, Step
        >>> SGD(lr=0.1, schedule=Step(every=1000, decay=0.5)).schedule.every
        1000
    """

    rule: ClassVar[str] = "stepwise"

    every: int = 10_000
    decay: float = 0.5

    def __post_init__(self) -> None:
        require_count(self, "every", self.every, at_least=1)
        require_number(self, "decay", self.decay, above=0, at_most=1)


@dataclass(frozen=True)
class CosineRestarts(Schedule):
    """Falls along a half cosine and starts again, each time for longer.

    ::

        factor = floor + (1 - floor) (1 + cos(π s / T)) / 2

    with ``s`` the steps since the last restart and ``T`` the length of the cycle, `growth` times the one before.

    Args:
        period: steps of the first cycle; >= 1.
        growth: >= 1.
        floor: the least factor, in [0, 1).

    Raises:
        ValueError: if a parameter is out of its range.

    Example:
        >>> from edgedescent.optim import CosineRestarts, SGD
        >>> SGD(lr=0.1, schedule=CosineRestarts(period=500)).schedule.period
        500

    References:
        Loshchilov and Hutter 2017, "SGDR: Stochastic Gradient Stepper with Warm Restarts", ICLR.
    """

    rule: ClassVar[str] = "cosine"

    period: int = 1000
    growth: float = 2.0
    floor: float = 0.0

    def __post_init__(self) -> None:
        require_count(self, "period", self.period, at_least=1)
        require_number(self, "growth", self.growth, at_least=1)
        require_number(self, "floor", self.floor, at_least=0, below=1)


@dataclass(frozen=True)
class ReduceOnPlateau(Schedule):
    """Falls whenever the mean loss of a window of events is not below that of the best window before.

    ::

        factor <- max(factor decay, floor)   unless   loss < best (1 - gain)

    Args:
        window: events in a window; >= 1.
        decay: in (0, 1).
        gain: by what share a window must be better than the best before; in [0, 1).
        floor: the least factor; in (0, 1].

    Raises:
        ValueError: if a parameter is out of its range.

    Example:
        >>> from edgedescent.optim import Adam, ReduceOnPlateau
        >>> Adam(schedule=ReduceOnPlateau(window=2000)).schedule.window
        2000
    """

    rule: ClassVar[str] = "plateau"

    window: int = 1000
    decay: float = 0.5
    gain: float = 0.01
    floor: float = 0.01

    def __post_init__(self) -> None:
        require_count(self, "window", self.window, at_least=1)
        require_number(self, "decay", self.decay, above=0, below=1)
        require_number(self, "gain", self.gain, at_least=0, below=1)
        require_number(self, "floor", self.floor, above=0, at_most=1)
