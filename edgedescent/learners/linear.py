"""Linear regression on named features."""

from __future__ import annotations

from dataclasses import dataclass

from edgedescent.learners._linear import LinearModel
from edgedescent.learners.feature_learner import FeatureLearner


@dataclass(kw_only=True, eq=False, repr=False)
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

    @property
    def coefficients(self) -> dict[str, float]:
        """The weight of each feature, per standard deviation of the feature and of the target."""
        weights = self.model.weights.serving[1:, 0]
        return dict(zip(self.encoder.vocabulary.keys(), weights.tolist(), strict=False))
