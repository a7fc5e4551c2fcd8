"""Linear regression on named features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent.learners._linear import LinearModel
from edgedescent.learners.gradient_learner import GradientLearner, largest_weights
from edgedescent.losses import AdaptiveHuberLoss, Loss
from edgedescent.optim import RLS, Optimizer


@dataclass(kw_only=True, eq=False, repr=False)
class LinearRegressor(GradientLearner):
    """Linear regression on named features.

    ::

        z = clip((x - mean) / sd, ±clip)            per feature, running; 1 for a category
        f = w₀ + Σ w z
        prediction = mean_y + sd_y f                or mean_y exp(f), for a Poisson loss

    Features can have any names, and can appear and vanish at any time. Numbers and booleans are standardized online, so
    that the same learning rate suits all streams. Strings, and the integers of features listed in `categories`, are
    one-hot encoded. Features in a nested dict have names joined by a dot. A feature that is absent, None or not finite
    counts as its mean, and an unknown category as 0.

    Each event causes one step of `optimizer` along the gradient of `loss`. The running statistics are updated after the
    step, so that an outlier does not widen its own scale. In an event of n > 16 features, the learning rate is
    multiplied by 16 / n, because the combined step of all features would overshoot. `RLS`, `NormalizedAdaptive`,
    `COCOB`, `FTRLProximal`, `AdaGrad` and `CountedSGD` do not need this factor.

    With `RLS`, the default, an event of n features takes time proportional to n times min(number of features, 200),
    and the learner up to 320 KB for the covariance of the weights. With `Adam` or `SGD`, time is proportional to n.

    Raises:
        ValueError: If a parameter is out of its range, a feature name is neither a string nor an integer, a feature
            value is neither a number nor a string, or the target is not a number. A rejected event changes
            nothing.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> model = LinearRegressor()
        >>> for i in range(2000):
        ...     model.learn_one({"a": i % 7, "b": i % 5}, 3.0 * (i % 7) - (i % 5) + 10.0)
        >>> round(model.predict_one({"a": 2, "b": 1}), 1)
        15.0
    """

    model_type = LinearModel

    optimizer: Annotated[
        Optimizer, Meta(description="Step rule; an event of n > 16 features takes 16 / n of the steps of some")
    ] = RLS()  # noqa: RUF009 - optimizers are immutable
    # Its least squares can follow a change within tens of events, so the clip of the residuals has to as well.
    loss: Annotated[Loss, Meta(description="What to minimize")] = AdaptiveHuberLoss(rate_min=0.02)  # noqa: RUF009 - immutable

    @property
    def coefficients(self) -> dict[str, float]:
        """Weight of each feature, per standard deviation of the feature and of the target."""
        weights = self.model.weights.serving[1:, 0]
        return dict(zip(self.encoder.vocabulary.keys(), weights.tolist(), strict=False))

    def _shares(self, rows: NDArray[np.intp], z: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = self.model.weights.serving[:, 0]
        shares = weights[rows] * z
        return float(weights[0] + shares.sum()), shares

    def _learned(self) -> list[str]:
        what = "largest weights, in standard deviations of the target per standard deviation of the feature:"
        lines = largest_weights(list(self.coefficients), np.array(list(self.coefficients.values())))
        return [*super()._learned(), *([what, *lines] if lines else [])]
