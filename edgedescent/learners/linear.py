"""Linear regression on named features."""

from __future__ import annotations

from typing import ClassVar, Literal

from edgedescent.kernels.linear import LinearKernel
from edgedescent.learners.base import Learner
from edgedescent.learners.features import shared_parameters
from edgedescent.losses import AdaptiveHuberLoss, Loss
from edgedescent.optim import Adam, Optimizer
from edgedescent.validation import require_choice, require_count, require_instance, require_number


class LinearRegressor(LinearKernel, Learner):
    """A linear model of numeric features of any name, which may appear and vanish at any time.

    ::

        z = clip((x - mean) / sd, ±clip)            per feature, running
        f = w₀ + Σ w z
        prediction = mean_y + sd_y f

    Features and target are standardized online, so that the learning rate means the same on every stream. A feature
    that is absent, None or not finite counts as being at its mean. Each event takes one step of `optimizer` along the
    gradient of `loss`; the statistics take in the event after the step, so that an outlier cannot excuse itself.

    Args:
        optimizer: the step rule.
        loss: what to minimize.
        l2: weight of the penalty ``l2 w² / 2`` per feature and event; >= 0.
        clip: standardized features are clipped at ±clip; > 0.
        forgetting: the least rate at which means and variances follow new values: they remember about 1 / forgetting
            events; in (0, 1).
        features_max: how many features have a weight at the same time; >= 1.
        when_full: what a further feature meets: ``"evict"`` gives it the row of the feature that was least recently
            learned, ``"share"`` leaves it out. Both are counted. An event never evicts its own features.

    Raises:
        ValueError: if a parameter is out of its range, a feature's name is not a string, or its value or the target
            not a number. A refused event changes nothing.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> model = LinearRegressor()
        >>> for i in range(2000):
        ...     model.learn_one({"a": i % 7, "b": i % 5}, 3.0 * (i % 7) - (i % 5) + 10.0)
        >>> round(model.predict_one({"a": 2, "b": 1}), 1)
        15.0
    """

    takes: ClassVar[Literal["features", "ratings"]] = "features"

    def __init__(
        self,
        optimizer: Optimizer = Adam(),  # noqa: B008 - optimizers are immutable
        loss: Loss = AdaptiveHuberLoss(),  # noqa: B008 - losses are immutable
        l1: float = 0.0,
        l2: float = 0.0,
        clip: float = 5.0,
        forgetting: float = 0.0002,
        features_max: int = 4096,
        when_full: str = "evict",
        categories: tuple[str, ...] = (),
        hash_bits: int | None = None,
        replay_size: int = 2000,
        replay_steps: int = 0,
        seed: int = 1,
    ) -> None:
        self.optimizer = optimizer
        self.loss = loss
        self.l1 = l1
        self.l2 = l2
        self.clip = clip
        self.forgetting = forgetting
        self.features_max = features_max
        self.when_full = when_full
        self.categories = categories
        self.hash_bits = hash_bits
        self.replay_size = replay_size
        self.replay_steps = replay_steps
        self.seed = seed
        self._set_up(optimizer, loss, **shared_parameters(self))

    @property
    def coefficients(self) -> dict[str, float]:
        """The weight of each feature, per standard deviation of the feature and of the target."""
        weights = self.weights.arrays[0][1:, 0]
        return dict(zip(self.vocabulary.keys(), weights.tolist(), strict=False))
