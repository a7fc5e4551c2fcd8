"""Base class of the learners of named features that descend a gradient."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent.learners import migration
from edgedescent.learners.explaining import explained
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
        "adapts_average": migration.average_rate,
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
    adapts_average: Annotated[
        bool,
        Meta(
            description="Adapt the `average_rate` of `optimizer`: it falls where the last weights follow noise, and "
            "rises where their average lags"
        ),
    ] = False
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

    def explain_one(self, x: Mapping[str, Any]) -> dict[str, float]:
        """Return the contribution of each feature to the prediction for an event; they add up to it.

        ::

            linear                  w z                         exact
            factorization machine   w z + ½ Σ_{j} <v, vⱼ> z zⱼ  exact: half of each product belongs to either feature
            network                 z ∂f/∂z                     of the piecewise linear f at the event

        The rest of the prediction, all of it for an event without features, is that of ``(intercept)``. Of a network it
        holds what the hidden units add that are on, whatever the size of the features. For a loss of binary targets and
        a Poisson loss, contributions to the score f are multiplied by one factor, so that they add up to the prediction
        (integrated gradients).

        Args:
            x: The event.

        Returns:
            Contributions in units of the target, by the names of the features and categories, ``(intercept)`` first,
            then the largest. What was never learned contributes nothing and is left out.

        Raises:
            ValueError: If a feature value is neither a number nor a string.

        Example:
            >>> from edgedescent import LinearRegressor
            >>> model = LinearRegressor()
            >>> for i in range(500):
            ...     model.learn_one({"load": i % 11, "temp": i % 3}, 2.0 * (i % 11) + 5.0)
            >>> {name: round(part, 1) + 0.0 for name, part in model.explain_one({"load": 9, "temp": 1}).items()}
            {'(intercept)': 14.9, 'load': 8.0, 'temp': 0.0}

        References:
            Sundararajan, Taly and Yan 2017, "Axiomatic Attribution for Deep Networks", ICML.
        """
        rows, z = self.encoder.encoded(x)
        names = self.encoder.vocabulary.keys()
        score, shares = self._shares(rows, z)
        rest = score - float(shares.sum())
        slope = self._predicted(rest + 1e-6) - self._predicted(rest)
        used = [names[row - 1] for row in rows.tolist()]
        return explained(self.predict_one(x), used, shares, self._predicted(rest), slope / 1e-6)

    def _shares(self, rows: NDArray[np.intp], z: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return the score of an event, and the part of each feature in it."""
        raise NotImplementedError

    def _predicted(self, score: float) -> float:
        """Return the prediction that a score stands for."""
        mean, deviation = self._target()
        if self.loss.scaling == "as_is":
            return 1.0 / (1.0 + math.exp(-min(max(score, -700.0), 700.0)))
        if self.loss.scaling == "by_mean":
            return mean * math.exp(min(score, 20.0))
        return mean + deviation * score

    def _target(self) -> tuple[float, float]:
        """Return mean and standard deviation of the target."""
        _, mean, variance = self.model.target.save(1)[:3]
        return float(mean[0]), math.sqrt(float(variance[0]))

    def _learned(self) -> list[str]:
        lines = super()._learned()
        if self.loss.scaling != "as_is":
            mean, deviation = self._target()
            lines.append(f"target: mean {mean:.4g}, standard deviation {deviation:.4g}")
        return lines


def largest_weights(names: Sequence[str], weights: NDArray[np.float64], n: int = 10) -> list[str]:
    """Return a line for each of the `n` weights that are largest in size.

    Args:
        names: Name of each feature.
        weights: Weight of each, shape (n_features,).
        n: Number of lines.

    Example:
        >>> largest_weights(["a", "b"], np.array([0.5, -2.0]), n=1)
        ['          -2  b']
    """
    order = np.argsort(-np.abs(weights), kind="stable")[:n]
    return [f"{weights[i] + 0.0:+12.4g}  {names[i]}" for i in order]
