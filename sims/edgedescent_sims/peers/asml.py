"""Adaptive streaming machine learning, the automatic regressor of the package samlb."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from msgspec import Meta
from numpy.random import mtrand

from edgedescent_sims.peers.base import library
from edgedescent_sims.peers.samlb_regressor import SamlbRegressor


@dataclass(kw_only=True, eq=False)
class ASML(SamlbRegressor):
    """Adaptive streaming machine learning (ASML) of the package samlb: an online search over pipelines.

    It trains `budget` pipelines of a scaler, a feature selector and a regressor side by side. After every
    `exploration_window` events, or at a drift, it replaces them by random ones and by neighbours of the best in the
    space of hyper-parameters. The latest best ones, `ensemble_size` of them, predict.

    Labels are standardized and missing features are 0.0, as by every `SamlbRegressor`. Without that its predictions
    would be useless for most targets, because samlb 0.6 clips them to -10…10 in the unit of the target. samlb draws
    from the global generators of Python and NumPy; here they are put back after each step, and each instance has draws
    of its own.

    Example:
        >>> peer = ASML()
        >>> for i in range(500):
        ...     peer.learn_one({"temp": float(i % 7)}, 3.0 * (i % 7))
        >>> abs(peer.predict_one({"temp": 4.0}) - 12.0) < 3.0
        True

    References:
        Verma, Bifet, Pfahringer and Bahri 2025, "ASML: A scalable and efficient AutoML solution for data streams".
    """

    exploration_window: Annotated[int, Meta(ge=1, description="Number of events between two searches")] = 1000
    budget: Annotated[int, Meta(ge=2, description="Number of pipelines that are trained side by side")] = 10
    ensemble_size: Annotated[int, Meta(ge=1, description="Number of pipelines that predict")] = 3
    seed: Annotated[int, Meta(ge=0, le=2**32 - 1, description="Seed of its draws")] = 42

    def _start(self) -> None:
        self._draws: tuple[Any, ...] | None = None
        self._generator = np.random.MT19937(self.seed)
        super()._start()

    def _regressor(self) -> Any:
        package = library("samlb.framework.regression.asml", self._name, "peers")
        with self._own_draws():
            return package.AutoStreamRegressor(
                exploration_window=self.exploration_window,
                budget=self.budget,
                ensemble_size=self.ensemble_size,
                seed=self.seed,
            )

    def _learn_standardized(self, features: dict[str, float], y: float) -> None:
        with self._own_draws():
            super()._learn_standardized(features, y)

    @contextmanager
    def _own_draws(self) -> Iterator[None]:
        """Give the global generators the state that this instance left them in, and put theirs back afterwards."""
        before = random.getstate(), mtrand.get_bit_generator()
        if self._draws is not None:
            random.setstate(self._draws)
        mtrand.set_bit_generator(self._generator)
        try:
            yield
        finally:
            self._draws = random.getstate()
            random.setstate(before[0])
            mtrand.set_bit_generator(before[1])
