"""Streaming gradient boosted regression, as the package samlb implements it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta

from edgedescent_sims.peers.base import Peer, library
from edgedescent_sims.peers.features import ZeroFill, split


@dataclass(kw_only=True, eq=False)
class SGBR(Peer):
    """Streaming gradient boosted regression (SGBR) of the package samlb.

    Each boosting step is a bag of trees that learns what the steps before it left over. It takes a target near a
    standard deviation of 1, so the labels are standardized by the mean and the deviation of those so far:

    ::

        prediction = mean + deviation f(x)

    It needs every feature: one that is missing counts as 0.0. A text is an indicator, and 0 where it is missing.

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

    def _start(self) -> None:
        self.model: Any = library("samlb.framework.base", self._name, "peers").SGBRRegressor(
            n_models=self.n_models, bag_size=self.bag_size, learning_rate=self.learning_rate, seed=self.seed
        )
        self._fill = ZeroFill()
        self._n = 0
        self._mean = self._squares = 0.0

    def _predict(self, *event: Any) -> float | None:
        if not self._n:
            return None
        numbers, indicators = split(event[0])
        answer = float(self.model.predict_one(self._fill.transform({**numbers, **indicators})))
        return self._mean + self._deviation() * answer

    def _learn(self, *event_and_label: Any) -> None:
        x, y = event_and_label
        numbers, indicators = split(x)
        features = {**numbers, **indicators}
        self._fill.learn(features)
        # Welford's algorithm: the deviation of the labels so far, this one included.
        self._n += 1
        before = y - self._mean
        self._mean += before / self._n
        self._squares += before * (y - self._mean)
        self.model.learn_one(self._fill.transform(features), (y - self._mean) / self._deviation())

    def _deviation(self) -> float:
        """Return the standard deviation of the labels; 1 while they are all the same."""
        return math.sqrt(self._squares / self._n) or 1.0
