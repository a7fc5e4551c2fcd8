"""What an optimizer is."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import ClassVar

from edgedescent.optim.schedules import Constant, Schedule
from edgedescent.validation import require_instance, require_number


@dataclass(frozen=True)
class Optimizer:
    """Hyper-parameters of a step rule; the state of the rule belongs to whichever learner uses it.

    A subclass is a frozen dataclass. Its fields are the learning rate ``lr``, where it has one, then the
    hyper-parameters in the order in which the compiled rule named `rule` reads them. `slots` names the arrays that the
    rule keeps for every parameter, all zero at first. An optimizer may also be written in Python: see
    docs/extending.md.

    Args:
        schedule: how the learning rate changes from step to step; steps on replayed events count too.
        clip_value: each component of a gradient is clipped at ±clip_value; None for no clipping.
        clip_norm: the gradient of an event is scaled down to this length; None for no clipping.
        average_rate: predict with the average of the iterates instead of the last: each step takes in a share of
            1/n of the n-th iterate, but no less than `average_rate`, so that the average remembers about
            1 / average_rate steps (Polyak and Juditsky 1992); None for the last iterate; in (0, 1].

    Raises:
        ValueError: if one is out of its range.
    """

    rule: ClassVar[str] = "python"
    slots: ClassVar[tuple[str, ...]] = ()
    scales_itself: ClassVar[bool] = False
    """Whether the steps of many features together end up small enough by the rule alone."""

    schedule: Schedule = field(default=Constant(), kw_only=True)
    clip_value: float | None = field(default=None, kw_only=True)
    clip_norm: float | None = field(default=None, kw_only=True)
    average_rate: float | None = field(default=None, kw_only=True)

    def __init_subclass__(cls) -> None:
        # Before the decorator of a dataclass looks whether there is one.
        cls.__repr__ = Optimizer.__repr__  # type: ignore[method-assign]

    def __repr__(self) -> str:
        given = ((f.name, getattr(self, f.name)) for f in fields(self) if f.init and getattr(self, f.name) != f.default)
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in given)})"

    def __post_init__(self) -> None:
        require_instance(self, "schedule", self.schedule, Schedule)
        if self.clip_value is not None:
            require_number(self, "clip_value", self.clip_value, above=0)
        if self.clip_norm is not None:
            require_number(self, "clip_norm", self.clip_norm, above=0)
        if self.average_rate is not None:
            require_number(self, "average_rate", self.average_rate, above=0, at_most=1)

    @property
    def hyper(self) -> tuple[float, ...]:
        """The hyper-parameters beside the learning rate, as the compiled rule takes them; none for one in Python."""
        if self.rule == "python":
            return ()
        shared = {f.name for f in fields(Optimizer)} | {"lr"}
        return tuple(float(getattr(self, f.name)) for f in fields(self) if f.name not in shared)

    @property
    def rate(self) -> float:
        """The learning rate; 1 where the rule finds its own."""
        return float(getattr(self, "lr", 1.0))

    @property
    def batch(self) -> int:
        """How many gradients make a step."""
        return 1

    @property
    def averaging(self) -> bool:
        """Whether the iterates are averaged."""
        return self.average_rate is not None

    @property
    def state_names(self) -> tuple[str, ...]:
        """The names of the arrays that a table keeps beside its parameters."""
        batch = ("batch_sum", "batch_count") if self.batch > 1 else ()
        return (*self.slots, *batch, *(("average", "averaged") if self.averaging else ()))
