"""Recursive least squares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from edgedescent.optim.base import Optimizer


@dataclass(frozen=True, kw_only=True)
class RLS(Optimizer):
    """Recursive least squares with exponential forgetting.

    ::

        z <- derivative of the score with respect to the parameters: the features, for a linear model
        k <- P z / (lambda + z' P z)
        w <- w - slope k
        P <- (P - k z' P) / lambda

    ``slope`` is the derivative of the loss with respect to the score, so a loss with a bounded slope, such as
    `AdaptiveHuberLoss`, makes the rule robust to outliers. P starts as ``prior`` times the identity.

    The gradient g of the intercept tells how well the forgetting fits. While the mean of g² over the last 10 events is
    more than twice that over the last 100, lambda is `forgetting_after_change`, so that an abrupt change is learned
    within tens of events. With r the autocorrelation of g over 100 events, the variance of the intercept grows by
    ``drift r^4 prior`` per event, at most to ``prior``, so that it follows a level that wanders.

    Variances do not grow where features are constant or collinear: the largest of them is lowered to ``prior`` at each
    event, and a feature with z = 0 forgets nothing. A feature that is absent from an event keeps its weight and its
    variance.

    P is dense for the first `dense_max` parameters of a table with one parameter per feature: 320 KB for 200. Further
    parameters, and those of tables with several parameters per feature, have a variance each, as if they were
    correlated with no other. An event takes time proportional to its number of features times min(features,
    dense_max). The averaged gradients of a mini-batch are no use to this rule. There is no learning rate; a schedule
    scales the step.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.optim import RLS
        >>> model = LinearRegressor(optimizer=RLS(forgetting=0.999))
        >>> model.learn_one({"temp": 20.1}, 3.2)

    References:
        Haykin 2002, "Adaptive Filter Theory", 4th edition, chapter 9. Mehra 1972, "Approaches to adaptive filtering",
        IEEE Transactions on Automatic Control 17(5), for noise from the autocorrelation of residuals.
    """

    rule: ClassVar[str] = "rls"
    slots: ClassVar[tuple[str, ...]] = ("variance", "gradient", "agreement", "power", "recent")
    scales_itself: ClassVar[bool] = True
    spares_intercepts: ClassVar[bool] = True
    needs_single_events: ClassVar[bool] = True

    forgetting: Annotated[
        float,
        Meta(gt=0, le=1, description="Factor on what was learned before, of the last 1 / (1 - forgetting) events"),
    ] = 0.998
    forgetting_after_change: Annotated[
        float, Meta(gt=0, le=1, description="The same while errors are larger than they used to be")
    ] = 0.9
    prior: Annotated[float, Meta(gt=0, le=1e6, description="Initial variance of a parameter")] = 3.0
    drift: Annotated[
        float,
        Meta(ge=0, le=1, description="Share of `prior` that an intercept's variance regains per event at full lag"),
    ] = 1.0
    dense_max: Annotated[int, Meta(ge=1, le=2000, description="Number of parameters that share a matrix")] = 200

    @property
    def covariance_max(self) -> int:
        """Number of parameters that share a covariance matrix."""
        return self.dense_max
