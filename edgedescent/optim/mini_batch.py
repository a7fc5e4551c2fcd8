"""Mini-batches."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from msgspec import Meta

from edgedescent.optim.adam import Adam
from edgedescent.optim.base import Optimizer
from edgedescent.optim.schedules import Schedule


@dataclass(frozen=True, kw_only=True)
class MiniBatch(Optimizer):
    """Averages the gradients of several events, then takes one step of another optimizer.

    ::

        total <- total + g;   count <- count + 1
        if count = size:   step with g = total / count;   total <- 0;   count <- 0

    Each parameter counts for itself, so that the batch of a rare feature is of the events that hold it. Schedule,
    clipping and averaging are those of the optimizer: they see every event, and a schedule counts events, not batches.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.optim import Adam, MiniBatch
        >>> model = LinearRegressor(optimizer=MiniBatch(optimizer=Adam(lr=0.03), size=8))
        >>> model.learn_one({"temp": 20.1}, 3.2)

    References:
        Dekel, Gilad-Bachrach, Shamir and Xiao 2012, "Optimal Distributed Online Prediction Using Mini-Batches",
        JMLR 13.
    """

    optimizer: Annotated[Optimizer, Meta(description="Step rule, any but another mini-batch")] = Adam(lr=0.03)  # noqa: RUF009 - immutable
    size: Annotated[int, Meta(ge=1, le=1_000_000, description="Number of gradients that make a step")] = 8

    # Those of the optimizer.
    schedule: Schedule = field(init=False, repr=False, compare=False)
    clip_value: float | None = field(init=False, repr=False, compare=False)
    clip_norm: float | None = field(init=False, repr=False, compare=False)
    average_rate: float | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.optimizer, MiniBatch):
            raise ValueError(  # noqa: TRY004 - every wrong hyper-parameter raises the same error
                f"The `optimizer` of MiniBatch must not be a MiniBatch itself. Got {self.optimizer!r}."
            )
        for name in ("schedule", "clip_value", "clip_norm", "average_rate"):
            object.__setattr__(self, name, getattr(self.optimizer, name))
        # What the compiled rules and the learners ask of an optimizer.
        for name in ("rule", "slots", "scales_itself", "step"):
            if hasattr(self.optimizer, name):
                object.__setattr__(self, name, getattr(self.optimizer, name))

    @property
    def hyper(self) -> tuple[float, ...]:
        """The hyper-parameters of the optimizer."""
        return self.optimizer.hyper

    @property
    def rate(self) -> float:
        """The learning rate of the optimizer."""
        return self.optimizer.rate

    @property
    def batch(self) -> int:
        """Number of gradients that make a step."""
        return self.size
