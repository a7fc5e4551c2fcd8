"""Base class of optimizers."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar

from msgspec import Meta

from edgedescent.optim.schedules import Constant, Schedule
from edgedescent.validation import Declared


@dataclass(frozen=True, kw_only=True)
class Optimizer(Declared):
    """Base class of optimizers: the hyper-parameters of a step rule. Each learner has its own state of the rule.

    A subclass is a frozen dataclass. Its fields are the learning rate ``lr``, if it has one, then the hyper-parameters
    in the order in which the compiled rule named `rule` reads them. `slots` names the state arrays of the rule, which
    have the shape of the parameters and start at zero. Optimizers can also be written in Python: see
    docs/extending.md.

    Raises:
        ValueError: If a hyper-parameter is out of its range.
    """

    rule: ClassVar[str] = "python"
    slots: ClassVar[tuple[str, ...]] = ()
    scales_itself: ClassVar[bool] = False
    """True if the rule limits the total step of many features, so that learners need not reduce it for wide events."""

    derives_weights: ClassVar[bool] = False
    """True if the rule computes the parameters from its slots and hyper-parameters, instead of changing them. Other
    hyper-parameters would then change all of them."""

    spares_intercepts: ClassVar[bool] = False
    """True if the rule treats intercepts and biases differently, as weight decay does. Otherwise, they may step
    together with the weights beside them."""

    needs_single_events: ClassVar[bool] = False
    """True if the rule needs the gradient of each event, so that averages over mini-batches do not serve it."""

    schedule: Annotated[
        Schedule, Meta(description="Factor of the learning rate at each step; steps on replayed events count too")
    ] = Constant()  # noqa: RUF009 - schedules are immutable
    clip_value: Annotated[
        float | None,
        Meta(gt=0, description="Each component of a gradient is clipped at ±clip_value; None for no clipping"),
    ] = None
    clip_norm: Annotated[
        float | None,
        Meta(gt=0, description="Length to which the gradient of an event is scaled down; None for no clipping"),
    ] = None
    average_rate: Annotated[
        float | None,
        Meta(
            gt=0,
            le=1,
            description="Predict with the average of the iterates, which takes in a share of 1/n of the n-th one but "
            "no less than this, and so remembers about 1 / average_rate steps (Polyak and Juditsky 1992); None for the "
            "last iterate",
        ),
    ] = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "slots" in vars(cls) and "rule" not in vars(cls) and cls.rule != "python":
            # The compiled rule would access slots that do not exist.
            raise TypeError(f"{cls.__name__} cannot change the slots of the compiled rule {cls.rule!r}.")
        # Set here, because the dataclass decorator runs later and adds its own `__repr__` if there is none.
        cls.__repr__ = Optimizer.__repr__  # type: ignore[method-assign]

    def __repr__(self) -> str:
        given = ((f.name, getattr(self, f.name)) for f in fields(self) if f.init and getattr(self, f.name) != f.default)
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in given)})"

    @property
    def hyper(self) -> tuple[float, ...]:
        """Hyper-parameters of the compiled rule, without the learning rate; empty for a rule written in Python."""
        if self.rule == "python":
            return ()
        shared = {f.name for f in fields(Optimizer)} | {"lr"}
        return tuple(float(getattr(self, f.name)) for f in fields(self) if f.name not in shared)

    @property
    def rate(self) -> float:
        """Learning rate; 1 for a rule without one."""
        return float(getattr(self, "lr", 1.0))

    @property
    def batch(self) -> int:
        """Number of gradients per step."""
        return 1

    @property
    def covariance_max(self) -> int:
        """Number of parameters that share a covariance matrix; 0 for a rule without one."""
        return 0

    @property
    def averaging(self) -> bool:
        """True if the iterates are averaged."""
        return self.average_rate is not None

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the state arrays that a table has in addition to the parameters."""
        batch = ("batch_sum", "batch_count") if self.batch > 1 else ()
        average = ("average", "averaged") if self.averaging else ()
        return (*self.slots, *batch, *average, *(("covariance",) if self.covariance_max else ()))
