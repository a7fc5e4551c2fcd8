"""Base class of the learners of named features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from msgspec import Meta
from numpy.typing import ArrayLike, NDArray

from edgedescent.features._encoder import Encoder
from edgedescent.learners import migration
from edgedescent.learners._feature_learner import CompiledFeatureLearner
from edgedescent.learners._feature_model import FeatureModel
from edgedescent.learners.base import Learner


@dataclass(kw_only=True, eq=False, repr=False)
class FeatureLearner(CompiledFeatureLearner, Learner):
    """Base class of the learners of named features.

    A subclass sets `model_type`, and declares additional parameters and different defaults.
    """

    model_type: ClassVar[type[FeatureModel]]
    """Compiled model of the learner."""

    input_kind: ClassVar[Literal["features", "ratings"]] = "features"
    migrations: ClassVar[Mapping[str, migration.Rule]] = {
        "clip": migration.goes_on,
        "forgetting": migration.goes_on,
        "features_max": migration.table_of("features"),
        "when_full": migration.goes_on,
        "categories": migration.categories,
        "decimal_comma": migration.goes_on,
        "seed": migration.drawn_later,
        "interval_levels": migration.intervals,
    }
    clip: Annotated[float, Meta(gt=0, description="Standardized features are clipped at ±clip")] = 5.0
    forgetting: Annotated[
        float,
        Meta(
            gt=0,
            lt=1,
            description="Least rate at which means and variances follow new values: they remember about "
            "1 / forgetting events",
        ),
    ] = 0.0002
    features_max: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000_000,
            description="Number of features, counting each value of a category as one, that can have a row",
        ),
    ] = 4096
    when_full: Annotated[
        Literal["evict", "share"],
        Meta(
            description="What a further feature gets in a full table: the row of the least used feature, once it came "
            'more often lately than that one (``"evict"``), or no row (``"share"``). Both are counted. An event never '
            "evicts its own features"
        ),
    ] = "evict"
    categories: Annotated[
        tuple[str, ...],
        Meta(
            description="Features whose integers and texts are names, such as a site, an hour or a part number, rather "
            "than amounts, even if none comes twice"
        ),
    ] = ()
    decimal_comma: Annotated[
        bool, Meta(description='Read texts such as "49,31" as numbers, those with a point too')
    ] = False
    hash_bits: Annotated[
        int | None,
        Meta(
            ge=1,
            le=30,
            description="Let the values of categories share 2 ** hash_bits rows by their hash instead of one row each; "
            "None for one each. ONNX cannot express the hash",
        ),
    ] = None
    seed: Annotated[int, Meta(ge=0, le=2**62, description="Seed of first weights and of all draws")] = 1
    interval_levels: Annotated[
        tuple[Annotated[float, Meta(gt=0, lt=1)], ...],
        Meta(
            max_length=16,
            description="Levels at which `predict_interval_one` can be asked, such as 0.9; each is calibrated as "
            "events are learned, see `edgedescent.conformal.PredictionIntervals`",
        ),
    ] = ()

    def check_parameters(self) -> None:
        """Raise ValueError for parameters that do not fit each other; each of them is valid."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_parameters()
        encoder = Encoder(
            clip=self.clip,
            forgetting=self.forgetting,
            features_max=self.features_max,
            when_full=self.when_full,
            categories=self.categories,
            hash_bits=self.hash_bits,
            decimal_comma=self.decimal_comma,
        )
        CompiledFeatureLearner.__init__(self, encoder, (self.model_type(encoder, self),), self.interval_levels)

    def counts(self) -> dict[str, int]:
        """Return counters of skipped values, undone updates, and features that were evicted or got no row.

        >>> from edgedescent import LinearRegressor
        >>> model = LinearRegressor()
        >>> model.learn_one({"temp": 1e300, "load": 2.0}, 3.0)
        >>> model.counts()["values_skipped"]
        1
        """
        return {
            "values_skipped": self.encoder.n_skipped_values,
            "features_evicted": self.encoder.vocabulary.evicted,
            "features_shared": self.encoder.vocabulary.shared,
            "features_left_out": len(self.encoder.watch.left_out()),
            "categories_left_out": self.encoder.watch.n_left_out,
            **self.model.counts(),
        }

    def left_out(self) -> list[str]:
        """Return the features whose categories never repeat, and get no rows any more.

        >>> from edgedescent import LinearRegressor
        >>> model = LinearRegressor()
        >>> for second in range(2000):
        ...     model.learn_one({"at": f"12:{second // 60:02}:{second % 60:02}", "site": "north"}, 3.0)
        >>> model.left_out()
        ['at']
        """
        return self.encoder.watch.left_out()

    def partial_fit(self, X: ArrayLike, y: ArrayLike, names: Sequence[str] | None = None) -> Self:
        """Learn from each row, in order: `learn_many` with the scikit-learn interface.

        Args:
            X: Numbers of shape (n_events, n_features); NaN is a missing value.
            y: Targets of shape (n_events,).
            names: Names of the columns; ``x0``, ``x1``, … if not given.

        Returns:
            The learner itself.

        Raises:
            ValueError: If the shapes do not match, or a value is not a number.

        Example:
            >>> from edgedescent import LinearRegressor
            >>> model = LinearRegressor().partial_fit([[1.0], [2.0], [3.0]] * 500, [2.0, 4.0, 6.0] * 500)
            >>> model.predict([[2.5]]).round(1)
            array([5.])
        """
        self.learn_many(X, y, names)
        return self

    def predict(self, X: ArrayLike, names: Sequence[str] | None = None) -> NDArray[np.float64]:
        """Predict each row: `predict_many` with the scikit-learn interface.

        Args:
            X: Numbers of shape (n_events, n_features); NaN is a missing value.
            names: Names of the columns; ``x0``, ``x1``, … if not given.

        Raises:
            ValueError: If the shapes do not match, or a value is not a number.
        """
        return self.predict_many(X, names)
