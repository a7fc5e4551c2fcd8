"""Alarms of a drift detector that watches the errors of a candidate."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edgedescent.errors import ConfigError
from edgedescent.evaluation import detection_scores
from edgedescent_sims.scenarios.scenario import DetectorName
from edgedescent_sims.simulate.progressive import Scored
from edgedescent_sims.sources.base import Mark


class Alarms:
    """Detector on the absolute errors of a candidate, in the order in which its events are scored.

    Args:
        name: Name of the detector in River, which runs with its defaults.
        seed: Seed of a detector that draws.

    Raises:
        ConfigError: If River is not installed.

    Attributes:
        numbers: Numbers of the events at which an alarm was raised.
    """

    def __init__(self, name: DetectorName, seed: int) -> None:
        try:
            from river import drift
        except ImportError as error:
            raise ConfigError(
                f"The detector {name} needs river, which is not installed.", "Run: pip install 'edgedescent[river]'"
            ) from error
        kind = getattr(drift, name)
        self._detector: Any = kind(seed=seed) if name == "KSWIN" else kind()
        self.numbers: list[int] = []
        self._newest = 0

    def update(self, scored: Scored) -> None:
        """Watch the errors of a batch."""
        errors = np.abs(scored.target - scored.prediction).tolist()
        for number, error in zip(scored.number.tolist(), errors, strict=True):
            self._newest = max(self._newest, number)
            if math.isfinite(error):
                self._detector.update(error)
                if self._detector.drift_detected:
                    self.numbers.append(number)

    def scores(self, marks: list[Mark], window: int) -> dict[str, float | None]:
        """Delay, misses and false alarms; see `edgedescent.evaluation.detection_scores`.

        Args:
            marks: Marks of the scenario, of which the drifts are the changes to find.
            window: Number of events after a drift within which an alarm is accepted.
        """
        changes = [(mark.start, mark.end) for mark in marks if mark.kind == "drift" and 0 < mark.start < self._newest]
        found = detection_scores(self.numbers, changes, window=window, n_events=self._newest)
        return {
            "alarm_delay": found.mean_delay,
            "missed_drifts": float(found.missed),
            "false_alarms": float(found.false_alarms),
        }
