"""Base class of the learners of named features that descend a gradient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from edgedescent.learners import migration
from edgedescent.learners.feature_learner import FeatureLearner
from edgedescent.losses import AdaptiveHuberLoss, Loss
from edgedescent.optim import Adam, Optimizer


@dataclass(kw_only=True, eq=False, repr=False)
class GradientLearner(FeatureLearner):
    """Base class of the learners of named features that descend the gradient of a loss.

    A subclass sets `model_type` to a `GradientModel`.
    """

    target_kind: ClassVar[Literal["numeric", "binary", "any"]] = "numeric"
    """Kind of targets, which determines the valid losses: numbers, probabilities, or both."""
    migrations: ClassVar[Mapping[str, migration.Rule]] = {
        **FeatureLearner.migrations,
        "optimizer": migration.optimizer,
        "loss": migration.target_unit,
        "l1": migration.goes_on,
        "l2": migration.goes_on,
        "replay_size": migration.replay_buffer,
        "replay_steps": migration.replay_buffer,
    }

    optimizer: Annotated[
        Optimizer, Meta(description="Step rule; an event of n > 16 features takes 16 / n of its steps")
    ] = Adam()  # noqa: RUF009 - optimizers are immutable
    loss: Annotated[Loss, Meta(description="What to minimize")] = AdaptiveHuberLoss()  # noqa: RUF009 - immutable
    l1: Annotated[
        float,
        Meta(
            ge=0,
            description="Weight of the penalty ``l1 |w|`` per weight and event, which sets weights to exactly zero",
        ),
    ] = 0.0
    l2: Annotated[float, Meta(ge=0, description="Weight of the penalty ``l2 w² / 2`` per weight and event")] = 0.0
    replay_size: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Number of the latest events that are kept for replay")
    ] = 2000
    replay_steps: Annotated[
        int,
        Meta(ge=0, le=1000, description="Number of kept events, drawn at random, that are learned again after each"),
    ] = 0

    @property
    def has_numeric_targets(self) -> bool:
        """False for a loss of binary targets."""
        return not self.loss.binary

    def check_parameters(self) -> None:
        """Raise ValueError unless the loss is one for the learner's kind of targets, and allows the intervals."""
        binary = self.loss.binary
        if self.target_kind != "any" and binary != (self.target_kind == "binary"):
            raise ValueError(
                f"The `loss` of {type(self).__name__} must be one for {self.target_kind} targets. Got {self.loss!r}."
            )
        if self.interval_levels and not self.has_numeric_targets:
            raise ValueError(
                f"The `interval_levels` of {type(self).__name__} must be none, because its targets are binary. "
                f"Got {self.interval_levels}."
            )
