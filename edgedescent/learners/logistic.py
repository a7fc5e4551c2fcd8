"""Logistic regression on named features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent.learners._linear import LinearModel
from edgedescent.learners.classifier import BinaryClassifier
from edgedescent.learners.gradient_learner import largest_weights
from edgedescent.losses import LogisticLoss, Loss
from edgedescent.optim import ImportanceAware, Optimizer


@dataclass(kw_only=True, eq=False, repr=False)
class LogisticRegressor(BinaryClassifier):
    """Logistic regression on named features: predicts the probability of a binary target.

    ::

        z = clip((x - mean) / sd, ±clip)            per feature, running; 1 for a category
        f = w₀ + Σ w z
        prediction = 1 / (1 + exp(-f))

    The target is False or True, or any number from 0 to 1. `predict_one` returns the probability of True; the daemon
    publishes the same value. To scikit-learn it is a classifier: `fit` takes labels of any kind, `predict` returns the
    more probable one, and `predict_proba` their probabilities.

    Features can have any names, and can appear and vanish at any time. Numbers and booleans are standardized online, so
    that the same learning rate suits all streams. Strings, and the integers of features listed in `categories`, are
    one-hot encoded. Features in a nested dict have names joined by a dot. A feature that is absent, None or not finite
    counts as its mean, and an unknown category as 0.

    Raises:
        ValueError: If a parameter is out of its range, a feature name is neither a string nor an integer, a feature
            value is neither a number nor a string, or the target is not a number from 0 to 1. A rejected event changes
            nothing.

    Example:
        >>> from edgedescent import LogisticRegressor
        >>> model = LogisticRegressor()
        >>> for i in range(2000):
        ...     model.learn_one({"temp": i % 30, "pump": "old" if i % 3 else "new"}, i % 30 > 20)
        >>> model.predict_one({"temp": 28, "pump": "old"}) > 0.9
        True
        >>> model.predict_one({"temp": 4, "pump": "new"}) < 0.1
        True
    """

    model_type = LinearModel

    optimizer: Annotated[
        Optimizer, Meta(description="Step rule; an event of n > 16 features takes 16 / n of the steps of some")
    ] = ImportanceAware(lr=0.1)  # noqa: RUF009 - optimizers are immutable
    loss: Annotated[Loss, Meta(description="What to minimize, a loss for binary targets")] = LogisticLoss()  # noqa: RUF009 - immutable

    def predict_proba_one(self, x: Mapping[str, Any]) -> dict[bool, float]:
        """Return the probability of each label; does not change the state.

        >>> from edgedescent import LogisticRegressor
        >>> LogisticRegressor().predict_proba_one({"temp": 20.1})
        {False: 0.5, True: 0.5}
        """
        yes = super().predict_one(dict(x))
        return {False: 1.0 - yes, True: yes}

    @property
    def coefficients(self) -> dict[str, float]:
        """Weight of each feature, per standard deviation of the feature."""
        weights = self.model.weights.serving[1:, 0]
        return dict(zip(self.encoder.vocabulary.keys(), weights.tolist(), strict=False))

    def _shares(self, rows: NDArray[np.intp], z: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = self.model.weights.serving[:, 0]
        shares = weights[rows] * z
        return float(weights[0] + shares.sum()), shares

    def _learned(self) -> list[str]:
        what = "largest weights, in log odds per standard deviation of the feature:"
        lines = largest_weights(list(self.coefficients), np.array(list(self.coefficients.values())))
        return [*super()._learned(), *([what, *lines] if lines else [])]
