"""What all learners of named features share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgedescent.features._encoder import Encoder
from edgedescent.learners._feature_learner import CompiledFeatureLearner
from edgedescent.learners._feature_model import FeatureModel
from edgedescent.learners.base import Learner
from edgedescent.losses import Loss
from edgedescent.optim import Optimizer
from edgedescent.validation import require_choice, require_count, require_instance, require_number


class FeatureLearner(CompiledFeatureLearner, Learner):
    """Base of the learners of named features.

    A subclass spells out its constructor's arguments, hands those that all share to `_keep`, then calls `_build`.
    """

    model_type: ClassVar[type[FeatureModel]]
    """Compiled model of the learner."""

    input_kind: ClassVar[Literal["features", "ratings"]] = "features"
    labels: ClassVar[Literal["numbers", "yes/no", "both"]] = "numbers"
    """What its targets may be, and so which losses it takes."""

    optimizer: Optimizer
    loss: Loss
    l1: float
    l2: float
    clip: float
    forgetting: float
    features_max: int
    when_full: str
    categories: tuple[str, ...]
    hash_bits: int | None
    replay_size: int
    replay_steps: int
    seed: int

    def _keep(
        self,
        optimizer: Optimizer,
        loss: Loss,
        l1: float,
        l2: float,
        clip: float,
        forgetting: float,
        features_max: int,
        when_full: str,
        categories: Sequence[str],
        hash_bits: int | None,
        replay_size: int,
        replay_steps: int,
        seed: int,
    ) -> None:
        """Check and store the parameters that all these learners have.

        Raises:
            ValueError: if one is out of its range.
        """
        require_instance(self, "optimizer", optimizer, Optimizer)
        require_instance(self, "loss", loss, Loss)
        if self.labels != "both" and loss.binary != (self.labels == "yes/no"):
            raise ValueError(
                f"The `loss` of {type(self).__name__} must be one for targets that are {self.labels}. Got {loss!r}."
            )
        require_number(self, "l1", l1, at_least=0)
        require_number(self, "l2", l2, at_least=0)
        require_number(self, "clip", clip, above=0)
        require_number(self, "forgetting", forgetting, above=0, below=1)
        require_count(self, "features_max", features_max, at_least=1, at_most=10_000_000)
        require_choice(self, "when_full", when_full, ("evict", "share"))
        # A string is a sequence of names too, but not of any that were meant.
        names = isinstance(categories, Sequence) and not isinstance(categories, str)
        if not names or not all(isinstance(name, str) for name in categories):
            raise ValueError(
                f"The `categories` of {type(self).__name__} must be names of features. Got {categories!r}."
            )
        if hash_bits is not None:
            require_count(self, "hash_bits", hash_bits, at_least=1, at_most=30)
        require_count(self, "replay_size", replay_size, at_least=1, at_most=1_000_000)
        require_count(self, "replay_steps", replay_steps, at_most=1000)
        require_count(self, "seed", seed, at_most=2**62)
        self.optimizer = optimizer
        self.loss = loss
        self.l1 = l1
        self.l2 = l2
        self.clip = clip
        self.forgetting = forgetting
        self.features_max = features_max
        self.when_full = when_full
        self.categories = tuple(categories)
        self.hash_bits = hash_bits
        self.replay_size = replay_size
        self.replay_steps = replay_steps
        self.seed = seed

    def _build(self) -> None:
        """Make the encoder and the model from the parameters."""
        encoder = Encoder(
            clip=self.clip,
            forgetting=self.forgetting,
            features_max=self.features_max,
            when_full=self.when_full,
            categories=self.categories,
            hash_bits=self.hash_bits,
        )
        super().__init__(encoder, (self.model_type(encoder, self),))

    def counts(self) -> dict[str, int]:
        """How often a guard or a bound stepped in.

        >>> from edgedescent import LinearRegressor
        >>> model = LinearRegressor()
        >>> model.learn_one({"temp": 1e300, "load": 2.0}, 3.0)
        >>> model.counts()["values_skipped"]
        1
        """
        return {
            "values_skipped": self.encoder.n_skipped_values,
            "updates_undone": self.model.stepper.n_undone,
            "features_evicted": self.encoder.vocabulary.evicted,
            "features_shared": self.encoder.vocabulary.shared,
        }

    def partial_fit(self, X: ArrayLike, y: ArrayLike, names: Sequence[str] | None = None) -> Self:
        """Learn from each row, in order: `learn_many` under the name that scikit-learn gives it.

        Args:
            X: numbers, shape (n_events, n_features); NaN stands for a missing value.
            y: targets, shape (n_events,).
            names: the name of each column, ``x0``, ``x1``, … if not given.

        Returns:
            The learner itself.

        Raises:
            ValueError: if a shape does not fit, or a value is not a number.

        Example:
            >>> from edgedescent import LinearRegressor
            >>> model = LinearRegressor().partial_fit([[1.0], [2.0], [3.0]] * 500, [2.0, 4.0, 6.0] * 500)
            >>> model.predict([[2.5]]).round(1)
            array([5.])
        """
        self.learn_many(X, y, names)
        return self

    def predict(self, X: ArrayLike, names: Sequence[str] | None = None) -> NDArray[np.float64]:
        """Predict each row: `predict_many` under the name that scikit-learn gives it.

        Args:
            X: numbers, shape (n_events, n_features); NaN stands for a missing value.
            names: the name of each column, ``x0``, ``x1``, … if not given.

        Raises:
            ValueError: if a shape does not fit, or a value is not a number.
        """
        return self.predict_many(X, names)
