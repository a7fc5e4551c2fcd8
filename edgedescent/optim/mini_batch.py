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
    """Mini-batches: one step of another optimizer with the average of several gradients.

    ::

        total <- total + g;   count <- count + 1
        if count = size:   step with g = total / count;   total <- 0;   count <- 0

    Gradients are counted per parameter, so that the batch of a rare feature consists of the events that contain it.
    Schedule, clipping and averaging are those of the inner optimizer. They apply to every event: a schedule counts
    events, not batches.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.optim import Adam, MiniBatch
        >>> model = LinearRegressor(optimizer=MiniBatch(optimizer=Adam(lr=0.03), size=8))
        >>> model.learn_one({"temp": 20.1}, 3.2)

    References:
        Dekel, Gilad-Bachrach, Shamir and Xiao 2012, "Optimal Distributed Online Prediction Using Mini-Batches",
        JMLR 13.
    """

    optimizer: Annotated[Optimizer, Meta(description="Step rule, any but `RLS` and another mini-batch")] = Adam(lr=0.03)  # noqa: RUF009 - immutable
    size: Annotated[int, Meta(ge=1, le=1_000_000, description="Number of gradients that make a step")] = 8

    # Copied from the inner optimizer in `__post_init__`.
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
        if self.optimizer.needs_single_events:
            raise ValueError(
                f"The `optimizer` of MiniBatch must be one that can step with an average of gradients. "
                f"Got {self.optimizer!r}."
            )
        for name in ("schedule", "clip_value", "clip_norm", "average_rate"):
            object.__setattr__(self, name, getattr(self.optimizer, name))
        # Attributes of the inner optimizer that the compiled rules and the learners read.
        for name in ("rule", "slots", "scales_itself", "spares_intercepts", "step"):
            if hasattr(self.optimizer, name):
                object.__setattr__(self, name, getattr(self.optimizer, name))

    @property
    def hyper(self) -> tuple[float, ...]:
        """Hyper-parameters of the inner optimizer."""
        return self.optimizer.hyper

    @property
    def rate(self) -> float:
        """Learning rate of the inner optimizer."""
        return self.optimizer.rate

    @property
    def batch(self) -> int:
        """Number of gradients per step."""
        return self.size
