"""Interface of scikit-learn for learners of binary labels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgedescent.dataframes import as_list, is_frame
from edgedescent.features.tables import TableLike
from edgedescent.learners.estimator import require_scored
from edgedescent.learners.gradient_learner import GradientLearner


class BinaryClassifier(GradientLearner):
    """Learner of one of two labels with the methods of a scikit-learn classifier.

    The labels can be of any kind: `classes_` holds them, sorted, and `predict` returns them. To the methods for single
    events and to `learn_many`, the second of them is True, or 1.
    """

    estimator_type: ClassVar[Literal["regressor", "classifier"]] = "classifier"
    target_kind: ClassVar[Literal["numeric", "binary", "any"]] = "binary"

    def partial_fit(  # type: ignore[override]  # classifiers of scikit-learn take the classes third
        self,
        X: TableLike,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        names: Iterable[Any] | None = None,
    ) -> Self:
        """Learn from each row, in order, in addition to what was learned.

        Args:
            X: Table of shape (n_events, n_features), as for `learn_many`.
            y: Labels, shape (n_events,), or before any labels probabilities, such as 0.7.
            classes: The two classes, if the first labels may not hold both.
            sample_weight: Weight of each event, shape (n_events,), as for `fit`.
            names: Name of each column; those of the data frame, or ``x0``, ``x1``, …, if not given.

        Returns:
            The learner itself.

        Raises:
            ValueError: If the shapes do not match, the classes are not two or a label is none of them, or a value
                cannot be learned.

        Example:
            >>> from edgedescent import LogisticRegressor
            >>> model = LogisticRegressor().partial_fit([[1.0]], ["low"], classes=["low", "high"])
            >>> model.classes_.tolist(), model.predict([[1.0]]).tolist()
            (['high', 'low'], ['low'])
        """
        return self._fit(X, y, sample_weight, names, classes, anew=False)

    def predict(self, X: TableLike, names: Iterable[Any] | None = None) -> NDArray[Any]:
        """Return the more probable class of each row, or its probability where no classes were learned.

        Args:
            X: Table of shape (n_events, n_features), as for `learn_many`.
            names: Name of each column; those of the data frame, or ``x0``, ``x1``, …, if not given.

        Returns:
            Labels, shape (n_events,); the probabilities of True if nothing or only probabilities were learned.

        Raises:
            ValueError: If a value is neither a number nor a text, or X has other columns than what was learned.
        """
        yes = self.predict_many(X, names)
        if not hasattr(self, "classes_"):
            return yes
        chosen: NDArray[Any] = self.classes_[(yes > 0.5).astype(np.intp)]
        return chosen

    def predict_proba(self, X: TableLike, names: Iterable[Any] | None = None) -> NDArray[np.float64]:
        """Return the probabilities of the classes for each row; the state stays as it is.

        Args:
            X: Table of shape (n_events, n_features), as for `learn_many`.
            names: Name of each column; those of the data frame, or ``x0``, ``x1``, …, if not given.

        Returns:
            Probabilities in the order of `classes_`, shape (n_events, 2).

        Raises:
            ValueError: If a value is neither a number nor a text, or X has other columns than what was learned.
        """
        yes = self.predict_many(X, names)
        return np.column_stack([1.0 - yes, yes])

    def score(self, X: TableLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the share of rows whose class `predict` names (accuracy).

        Args:
            X: Table of shape (n_events, n_features), as for `learn_many`.
            y: Labels, shape (n_events,).
            sample_weight: Weight of each event in the score, shape (n_events,).

        Raises:
            ValueError: If the shapes do not match.
        """
        predictions, labels = self.predict(X), _objects(y)
        require_scored(predictions, labels)
        right = predictions == labels
        return float(np.average(right, weights=None if sample_weight is None else np.asarray(sample_weight)))

    def _classes(self, labels: Any, classes: ArrayLike | None, *, anew: bool) -> NDArray[Any] | None:
        known: NDArray[Any] | None = None if anew else getattr(self, "classes_", None)
        if known is None and classes is None and not anew and len(_objects(labels)) == 0:
            return None
        found = _unique(labels if classes is None else classes)
        if known is not None:
            if classes is not None and found.tolist() != known.tolist():
                raise ValueError(f"`classes` is not the same as before: {found.tolist()} instead of {known.tolist()}.")
            return known
        if found.dtype.kind == "f" and (found != np.floor(found)).any():
            if not anew and classes is None:
                # Probabilities: what is no number from 0 to 1 is refused when it is learned.
                return None
            raise ValueError(
                f"Unknown label type: continuous. {type(self).__name__} needs labels of two classes; probabilities are "
                "learned by partial_fit and learn_many."
            )
        if len(found) > 2:
            raise ValueError(
                "Only binary classification is supported. The type of the target is multiclass. "
                f"Got {len(found)} classes, such as {found[:3].tolist()}."
            )
        if len(found) < 2:
            raise ValueError(
                f"{type(self).__name__} needs labels of two classes. Got 1 class, {found.tolist()}: name both "
                "by partial_fit(X, y, classes=[...])."
            )
        return found

    def _targets(self, labels: Any, classes: NDArray[Any] | None) -> NDArray[np.float64]:
        if classes is None:
            return super()._targets(labels, classes)
        values = _objects(labels)
        if unknown := set(values.tolist()) - set(classes.tolist()):
            raise ValueError(f"The labels must be of the classes {classes}. Got {sorted(map(repr, unknown))} too.")
        targets: NDArray[np.float64] = (values == classes[1]).astype(np.float64)
        return targets


def _objects(labels: Any) -> NDArray[Any]:
    """Return labels as an array of one dimension."""
    array = np.asarray(as_list(labels) if is_frame(labels) else labels)
    if array.ndim != 1:
        raise ValueError(f"y should be a 1d array. Got an array of shape {array.shape}.")
    return array


def _unique(labels: Any) -> NDArray[Any]:
    """Return the different labels, sorted.

    Raises:
        ValueError: If one is missing, or they are of kinds that cannot be compared.
    """
    values = _objects(labels)
    if values.dtype.kind in "fc":
        if np.isnan(values).any():
            raise ValueError("Input y contains NaN.")
        if np.isinf(values).any():
            raise ValueError("Input y contains infinity or a value too large for dtype('float64').")
    elif values.dtype.kind == "O" and any(value is None or value != value for value in values):  # noqa: PLR0124 - NaN
        raise ValueError("Input y contains NaN or None.")
    try:
        return np.unique(values)
    except TypeError as error:
        raise ValueError(f"Unknown label type: {error}") from None
