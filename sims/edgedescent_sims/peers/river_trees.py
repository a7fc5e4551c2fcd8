"""River's trees and forests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta

from edgedescent_sims.peers.river_regressor import RiverRegressor

SEED_MAX = 2**32 - 1


@dataclass(kw_only=True, eq=False)
class RiverHoeffdingAdaptiveTree(RiverRegressor):
    """River's Hoeffding adaptive tree regressor behind its StandardScaler.

    Without the scaler the linear models in its leaves diverge. At a split whose feature is missing, an event takes the
    branch that most events took. A text is an indicator, and 0 where it is missing.

    Example:
        >>> peer = RiverHoeffdingAdaptiveTree()
        >>> for i in range(500):
        ...     peer.learn_one({"temp": float(i % 7)}, 3.0 * (i % 7))
        >>> abs(peer.predict_one({"temp": 4.0}) - 12.0) < 1.0
        True

    References:
        Bifet and Gavaldà 2009, "Adaptive learning from evolving data streams", IDA.
    """

    zeros: ClassVar[Literal["none", "texts", "all"]] = "texts"

    grace_period: Annotated[int, Meta(ge=1, description="Number of events of a leaf between attempts to split it")] = (
        200
    )
    seed: Annotated[int, Meta(ge=0, le=SEED_MAX, description="Seed of its draws")] = 1

    def _regressor(self) -> Any:
        tree = self._import("tree")
        return tree.HoeffdingAdaptiveTreeRegressor(grace_period=self.grace_period, seed=self.seed)


@dataclass(kw_only=True, eq=False)
class RiverARF(RiverRegressor):
    """River's adaptive random forest regressor behind its StandardScaler.

    Missing features and texts are treated as by `RiverHoeffdingAdaptiveTree`. An event takes milliseconds.

    Example:
        >>> RiverARF(n_models=3).predict_learn_one({"temp": 20.0}, 3.0)
        0.0

    References:
        Gomes, Barddal, Ferreira and Bifet 2018, "Adaptive random forests for data stream regression", ESANN.
    """

    zeros: ClassVar[Literal["none", "texts", "all"]] = "texts"

    n_models: Annotated[int, Meta(ge=1, description="Number of trees")] = 10
    seed: Annotated[int, Meta(ge=0, le=SEED_MAX, description="Seed of its draws")] = 1

    def _regressor(self) -> Any:
        return self._import("forest").ARFRegressor(n_models=self.n_models, seed=self.seed)


@dataclass(kw_only=True, eq=False)
class RiverAMF(RiverRegressor):
    """River's aggregated Mondrian forest regressor.

    Its trees need every feature: one that is missing counts as 0.0. A text is an indicator, and 0 where it is missing.
    There is no scaler before it, as in its documentation. An event takes milliseconds.

    Example:
        >>> RiverAMF(n_estimators=3).predict_learn_one({"temp": 20.0}, 3.0)
        0.0

    References:
        Mourtada, Gaïffas and Scornet 2021, "AMF: Aggregated Mondrian forests for online learning", Journal of the
        Royal Statistical Society B 83(3).
    """

    is_scaled: ClassVar[bool] = False
    zeros: ClassVar[Literal["none", "texts", "all"]] = "all"

    n_estimators: Annotated[int, Meta(ge=1, description="Number of trees")] = 10
    seed: Annotated[int, Meta(ge=0, le=SEED_MAX, description="Seed of its draws")] = 1

    def _regressor(self) -> Any:
        return self._import("forest").AMFRegressor(n_estimators=self.n_estimators, seed=self.seed)
