"""Recursive least squares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta

from edgedescent.optim.base import Optimizer


@dataclass(frozen=True, kw_only=True)
class RLS(Optimizer):
    """Recursive least squares with directional forgetting.

    ::

        z <- derivative of the score with respect to the parameters: the features, for a linear model
        w <- w - slope P z / (1 + z' P z)
        e <- lambda - (1 - lambda) / (z' P z)
        P <- P - P z (P z)' / (1 / e + z' P z)

    ``slope`` is the derivative of the loss with respect to the score, so a loss with a bounded slope, such as
    `AdaptiveHuberLoss`, makes the rule robust to outliers. Each event forgets in the direction of its own features
    only: with n features, the rule remembers about ``n / (1 - forgetting)`` events, and P does not grow where features
    are constant, collinear or absent.

    Intercepts forget faster while the residuals show that they lag behind. With r the autocorrelation of an intercept's
    gradient over about 100 events, its variance grows by ``drift r^4 prior`` per event, at most to ``prior``.

    P is dense for the first `dense_max` parameters of a table with one parameter per feature: 320 KB for 200. Further
    parameters, and those of tables with several parameters per feature, have a variance each, as if they were
    correlated with no other. An event takes time proportional to its number of features times min(features,
    dense_max). The averaged gradients of a mini-batch are no use to this rule. There is no learning rate; a schedule
    scales the step.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> from edgedescent.optim import RLS
        >>> model = LinearRegressor(optimizer=RLS(forgetting=0.99))
        >>> model.learn_one({"temp": 20.1}, 3.2)

    References:
        Haykin 2002, "Adaptive Filter Theory", 4th edition, chapter 9. Kulhavý 1987, "Restricted exponential forgetting
        in real-time identification", Automatica 23(5). Mehra 1972, "Approaches to adaptive filtering", IEEE
        Transactions on Automatic Control 17(5), for noise from the autocorrelation of residuals.
    """

    rule: ClassVar[str] = "rls"
    slots: ClassVar[tuple[str, ...]] = ("variance", "gradient", "agreement", "power")
    scales_itself: ClassVar[bool] = True
    needs_single_events: ClassVar[bool] = True

    forgetting: Annotated[
        float, Meta(gt=0, le=1, description="Factor on what was learned before, in the direction of each event")
    ] = 0.95
    prior: Annotated[float, Meta(gt=0, le=1e6, description="Initial variance of a parameter")] = 3.0
    drift: Annotated[
        float,
        Meta(ge=0, le=1, description="Share of `prior` that an intercept's variance regains per event at full lag"),
    ] = 1.0
    dense_max: Annotated[int, Meta(ge=0, le=2000, description="Number of parameters that share a matrix")] = 200

    @property
    def covariance_max(self) -> int:
        """Number of parameters that share a covariance matrix."""
        return self.dense_max
