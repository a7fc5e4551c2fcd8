"""Multilayer perceptron on named features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, ClassVar

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent.learners import migration
from edgedescent.learners._mlp import MLPModel
from edgedescent.learners.gradient_learner import GradientLearner
from edgedescent.losses import AdaptiveHuberLoss, Loss
from edgedescent.optim import Adam, Optimizer

WEIGHTS_MAX = 10_000_000
"""Bound on the weights between the features and the last hidden layer.

An event of a larger one could take more than a second: it may bring all features at once, and steps all weights.
"""


@dataclass(kw_only=True, eq=False, repr=False)
class MLPRegressor(GradientLearner):
    """Multilayer perceptron (MLP) with one to three hidden layers and a linear skip connection, and experience replay.

    ::

        z  = clip((x - mean) / sd, ±clip)           per feature, running; 1 for a category
        a₁ = relu(W₁ z + b₁)
        a₂ = relu(W₂ a₁ + b₂)                       and so on, for each of `hidden`
        f  = b + u · z + v · a
        prediction = mean_y + sd_y f                or mean_y exp(f), for a Poisson loss

    Features can have any names, and can appear and vanish at any time. Numbers and booleans are standardized online, so
    that the same learning rate suits all streams. Strings, and the integers of features listed in `categories`, are
    one-hot encoded. Features in a nested dict have names joined by a dot. A feature that is absent, None or not finite
    counts as its mean, and an unknown category as 0.

    After each event, `replay_steps` of the latest `replay_size` events are learned again, because a network learns too
    little from a single step per event. One of age a, in events, is drawn with a probability of about
    ``1 / (2 sqrt(a replay_size))``, so that newer ones come more often. `replay_batch` of them share a step of
    `optimizer`, along the average of their gradients; optimizers that scale their steps by the slope of an event take
    one for each. A large network replays fewer events: as many as visit 67 million weights. Where an abrupt change has
    made the kept events wrong, all but the newest 40 are dropped: when the error on new events is 5 times that on
    replayed ones and 4 times the usual one, each error counted up to 10 usual ones. `counts` says how often as
    ``replays_let_go``.

    Weights and gradients are in single precision, and predictions are computed from them in double precision. Initial
    weights are normally distributed with variance 2 / inputs (He et al. 2015); for categories, the standard deviation
    is a tenth of that. The linear model ``u`` starts at zero. It represents the linear part, so that the layers only
    learn the rest. Predictions come from an average of the weights over the last steps (Polyak and Juditsky 1992), of
    the `average_rate` of the optimizer. It is only the first one with `adapts_average`: the rate then descends the
    gradient of the loss at the averaged prediction, along the way to that of the last weights, within 0.005 and 0.5.

    To prevent exploding gradients, the gradient of an event is scaled down to a norm of at most 10, unless the
    optimizer sets `clip_norm`. To replace dead units, which have no gradient, a unit without activation in the last
    50,000 events and replays is restarted with new incoming weights and outgoing weights of zero (Dohare et al. 2024).
    `n_restarts` counts the restarts.

    Raises:
        ValueError: If a parameter is out of its range, a feature name is neither a string nor an integer, a feature
            value is neither a number nor a string, or the target is not a number. A rejected event changes
            nothing.

    Example:
        >>> from edgedescent import MLPRegressor
        >>> model = MLPRegressor(hidden=(16,))
        >>> for i in range(1000):
        ...     a, b = i % 2, i // 2 % 2
        ...     model.learn_one({"a": a, "b": b}, 10.0 * (a ^ b))
        >>> [round(model.predict_one({"a": a, "b": b})) for a, b in ((0, 0), (0, 1), (1, 0), (1, 1))]
        [0, 10, 10, 0]

    References:
        He, Zhang, Ren and Sun 2015, "Delving Deep into Rectifiers", ICCV, section 2.2.
        Polyak and Juditsky 1992, "Acceleration of Stochastic Approximation by Averaging", SIAM J. Control Optim. 30(4).
        Lin 1992, "Self-Improving Reactive Agents Based on Reinforcement Learning, Planning and Teaching", Machine
        Learning 8.
        Pascanu, Mikolov and Bengio 2013, "On the Difficulty of Training Recurrent Neural Networks", ICML, section 3.2.
        Dohare et al. 2024, "Loss of Plasticity in Deep Continual Learning", Nature 632.
    """

    model_type = MLPModel
    migrations: ClassVar[Mapping[str, migration.Rule]] = {
        **GradientLearner.migrations,
        "replay_batch": migration.goes_on,
    }

    hidden: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=4096)], ...],
        Meta(min_length=1, max_length=3, description="Widths of the hidden layers"),
    ] = (64, 32)
    optimizer: Annotated[
        Optimizer, Meta(description="Step rule; an event of n > 16 features takes 16 / n of its steps")
    ] = Adam(lr=0.003, average_rate=0.06)  # noqa: RUF009 - optimizers are immutable
    loss: Annotated[Loss, Meta(description="What to minimize")] = AdaptiveHuberLoss(k=1.2)  # noqa: RUF009 - immutable
    l2: Annotated[float, Meta(ge=0, description="Weight of the penalty ``l2 w² / 2`` per weight and event")] = 0.0001
    replay_size: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Number of the latest events that are kept for replay")
    ] = 2500
    replay_steps: Annotated[
        int,
        Meta(ge=0, le=1000, description="Number of kept events, drawn at random, that are learned again after each"),
    ] = 64
    replay_batch: Annotated[
        int,
        Meta(ge=1, le=1000, description="Number of replayed events whose average gradient makes a step"),
    ] = 8
    adapts_average: Annotated[
        bool,
        Meta(
            description="Adapt the `average_rate` of `optimizer`: it falls where the last weights follow noise, and "
            "rises where their average lags"
        ),
    ] = True

    def check_parameters(self) -> None:
        """Raise ValueError for an optimizer with a covariance, and for too large a network.

        The covariance of a linear model says nothing about layers.
        """
        super().check_parameters()
        widths = (self.features_max, *self.hidden)
        n_weights = sum(n * width for n, width in pairwise(widths))
        if n_weights > WEIGHTS_MAX:
            raise ValueError(
                f"{type(self).__name__} may have {WEIGHTS_MAX} weights. `features_max` and `hidden` make it "
                f"{' + '.join(f'{n} * {width}' for n, width in pairwise(widths))} = {n_weights}."
            )
        if self.optimizer.covariance_max:
            raise ValueError(
                f"The `optimizer` of {type(self).__name__} must be one without a covariance. Got {self.optimizer!r}."
            )

    def counts(self) -> dict[str, int]:
        """Return the counters of `FeatureLearner.counts`, and the number of restarted units."""
        return {**super().counts(), "units_restarted": self.model.n_restarts}

    def _shares(self, rows: NDArray[np.intp], z: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        layers, skip, output = self.model.serving_tables()
        first = layers[0][rows]
        active = np.maximum(layers[0][0] + z @ first, 0.0)
        trace = [active]
        for table in layers[1:]:
            active = np.maximum(table[0] + active @ table[1:], 0.0)
            trace.append(active)
        score = output[0, 0] + skip[rows, 0] @ z + active @ output[1:, 0]
        slope = output[1:, 0] * (active > 0.0)
        for table, below in zip(layers[:0:-1], trace[-2::-1], strict=True):
            slope = (table[1:] @ slope) * (below > 0.0)
        return float(score), (skip[rows, 0] + first @ slope) * z

    def _learned(self) -> list[str]:
        widths = " and ".join(map(str, self.hidden))
        return [*super()._learned(), f"hidden layers: {widths} units"]
