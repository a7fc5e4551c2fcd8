"""Base class of the learners of named features."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from msgspec import Meta
from numpy.typing import ArrayLike, NDArray

from edgedescent.dataframes import read_row
from edgedescent.features._encoder import Encoder
from edgedescent.features.tables import Table, TableLike, read_table
from edgedescent.learners import migration
from edgedescent.learners._feature_learner import CompiledFeatureLearner
from edgedescent.learners._feature_model import FeatureModel
from edgedescent.learners.estimator import Estimator
from edgedescent.learners.explaining import shapley
from edgedescent.validation import as_numbers

_UNNAMED = re.compile(r"x(\d+)(?:=.*)?", re.DOTALL)
"""Row of a feature or a category of a column without a name."""


@dataclass(kw_only=True, eq=False, repr=False)
class FeatureLearner(CompiledFeatureLearner, Estimator):
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

    def learn_many(  # type: ignore[override]  # the compiled one takes what was read
        self, X: TableLike, y: ArrayLike, names: Iterable[Any] | None = None
    ) -> NDArray[np.float64]:
        """Predict each row, then learn from it, in order; return the predictions.

        A row is learned as `learn_one` would learn the dict of its values by the names of their columns. The columns of
        a data frame have names, so that their order does not matter; those of an array without `names` are ``x0``,
        ``x1``, …, and their number is always the same.

        Args:
            X: Array of numbers and texts, shape (n_events, n_features), or a data frame of pandas, polars, PyArrow and
                other libraries that narwhals reads. NaN, None, null and what a mask hides are missing values.
            y: Targets, shape (n_events,), as an array or a column of a data frame.
            names: Name of each column; those of the data frame if not given.

        Raises:
            ValueError: If the shapes do not match, a value is neither a number nor a text, a column holds times, or an
                array without names has another number of columns than before. Where it is a text that an event
                cannot have, the rows before it are learned; otherwise none is.

        Example:
            >>> import pandas
            >>> from edgedescent import LinearRegressor
            >>> rooms = pandas.DataFrame({"temp": [20.5, 19.0, 21.0], "site": ["north", "south", "north"]})
            >>> model = LinearRegressor()
            >>> model.learn_many(rooms, [3.0, 2.0, 3.5]).shape
            (3,)
            >>> model.predict_many(rooms[["site", "temp"]])[:1] == model.predict_one({"temp": 20.5, "site": "north"})
            array([ True])
        """
        table, targets = self._read(X, names), as_numbers("y", y, 1)
        if len(targets) != table.shape[0]:
            raise ValueError(f"X has {table.shape[0]} rows but y has {len(targets)}.")
        return self._learn_table(table, targets)

    def predict_many(self, X: TableLike, names: Iterable[Any] | None = None) -> NDArray[np.float64]:
        """Predict each row; the state stays as it is.

        Args:
            X: Array of shape (n_events, n_features), or a data frame, as for `learn_many`.
            names: Name of each column; those of the data frame if not given.

        Raises:
            ValueError: If a value is neither a number nor a text, a column holds times, or an array without names has
                another number of columns than was learned, or comes after events with names.
        """
        return self._predict_table(self._read(X, names))

    def explain_one(self, x: Mapping[str, Any]) -> dict[str, float]:
        """Return the contribution of each feature to the prediction for an event; they add up to it.

        The contributions are Shapley values, estimated from 16 orderings of the features, the same in each call: how
        much the prediction changes as a feature is added. That of ``(intercept)`` is the prediction for an event
        without features; for a learner with lags, such as `AutoRegressor`, it holds what the last labels say. An event
        of n features takes the time of 16 n predictions.

        Args:
            x: The event.

        Returns:
            Contributions in units of the target by name of feature, ``(intercept)`` first, then the largest.

        Raises:
            ValueError: If a feature value is neither a number nor a string.

        Example:
            >>> from edgedescent import AutoRegressor
            >>> model = AutoRegressor(budget="tiny")
            >>> for i in range(500):
            ...     model.learn_one({"load": i % 11, "temp": i % 3}, 2.0 * (i % 11))
            >>> parts = model.explain_one({"load": 9, "temp": 1})
            >>> list(parts)[:2], round(sum(parts.values()), 6) == round(model.predict_one({"load": 9, "temp": 1}), 6)
            (['(intercept)', 'load'], True)
        """
        event = {str(name): value for name, value in (x if isinstance(x, Mapping) else read_row(x)).items()}
        return shapley(self.predict_one, event, n_orderings=16, seed=self.seed)

    def _learned(self) -> list[str]:
        names = self.encoder.vocabulary.keys()
        return [f"features: {len(names):,}" if names else "features: none"]

    def _read(self, X: TableLike, names: Iterable[Any] | None) -> Table:
        return read_table(X, names, self.categories, type(self).__name__)

    def _learn_table(self, table: Table, targets: NDArray[np.float64]) -> NDArray[np.float64]:
        used = self._names_of(table)
        if table.shape[0]:
            self._note_columns(table, used)
        if table.numbers is not None:
            return super().learn_many(table.numbers, targets, used, table.n_missing)
        learn = super().predict_learn_one
        rows = zip(table.rows(), targets.tolist(), strict=True)
        return np.array([learn(dict(zip(used, row, strict=True)), target) for row, target in rows])

    def _predict_table(self, table: Table) -> NDArray[np.float64]:
        used = self._names_of(table)
        # Not by a method that a subclass has overridden, just as for the rows of numbers that are learned.
        predict = super().predict_one
        return np.array([predict(dict(zip(used, row, strict=True))) for row in table.rows()], dtype=np.float64)

    def _names_of(self, table: Table) -> list[str]:
        """Return the names of the columns; raise ValueError for columns without names that are not those learned."""
        self.require_constructed()
        n_rows, n_columns = table.shape
        if table.names is None and n_rows:
            if not hasattr(self, "n_features_in_") or hasattr(self, "feature_names_in_"):
                # Learned by name, or restored from a state, which only has the names. A hash has none.
                known = [name for name in self.encoder.vocabulary.keys() if not name.startswith("#")]  # noqa: SIM118 - no dict
                numbers = [int(match[1]) for name in known if (match := _UNNAMED.fullmatch(name))]
                if known and not numbers:
                    raise ValueError(
                        f"The columns of X have no names, but {type(self).__name__} has learned features with names, "
                        f"such as {known[0]!r:.80}: give `names`, or a data frame."
                    )
                expected = max([*(number + 1 for number in numbers), n_columns])
                if numbers and n_columns < expected:
                    self._refuse_columns(n_columns, expected)
            elif n_columns != self.n_features_in_:
                self._refuse_columns(n_columns, self.n_features_in_)
        return self.encoder.column_names(table.names, n_columns) if n_rows else []

    def _refuse_columns(self, got: int, expected: int) -> None:
        # The words of scikit-learn.
        raise ValueError(f"X has {got} features, but {type(self).__name__} is expecting {expected} features as input.")

    def _note_columns(self, table: Table, used: list[str]) -> None:
        """Remember the columns, by the names that scikit-learn has for them."""
        self.n_features_in_ = table.shape[1]
        if table.names is not None:
            self.feature_names_in_ = np.array(used, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    def _become(self, other: Self) -> None:
        self._take(other)
        super()._become(other)

    def _restore(self, **state: Any) -> None:
        super()._restore(**state)
        # They belong to what was learned before.
        for name in ("n_features_in_", "feature_names_in_"):
            self.__dict__.pop(name, None)
