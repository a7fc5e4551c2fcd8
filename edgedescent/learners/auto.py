"""Automatic regressor: an ensemble that needs no tuning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta

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

    replay_size: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="Number of the latest events that are kept for replay and among which neighbours are found",
        ),
    ] = 2000

    @property
    def members(self) -> Members:
        """Specification of the members."""
        return BUDGETS[self.budget]

    def summary(self, experts_max: int = 8) -> str:
        """Return a text that says which members lead, and what was found in the labels.

        Each line has the weight of an expert and its mean absolute error over about the last 100 events. The experts
        are the predictions of the members, and the stacks, which are least squares on these.

        Args:
            experts_max: Number of experts that are listed, those with the largest weights first.

        Example:
            >>> from edgedescent import AutoRegressor
            >>> model = AutoRegressor(budget="tiny")
            >>> for i in range(500):
            ...     model.learn_one({"load": i % 11}, 2.0 * (i % 11))
            >>> print(model.summary(experts_max=1).splitlines()[0])
            AutoRegressor with budget tiny after 500 events
        """
        model = self.model
        history, counts = model.history, model.counts()
        weights, errors = model.mixture.experts()
        names = model.names()
        periods = [str(period) for period in (history.period, history.second_period) if period]
        row = model.keyed.key()
        lines = [
            f"{type(self).__name__} with budget {self.budget} after {self.n_events:,} events",
            f"mean absolute error {model.mixture.mean_error:.4g}",
            "weight      error  expert",
            *(
                f"{weights[i]:6.1%}  {errors[i]:9.4g}  {names[i]}"
                for i in np.argsort(-weights, kind="stable")[:experts_max]
            ),
            f"periods of the labels: {' and '.join(periods) or 'none'}",
            f"key: {self.encoder.vocabulary.keys()[row - 1] if row else 'none'}",
            f"outlying labels replaced: {counts['labels_replaced']}, members restarted: {counts['members_restarted']}, "
            f"replayed events let go: {counts['replays_let_go']} times",
        ]
        return "\n".join(lines)
