"""Automatic regressor: an ensemble that needs no tuning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from msgspec import Meta
from numpy.typing import ArrayLike

from edgedescent.ensemble.members import BUDGETS, Members
from edgedescent.learners import migration
from edgedescent.learners._auto import AutoModel
from edgedescent.learners.feature_learner import FeatureLearner
from edgedescent.losses import AbsoluteLoss, Loss

LABEL_DELAY_MAX = 700
"""Bound on the delay of labels: so many labels are remembered."""


@dataclass(kw_only=True, eq=False, repr=False)
class AutoRegressor(FeatureLearner):
    """Regression on named features that needs no tuning: a mixture of simple, linear, network and neighbour members.

    The members share one encoder, so that an event is read, named and standardized once. Beside the features they get
    lags of the label: the last labels, their differences, the labels one period ago, for two periods that are found
    online, and the last label with the same value of a feature, such as a site, if one is found for which this helps.
    Half of the networks take each value of a feature that has few whole numbers, such as hours, as an input of its own.
    Half of the members predict the change against the last label, the others the label. Their predictions are mixed
    with weights that follow their regret::

        rᵢ = sign(f - y) (f - pᵢ) / s               f is the mixture of the predictions pᵢ, s the scale of its error
        wᵢ ∝ max(Rᵢ, 0) / (1 + Bᵢ)                  with forgetting sums R of r, and B of r²

    Boosted trees are fitted to the residuals of the mixture over the latest 2,000 events, and a second mixture weights
    the prediction that they correct against the plain one.

    With the budget ``"large"``, the networks evolve from event 10,000 on: every 1,000 events, the one with the largest
    error becomes a copy of the one with the smallest, and its hyper-parameters mutate.

    A label that is more than ten mean absolute errors away from its prediction is replaced before it becomes a lag,
    unless labels after such ones have shown that they are real.

    Before the first label the prediction is 0. The lags also mean that the prediction for the same features changes
    from label to label. Where further events are predicted before the label of one comes, give their number as
    `label_delay`: each event is then learned with the lags that were known when it was predicted, and
    `predict_learn_one` and `learn_many` predict it from those. Where a label never comes, call `skip_one`.

    The mixtures and the trees minimize `loss`: the absolute error unless given, for the median.

    Raises:
        ValueError: If a parameter is out of its range, a feature name is neither a string nor an integer, a feature
            value is neither a number nor a string, or the target is not a number. A rejected event changes
            nothing.

    Example:
        >>> import random
        >>> from edgedescent import AutoRegressor
        >>> model = AutoRegressor(budget="tiny")
        >>> dice = random.Random(1)
        >>> for _ in range(1000):
        ...     a, b = dice.random(), dice.random()
        ...     model.learn_one({"a": a, "b": b}, 3.0 * a - b + 10.0)
        >>> round(model.predict_one({"a": 0.5, "b": 0.5}), 1)
        11.0

    References:
        Gaillard, Stoltz and van Erven 2014, "A Second-order Bound with Excess Losses", COLT.
        Jaderberg et al. 2017, "Population Based Training of Neural Networks", arXiv:1711.09846.
        Friedman 2001, "Greedy Function Approximation: A Gradient Boosting Machine", Annals of Statistics 29.
    """

    model_type = AutoModel
    migrations: ClassVar[Mapping[str, migration.Rule]] = {
        **FeatureLearner.migrations,
        "label_delay": migration.label_delay,
    }

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
    label_delay: Annotated[
        int,
        Meta(
            ge=0,
            le=LABEL_DELAY_MAX,
            description="Number of further events that are predicted before the label of an event comes; the daemon "
            "counts them itself where it joins labels",
        ),
    ] = 0
    loss: Annotated[
        Loss,
        Meta(description="What the mixtures and the trees minimize: `AbsoluteLoss`, `SquaredLoss` or `QuantileLoss`"),
    ] = AbsoluteLoss()  # noqa: RUF009 - immutable
    interval_levels: Annotated[
        tuple[Annotated[float, Meta(gt=0, lt=1)], ...],
        Meta(max_length=16, description="Levels at which `predict_interval_one` can be asked"),
    ] = (0.9,)

    def check_parameters(self) -> None:
        """Raise ValueError for a loss that the mixtures cannot minimize."""
        super().check_parameters()
        if self.loss.rule not in ("absolute", "squared", "quantile"):
            raise ValueError(
                "The `loss` of AutoRegressor must be AbsoluteLoss, SquaredLoss or QuantileLoss. "
                f"Got {type(self.loss).__name__}."
            )

    @property
    def members(self) -> Members:
        """Specification of the members, the networks as they are at first."""
        return BUDGETS[self.budget]

    @property
    def present_members(self) -> Members:
        """Specification of the members, the networks as evolution has made them."""
        return self.members if self.model.evolution is None else self.model.evolution.present(self.members)

    def skip_one(self, x: Mapping[str, Any]) -> None:
        """Take in that the label of an event will not come: its prediction stands in for it among the lags.

        So the lags of the following events are in their places. Nothing is learned. Without this call, an event whose
        label does not come has never been there.

        Args:
            x: The event.

        Raises:
            ValueError: If a feature name is neither a string nor an integer, or a value neither a number nor a string.

        Example:
            >>> from edgedescent import AutoRegressor
            >>> model = AutoRegressor(budget="tiny")
            >>> model.learn_one({"hour": 7}, 3.0)
            >>> model.skip_one({"hour": 8})
            >>> model.counts()["label_age_events"]
            1
        """
        self.predict_one(x)
        self.model.stand_in()

    def set_label_delay(self, n_events: int) -> None:
        """Set how many events lie between the last label and the next event, where this is not always `label_delay`.

        An event is to be learned with the number that was set when it was predicted. The daemon does so, which counts
        the events that wait for their labels.

        Args:
            n_events: Number of events, >= 0. Above 700 counts as 700.

        Raises:
            ValueError: If it is negative.

        Example:
            >>> from edgedescent import AutoRegressor
            >>> model = AutoRegressor(budget="tiny")
            >>> for hour in range(500):
            ...     model.set_label_delay(0)
            ...     model.learn_one({}, hour % 24)
            >>> model.set_label_delay(5)  # five events were predicted since the last label
            >>> round(model.predict_one({}))
            1
        """
        if n_events < 0:
            raise ValueError(f"A number of events must be >= 0. Got {n_events}.")
        self.model.history.delay = min(n_events, LABEL_DELAY_MAX)

    def with_labels(self, labels: ArrayLike) -> Self:
        """Return a copy that has seen further labels, without having learned from them.

        Its last labels, lags, forgetting means and range are those after these labels; its members, their weights, the
        labels by key, and the standardization are as they are. An exported file, which cannot learn, predicts so where
        it is given labels.

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
        key = self.encoder.vocabulary.keys()[row - 1] if row else "none"
        lines = [
            f"{type(self).__name__} with budget {self.budget} after {self.n_events:,} events",
            f"mean absolute error of about the last 100 events: {model.choice.mean_error:.4g}",
            "weight      error  expert",
            *(
                f"{weights[i]:6.1%}  {errors[i]:9.4g}  {names[i]}"
                for i in np.argsort(-weights, kind="stable")[:experts_max]
            ),
            f"periods of the labels: {' and '.join(periods) or 'none'}",
            f"key, the feature whose values have lags of their own: {key}",
            *(
                []
                if model.trees is None
                else [f"weight of the correction by trees: {model.choice.experts()[0][1]:.1%}"]
            ),
            f"age of the last label: {counts['label_age_events']} events",
            f"outlying labels replaced: {counts['labels_replaced']}",
            f"members restarted: {counts['members_restarted']}",
            f"replayed events let go: {counts['replays_let_go']} times",
            *([] if model.evolution is None else model.evolution.summary()),
        ]
        return "\n".join(lines)
