"""Regressors of River as learners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from river import base, compose

from edgedescent.features.tables import TableLike, read_table
from edgedescent.learners.explaining import shapley
from edgedescent.validation import as_numbers
from edgedescent_river.learner import RiverLearner, flat, number
from edgedescent_river.specification import Specification


class RiverRegressor(RiverLearner):
    """Regressor of River, or a pipeline that ends in one, as a learner.

    Values that are None, not finite, or larger than 1e30 are left out of the event before River gets it; such targets
    are not learned. A prediction that is not finite is replaced by the mean of the targets. An event for which the
    model raises an error is refused, and leaves the model as it was.

    Args:
        model: Path of a class below ``river``, a table with such a ``type`` and its parameters, a list of those
            for a pipeline, or a model of River, whose parameters are used.
        seed: Seed of every part that draws random numbers and has no seed of its own; >= 0.
        state_bytes_max: Size of the state above which the model learns no more; measured every 100 events, and more
            rarely the larger it is; >= 1.

    Raises:
        ValueError: If a parameter is out of its range, or `model` names a class that does not exist or cannot be
            saved.

    Example:
        >>> from edgedescent_river import RiverRegressor
        >>> tree = {"type": "tree.HoeffdingAdaptiveTreeRegressor", "grace_period": 50}
        >>> model = RiverRegressor(["preprocessing.StandardScaler", tree])
        >>> for i in range(500):
        ...     model.learn_one({"temp": 20.0 + i % 7}, 3.0 * (i % 7))
        >>> abs(model.predict_one({"temp": 24.0}) - 12.0) < 1.0
        True
    """

    input_kind: ClassVar[Literal["features", "ratings"]] = "features"

    def __init__(self, model: Specification, seed: int = 1, state_bytes_max: int = 67_108_864) -> None:
        self._set_up(model, seed, state_bytes_max)

    def _check_kind(self, model: Any) -> None:
        last = model
        while isinstance(last, compose.Pipeline) and last.steps:
            last = next(reversed(last.steps.values()))
        if not isinstance(last, base.Regressor) or isinstance(last, base.MultiTargetRegressor):
            raise ValueError(  # noqa: TRY004 - every wrong hyper-parameter raises the same error
                f"`model` ends in River's {type(last).__name__}: expected a regressor of one target."
            )

    def predict_one(self, x: Mapping[str, Any]) -> float:
        """Return the prediction for named features; the state stays as it is.

        Raises:
            ValueError: If the model cannot predict the event.
            TypeError: If a feature is neither a number nor a text.
        """
        return self._predict(self._features(x)[0])

    def learn_one(self, x: Mapping[str, Any], y: float) -> None:
        """Learn one event.

        Raises:
            ValueError: If the model cannot learn the event; it is then as it was before.
            TypeError: If a feature is neither a number nor a text, or the target is not a number.
        """
        features, skipped = self._features(x)
        self._learn(skipped, number("The target", y), features)

    def predict_learn_one(self, x: Mapping[str, Any], y: float) -> float:
        """Return the prediction for an event, then learn it.

        Raises:
            ValueError: If the model cannot predict or learn the event; it is then as it was before.
            TypeError: If a feature is neither a number nor a text, or the target is not a number.
        """
        features, skipped = self._features(x)
        target = number("The target", y)
        prediction = self._predict(dict(features))
        self._learn(skipped, target, features)
        return prediction

    def learn_many(self, X: TableLike, y: ArrayLike, names: Sequence[str] | None = None) -> NDArray[np.float64]:
        """Predict, then learn each row, in order; return the predictions.

        Args:
            X: Array of numbers and texts, shape (n_events, n_features), or a data frame; NaN, None and null stand for a
                missing value.
            y: Targets, shape (n_events,).
            names: Name of each column; those of the data frame, or ``x0``, ``x1``, …, if not given.

        Raises:
            ValueError: If a shape does not fit, or the model cannot learn a row; those before it are learned.
        """
        table, targets = read_table(X, names, (), type(self).__name__), as_numbers("y", y, 1)
        n_rows, n_columns = table.shape
        columns = [f"x{i}" for i in range(n_columns)] if table.names is None else table.names
        if len(targets) != n_rows:
            raise ValueError(f"X of shape {table.shape} does not fit {len(targets)} targets.")
        rows = zip(table.rows(), targets.tolist(), strict=True)
        return np.array([self.predict_learn_one(_present(columns, row), target) for row, target in rows])

    def explain_one(self, x: Mapping[str, Any]) -> dict[str, float]:
        """Return the contribution of each feature to the prediction for an event; they add up to it.

        The contributions are Shapley values, estimated from 16 orderings of the features; ``(intercept)`` is the
        prediction for an event without features.

        Raises:
            ValueError: If the model cannot predict the event or a part of it.
        """
        return shapley(self.predict_one, self._features(x)[0], n_orderings=16, seed=1)

    @staticmethod
    def _features(x: Any) -> tuple[dict[str, Any], int]:
        """Return the usable features of an event, and the number of the others."""
        if not isinstance(x, Mapping):
            raise TypeError(f"The features x of an event must map names to values. Got {x!r:.80}.")
        features = flat(x)
        present = {name: value for name, value in features.items() if value is not None}
        return present, len(features) - len(present)


def _present(columns: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    return {name: value for name, value in zip(columns, row, strict=True) if value == value}  # noqa: PLR0124 - NaN
