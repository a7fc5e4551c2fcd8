"""Base class of peers that are regressors of the package samlb."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

from edgedescent_sims.peers.base import Peer
from edgedescent_sims.peers.features import ZeroFill, split


@dataclass(kw_only=True, eq=False)
class SamlbRegressor(Peer):
    """Base class of peers that are regressors of samlb, on standardized labels.

    They take a target near a standard deviation of 1, so the labels are standardized by the mean and the deviation of
    those so far:

    ::

        prediction = mean + deviation f(x)

    They need every feature: one that is missing counts as 0.0. A text is an indicator, and 0 where it is missing. A
    subclass makes its regressor in `_regressor`.

    Attributes:
        model: samlb's own model, as it would be made without this class.
    """

    @abstractmethod
    def _regressor(self) -> Any:
        """Make samlb's regressor."""

    def _start(self) -> None:
        self.model: Any = self._regressor()
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
        self._learn_standardized(self._fill.transform(features), (y - self._mean) / self._deviation())

    def _learn_standardized(self, features: dict[str, float], y: float) -> None:
        """Learn complete features and a standardized label."""
        self.model.learn_one(features, y)

    def _deviation(self) -> float:
        """Return the standard deviation of the labels; 1 while they are all the same."""
        return math.sqrt(self._squares / self._n) or 1.0
