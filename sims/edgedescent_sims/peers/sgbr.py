"""Streaming gradient boosted regression, as the package samlb implements it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta

from edgedescent_sims.peers.base import library
from edgedescent_sims.peers.samlb_regressor import SamlbRegressor


@dataclass(kw_only=True, eq=False)
class SGBR(SamlbRegressor):
    """Streaming gradient boosted regression (SGBR) of the package samlb.

    Each boosting step is a bag of trees that learns what the steps before it left over. Labels are standardized and
    missing features are 0.0, as by every `SamlbRegressor`.

    Example:
        >>> peer = SGBR()
        >>> for i in range(500):
        ...     peer.learn_one({"temp": float(i % 7)}, 3.0 * (i % 7))
        >>> abs(peer.predict_one({"temp": 4.0}) - 12.0) < 1.0
        True

    References:
        Gunasekara, Pfahringer, Gomes and Bifet 2025, "Gradient boosted trees for evolving data streams: regression",
        Data Mining and Knowledge Discovery.
    """

    n_models: Annotated[int, Meta(ge=1, description="Number of boosting steps")] = 10
    bag_size: Annotated[int, Meta(ge=1, description="Number of trees of each step")] = 10
    learning_rate: Annotated[float, Meta(gt=0, le=1, description="Factor on the output of each step")] = 1.0
    seed: Annotated[int, Meta(ge=0, le=2**31 - 1, description="Seed of its draws")] = 1

    def _regressor(self) -> Any:
        return library("samlb.framework.base", self._name, "peers").SGBRRegressor(
            n_models=self.n_models, bag_size=self.bag_size, learning_rate=self.learning_rate, seed=self.seed
        )
