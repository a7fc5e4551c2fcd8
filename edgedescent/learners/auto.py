"""Automatic regressor: an ensemble that needs no tuning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Self

from msgspec import Meta
from numpy.typing import ArrayLike

from edgedescent.ensemble.members import BUDGETS, Members
from edgedescent.learners._auto import AutoModel
from edgedescent.learners.feature_learner import FeatureLearner


@dataclass(kw_only=True, eq=False, repr=False)
class AutoRegressor(FeatureLearner):
    """Regression on named features that needs no tuning: a mixture of simple, linear, network and neighbour members.

    The members share one encoder, so that an event is read, named and standardized once. Beside the features they get
    the own lags of the label: the last labels, their differences, and the labels one period ago, for two periods that
    are found online. Half of them predict the change against the last label, the others the label. Their predictions
    are mixed with weights that follow their regret (`edgedescent.ensemble._mixture`).

    Raises:
        ValueError: If a parameter is out of its range, a feature name is not a string, a feature value is neither a
            number nor a string, or the target is not a number. A rejected event changes nothing.

    Example:
        >>> from edgedescent import AutoRegressor
        >>> model = AutoRegressor(budget="tiny")
        >>> for i in range(1000):
        ...     model.learn_one({"a": i % 7, "b": i % 5}, 3.0 * (i % 7) - (i % 5) + 10.0)
        >>> abs(model.predict_one({"a": 2, "b": 1}) - 15.0) < 0.5
        True

    References:
        Gaillard, Stoltz and van Erven 2014, "A Second-order Bound with Excess Losses", COLT.
    """

    model_type = AutoModel

    budget: Annotated[
        Literal["tiny", "small", "default", "large"],
        Meta(description="Which members there are, and so the cost of an event"),
    ] = "default"

    @property
    def members(self) -> Members:
        """Specification of the members."""
        return BUDGETS[self.budget]

    def with_labels(self, labels: ArrayLike) -> Self:
        """Return a copy that has seen further labels, without having learned from them.

        Its last labels, lags, forgetting means and range are those after these labels; its members, their weights, and
        the standardization are as they are. An exported file, which cannot learn, predicts so where it is given labels.

        Args:
            labels: Labels that came after what was learned, oldest first, shape (n_labels,). One that is not finite
                counts as missing.

        Raises:
            ValueError: If it is no sequence of numbers.

        Example:
            >>> from edgedescent import AutoRegressor
            >>> model = AutoRegressor(budget="tiny")
            >>> model.with_labels([3.0, 4.5]).predict_one({})
            4.5
        """
        copy: Self = self.clone(include_attributes=True)
        copy.model.append_labels(labels)
        return copy
