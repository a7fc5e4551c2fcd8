"""Linear regression on named features."""

from __future__ import annotations

from edgedescent.learners._linear import LinearModel
from edgedescent.learners.feature_learner import FeatureLearner
from edgedescent.losses import AdaptiveHuberLoss, Loss
from edgedescent.optim import Adam, Optimizer


class LinearRegressor(FeatureLearner):
    """A linear model of named features.

    ::

        z = clip((x - mean) / sd, ±clip)            per feature, running; 1 for a category
        f = w₀ + Σ w z
        prediction = mean_y + sd_y f                or mean_y exp(f), for a Poisson loss

    Features have any names, and may appear and vanish at any time. Numbers and booleans are standardized online, so
    that the learning rate means the same on every stream. Strings, and integers listed in `categories`, are one-hot:
    each value has a row of its own. A nested dict counts as features whose names are joined by a dot. What is absent,
    None or not finite counts as being at its mean, an unknown category as nothing.

    Each event takes one step of `optimizer` along the gradient of `loss`; the statistics take in the event after the
    step, so that an outlier cannot excuse itself. The step of an event of n > 16 features is 16 / n of the usual one,
    because each feature moves the score and together they would overshoot; `NormalizedAdaptive`, `COCOB`,
    `FTRLProximal`, `AdaGrad` and `CountedSGD` need no such help.

    Args:
        optimizer: the step rule.
        loss: what to minimize.
        l1: weight of the penalty ``l1 |w|`` per feature and event, which sets weights to exactly zero; >= 0.
        l2: weight of the penalty ``l2 w² / 2`` per feature and event; >= 0.
        clip: standardized features are clipped at ±clip; > 0.
        forgetting: the least rate at which means and variances follow new values: they remember about 1 / forgetting
            events; in (0, 1).
        features_max: how many features, counting each value of a category as one, have a row at the same time; >= 1.
        when_full: what a further feature meets: ``"evict"`` gives it the row of the feature that was least recently
            learned, ``"share"`` leaves it out. Both are counted. An event never evicts its own features.
        categories: the features whose integers are names of something, such as a site or an hour, rather than amounts.
        hash_bits: let the values of categories share 2 ** hash_bits rows by their hash instead of one row each; None
            for one each; in 1 to 30. ONNX cannot express the hash.
        replay_size: how many of the latest events are kept for replay; >= 1.
        replay_steps: how many of them, drawn at random, are learned again after each event; >= 0.
        seed: of the draws for replay; >= 0.

    Raises:
        ValueError: if a parameter is out of its range, a feature's name is not a string, its value neither a number
            nor a string, or the target not a number. A refused event changes nothing.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> model = LinearRegressor()
        >>> for i in range(2000):
        ...     model.learn_one({"a": i % 7, "b": i % 5}, 3.0 * (i % 7) - (i % 5) + 10.0)
        >>> round(model.predict_one({"a": 2, "b": 1}), 1)
        15.0
    """

    model_type = LinearModel

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
        self._keep(
            optimizer,
            loss,
            l1,
            l2,
            clip,
            forgetting,
            features_max,
            when_full,
            categories,
            hash_bits,
            replay_size,
            replay_steps,
            seed,
        )
        self._build()

    @property
    def coefficients(self) -> dict[str, float]:
        """The weight of each feature, per standard deviation of the feature and of the target."""
        weights = self.model.weights.serving[1:, 0]
        return dict(zip(self.encoder.vocabulary.keys(), weights.tolist(), strict=False))
