"""Alarms of a drift detector that watches the errors of a candidate, as the daemon watches those of its learner."""

from __future__ import annotations

import dataclasses

from edgedescent.drift import DETECTORS, DriftMonitor
from edgedescent.evaluation import detection_scores
from edgedescent_sims.scenarios.scenario import DetectorName
from edgedescent_sims.simulate.progressive import Scored
from edgedescent_sims.sources.base import Mark


class Alarms:
    """Detector on the absolute errors of a candidate, in the order in which its events are scored.

    Args:
        name: Name of the detector, which runs with its defaults.
        seed: Seed of a detector that draws.

    Attributes:
        numbers: Numbers of the events at which an alarm was raised.
    """

    def __init__(self, name: DetectorName, seed: int) -> None:
        kind = DETECTORS[name]
        draws = "seed" in {field.name for field in dataclasses.fields(kind)}
        self._monitor = DriftMonitor(kind(seed=seed) if draws else kind(), 0)  # type: ignore[call-arg]
        self.numbers: list[int] = []
        self._newest = 0

    def update(self, scored: Scored) -> None:
        """Watch the errors of a batch."""
        events = zip(scored.number.tolist(), scored.target.tolist(), scored.prediction.tolist(), strict=True)
        for number, target, prediction in events:
            self._newest = max(self._newest, number)
            self._monitor.update({}, target, prediction, number)
            self.numbers += [alarm.event for alarm in self._monitor.take(0, 0.0, len(self.numbers))]

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
