"""Interface of scikit-learn for learners of named features."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgedescent.dataframes import is_frame
from edgedescent.features.tables import Table, TableLike
from edgedescent.learners.base import Learner
from edgedescent.learners.sample_weights import repetitions
from edgedescent.validation import as_numbers


class Estimator(Learner):
    """Learner with the methods of a scikit-learn estimator: `fit`, `partial_fit`, `predict`, `score`.

    It works in pipelines, searches and cross-validation, without importing scikit-learn. The rows of a table are
    learned once, in their order, by `partial_fit`; `fit` forgets what was learned before.
    """

    def fit(
        self, X: TableLike, y: ArrayLike, sample_weight: ArrayLike | None = None, *, names: Iterable[Any] | None = None
    ) -> Self:
        """Forget everything, then learn from each row, in order.

        Args:
            X: Table of shape (n_events, n_features), as for `learn_many`.
            y: Targets, shape (n_events,), all of them finite.
            sample_weight: Weight of each event, shape (n_events,): one of weight 2 is learned twice, and of successive
                ones of weight 0.5 every second.
            names: Name of each column; those of the data frame, or ``x0``, ``x1``, …, if not given.

        Returns:
            The learner itself.

        Raises:
            ValueError: If the shapes do not match, there is no row or no column, or a value cannot be learned.

        Example:
            >>> from edgedescent import LinearRegressor
            >>> model = LinearRegressor().fit([[1.0], [2.0], [3.0]] * 500, [2.0, 4.0, 6.0] * 500)
            >>> model.predict([[2.5]]).round(1)
            array([5.])
        """
        return self._fit(X, y, sample_weight, names, None, anew=True)

    def partial_fit(
        self, X: TableLike, y: ArrayLike, sample_weight: ArrayLike | None = None, *, names: Iterable[Any] | None = None
    ) -> Self:
        """Learn from each row, in order, in addition to what was learned.

        Args:
            X: Table of shape (n_events, n_features), as for `learn_many`.
            y: Targets, shape (n_events,), all of them finite.
            sample_weight: Weight of each event, shape (n_events,), as for `fit`.
            names: Name of each column; those of the data frame, or ``x0``, ``x1``, …, if not given.

        Returns:
            The learner itself.

        Raises:
            ValueError: If the shapes do not match, or a value cannot be learned.
        """
        return self._fit(X, y, sample_weight, names, None, anew=False)

    def predict(self, X: TableLike, names: Iterable[Any] | None = None) -> NDArray[Any]:
        """Predict each row; the state stays as it is.

        Args:
            X: Table of shape (n_events, n_features), as for `learn_many`.
            names: Name of each column; those of the data frame, or ``x0``, ``x1``, …, if not given.

        Returns:
            The predictions, shape (n_events,).

        Raises:
            ValueError: If a value is neither a number nor a text, or X has other columns than what was learned.
        """
        return self._predict_table(self._read(X, names))

    def score(self, X: TableLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the coefficient of determination R² of `predict`: 1 is perfect, and 0 as good as the mean.

        Args:
            X: Table of shape (n_events, n_features), as for `learn_many`.
            y: Targets, shape (n_events,).
            sample_weight: Weight of each event in the score, shape (n_events,).

        Raises:
            ValueError: If the shapes do not match.
        """
        predictions, targets = self.predict(X), as_numbers("y", _column(y), 1)
        require_scored(predictions, targets)
        weights = np.ones(len(targets)) if sample_weight is None else as_numbers("sample_weight", sample_weight, 1)
        mean = np.average(targets, weights=weights)
        unexplained = float(np.sum(weights * (targets - predictions) ** 2))
        total = float(np.sum(weights * (targets - mean) ** 2))
        return 1.0 - unexplained / total if total else float(unexplained == 0.0)

    weight_left_: float
    classes_: NDArray[Any]

    # --- Parts --------------------------------------------------------------------------------------------------------

    def _read(self, X: TableLike, names: Iterable[Any] | None) -> Table:
        """Return a table as this learner reads it."""
        raise NotImplementedError

    def _learn_table(self, table: Table, targets: NDArray[np.float64]) -> NDArray[np.float64]:
        """Predict each row, then learn from it, in order; return the predictions."""
        raise NotImplementedError

    def _predict_table(self, table: Table) -> NDArray[Any]:
        """Predict each row."""
        raise NotImplementedError

    def _classes(self, labels: Any, classes: ArrayLike | None, *, anew: bool) -> NDArray[Any] | None:  # noqa: ARG002
        """Return the classes that labels belong to; None for numbers."""
        return None

    def _targets(self, labels: Any, classes: NDArray[Any] | None) -> NDArray[np.float64]:  # noqa: ARG002
        """Return the targets that labels stand for."""
        return as_numbers("y", labels, 1)

    def _fit(
        self,
        X: TableLike,
        y: ArrayLike | None,
        sample_weight: ArrayLike | None,
        names: Iterable[Any] | None,
        classes: ArrayLike | None,
        *,
        anew: bool,
    ) -> Self:
        """Learn from each row, with the errors of scikit-learn, in its words; nothing is learned where one is wrong."""
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        learner = self.clone() if anew else self
        table, labels = learner._read(X, names), _column(y)
        known = self._classes(labels, classes, anew=anew)
        targets = self._targets(labels, known)
        if len(targets) != table.shape[0]:
            raise ValueError(f"X has {table.shape[0]} rows but y has {len(targets)}.")
        if anew and not all(table.shape):
            what = ("sample", "feature")[table.shape[0] > 0]
            raise ValueError(f"Found array with 0 {what}(s) (shape={table.shape}) while a minimum of 1 is required.")
        if np.isnan(targets).any():
            raise ValueError("Input y contains NaN. Leave these events out, or use learn_many, which skips them.")
        if np.isinf(targets).any():
            raise ValueError("Input y contains infinity or a value too large for dtype('float64').")
        if sample_weight is not None:
            counts, left = repetitions(sample_weight, len(targets), getattr(learner, "weight_left_", 0.5))
            if anew and not counts.any():
                raise ValueError("The sample weights sum to nearly zero, so that nothing would be learned.")
            rows = np.repeat(np.arange(len(targets)), counts)
            table, targets = table.take(rows), targets[rows]
            learner.weight_left_ = left
        if known is not None:
            learner.classes_ = known
        learner._learn_table(table, targets)
        if anew:
            self._become(learner)
        return self

    # --- Protocols of scikit-learn ------------------------------------------------------------------------------------

    estimator_type: ClassVar[Literal["regressor", "classifier"]] = "regressor"

    def __sklearn_tags__(self) -> Any:
        """Describe the learner to scikit-learn, which asks; so it is imported already."""
        from sklearn.utils import ClassifierTags, InputTags, RegressorTags, Tags, TargetTags

        is_classifier = self.estimator_type == "classifier"
        return Tags(
            estimator_type=self.estimator_type,
            target_tags=TargetTags(required=True),
            input_tags=InputTags(allow_nan=True, string=True, categorical=True),
            classifier_tags=ClassifierTags(multi_class=False) if is_classifier else None,
            regressor_tags=None if is_classifier else RegressorTags(),
            requires_fit=False,  # it predicts from the first event of a stream on
        )

    def __sklearn_is_fitted__(self) -> bool:
        """Return True once it has seen a table."""
        return hasattr(self, "n_features_in_")


def require_scored(predictions: NDArray[Any], labels: NDArray[Any]) -> None:
    """Raise ValueError unless there is one label, and no NaN, for each prediction."""
    if len(predictions) != len(labels):
        raise ValueError(f"X has {len(predictions)} rows but y has {len(labels)}.")
    if labels.dtype.kind == "f" and np.isnan(labels).any():
        raise ValueError("Input y contains NaN. Leave these events out.")


def _column(y: Any) -> Any:
    """Return labels as an array of one dimension; a matrix of one column is flattened with a warning."""
    if is_frame(y) and getattr(y, "ndim", 1) != 2:
        return y
    array = np.asarray(y)
    if array.ndim != 2 or array.shape[1] != 1:
        return y
    known = sys.modules.get("sklearn.exceptions")
    category = UserWarning if known is None else known.DataConversionWarning
    message = "A column-vector y was passed when a 1d array was expected: change its shape to (n_events,), by ravel()."
    warnings.warn(message, category, stacklevel=4)  # of who called fit
    return array[:, 0]
