"""Baselines of forecasts: the last value, and the value one season before, scored beside the predictions."""

from __future__ import annotations

import math
from collections import deque
from typing import Any

from edgedescent.assembly.derived.base import ROWS_MAX

NAMES = ("last_value", "seasonal")


class Baselines:
    """Errors of forecasts beside those of two baselines, over the events for which both are known.

    At time t the baselines forecast the value at t + h by the value at t, and by the newest one at
    t + h - m s with the least m for which that is not after t, where s is the season.

    Args:
        horizon_s: The horizon h.
        season_s: The season s.
        age_max_s: Largest age of a value that a baseline takes for one at a time.

    Example:
        >>> baselines = Baselines(3600.0, 86_400.0, 600.0)
        >>> baselines.ask(0.0, 5.0)
        (5.0, None)
        >>> baselines.score((5.0, None), prediction=6.0, y=8.0)
        >>> baselines.summary()
        {'forecast_mae_beside_last_value': 2.0, 'forecast_mae_last_value': 3.0}
    """

    def __init__(self, horizon_s: float, season_s: float, age_max_s: float) -> None:
        self._back_s = math.ceil(horizon_s / season_s) * season_s - horizon_s
        self._age_max_s = age_max_s
        self._past: deque[tuple[float, float]] = deque(maxlen=ROWS_MAX)
        """Times and values of the rows, not older than a season needs."""
        self._sums = [0.0] * 6
        """Number of forecasts, and sums of the absolute errors of model and baseline, for each baseline."""

    def ask(self, time: float, value: float | None) -> tuple[float | None, float | None]:
        """Forecasts of the baselines at a time.

        Args:
            time: The time.
            value: The value at that time; None where it is missing.
        """
        past, at = self._past, time - self._back_s
        if value is not None:
            past.append((time, value))
        while len(past) > 1 and past[1][0] <= at:
            past.popleft()
        known = bool(past) and past[0][0] <= at <= past[0][0] + self._age_max_s
        return value, past[0][1] if known else None

    def score(self, forecasts: tuple[float | None, float | None], prediction: float, y: float) -> None:
        """Score a prediction and the forecasts of the baselines, once the truth is known."""
        for i, forecast in enumerate(forecasts):
            if forecast is not None:
                self._sums[3 * i] += 1.0
                self._sums[3 * i + 1] += abs(y - prediction)
                self._sums[3 * i + 2] += abs(y - forecast)

    def summary(self) -> dict[str, float]:
        """Mean absolute errors of each baseline, and of the model over the same forecasts."""
        found = {}
        for i, name in enumerate(NAMES):
            n, model, baseline = self._sums[3 * i : 3 * i + 3]
            if n:
                found[f"forecast_mae_beside_{name}"] = model / n
                found[f"forecast_mae_{name}"] = baseline / n
        return found

    def save(self) -> list[Any]:
        """The state as nested lists."""
        return [self._sums, list(self._past)]

    def restore(self, sums: list[float], past: list[tuple[float, float]]) -> None:
        """Continue with what `save` returned.

        Raises:
            ValueError: If a number of it is not finite.
        """
        if len(sums) != len(self._sums) or not all(map(math.isfinite, [*sums, *(v for pair in past for v in pair)])):
            raise ValueError("The baselines of the forecasts do not fit.")
        self._sums = list(sums)
        self._past = deque(past, maxlen=ROWS_MAX)
