"""River's linear regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from msgspec import Meta

from edgedescent_sims.peers.river_regressor import RiverRegressor

Optimizer = Literal["AMSGrad", "AdaGrad", "AdaMax", "Adam", "Momentum", "Nadam", "NesterovMomentum", "RMSProp", "SGD"]


@dataclass(kw_only=True, eq=False)
class RiverLinear(RiverRegressor):
    """River's linear regression behind its StandardScaler, trained by one of River's optimizers.

    A missing feature counts as its mean. A text is an indicator that is not scaled, and 0 where it is missing.

    Example:
        >>> peer = RiverLinear()
        >>> for i in range(1000):
        ...     peer.learn_one({"temp": float(i % 7), "site": "north"}, 3.0 * (i % 7))
        >>> abs(peer.predict_one({"temp": 4.0, "site": "north"}) - 12.0) < 0.5
        True
    """

    optimizer: Annotated[Optimizer, Meta(description="Name of a class of river.optim")] = "Adam"
    lr: Annotated[float, Meta(gt=0, description="Learning rate")] = 0.1
    intercept_lr: Annotated[float, Meta(ge=0, description="Learning rate of the intercept")] = 0.01

    def _regressor(self) -> Any:
        optimizer = getattr(self._import("optim"), self.optimizer)(self.lr)
        return self._import("linear_model").LinearRegression(optimizer=optimizer, intercept_lr=self.intercept_lr)
