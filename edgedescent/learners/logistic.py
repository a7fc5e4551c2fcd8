"""Logistic regression on named features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from edgedescent.learners._linear import LinearModel
from edgedescent.learners.feature_learner import FeatureLearner
from edgedescent.losses import LogisticLoss, Loss
from edgedescent.optim import Adam, Optimizer


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

    Args:
        optimizer: the step rule; an event of n > 16 features takes 16 / n of its steps, as LinearRegressor explains.
        loss: what to minimize; one for labels.
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

    labels: ClassVar[Literal["numbers", "yes/no", "both"]] = "yes/no"

    model_type = LinearModel

    def __init__(
        self,
        optimizer: Optimizer = Adam(),  # noqa: B008 - optimizers are immutable
        loss: Loss = LogisticLoss(),  # noqa: B008 - losses are immutable
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
