"""Logistic regression on named features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta

from edgedescent.learners._linear import LinearModel
from edgedescent.learners.feature_learner import FeatureLearner
from edgedescent.losses import LogisticLoss, Loss


@dataclass(kw_only=True, eq=False, repr=False)
class LogisticRegressor(FeatureLearner):
    """The probability of a yes, from a linear model of named features: clicks, alarms, failures.

    ::

        z = clip((x - mean) / sd, ±clip)            per feature, running; 1 for a category
        f = w₀ + Σ w z
        prediction = 1 / (1 + exp(-f))

    The target is False or True, or any number from 0 to 1. `predict_one` gives the probability, which is also what
    the daemon publishes.

    Features have any names, and may appear and vanish at any time. Numbers and booleans are standardized online, so
    that the learning rate means the same on every stream. Strings, and integers listed in `categories`, are one-hot:
    each value has a row of its own. A nested dict counts as features whose names are joined by a dot. What is absent,
    None or not finite counts as being at its mean, an unknown category as nothing.

    Raises:
        ValueError: if a parameter is out of its range, a feature's name is not a string, its value neither a number
            nor a string, or the target not a number from 0 to 1. A refused event changes nothing.

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

    target_kind: ClassVar[Literal["numeric", "binary", "any"]] = "binary"

    model_type = LinearModel

    loss: Annotated[Loss, Meta(description="What to minimize, a loss for binary targets")] = LogisticLoss()  # noqa: RUF009 - immutable

    def predict_proba_one(self, x: Mapping[str, Any]) -> dict[bool, float]:
        """The probability of either label; the state stays as it is.

        >>> from edgedescent import LogisticRegressor
        >>> LogisticRegressor().predict_proba_one({"temp": 20.1})
        {False: 0.5, True: 0.5}
        """
        yes = super().predict_one(dict(x))
        return {False: 1.0 - yes, True: yes}

    @property
    def coefficients(self) -> dict[str, float]:
        """The weight of each feature, per standard deviation of the feature."""
        weights = self.model.weights.serving[1:, 0]
        return dict(zip(self.encoder.vocabulary.keys(), weights.tolist(), strict=False))
