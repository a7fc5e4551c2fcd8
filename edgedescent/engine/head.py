"""Head of an engine: a learner, with what judges its labels, scores its predictions and watches them for drift."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from edgedescent.conformal import PredictionIntervals
from edgedescent.drift import Alarm, Detector, DriftMonitor
from edgedescent.engine._quarantine import Quarantine
from edgedescent.engine.messages import DriftAlarm, Message
from edgedescent.evaluation import Prequential

if TYPE_CHECKING:
    from edgedescent.engine._loop import LearningLoop
    from edgedescent.learners import Learner

COUNTED = ("events_learned", "events_predicted")
"""Counters that each of several heads has, beside their sums."""

_encode = msgspec.json.Encoder().encode


class Head:
    """One model of an engine, with everything that depends on its labels. Of several, each is as it would be alone.

    Args:
        learner: What predicts and learns.
        counters: Counters of its events: those of the engine for the only head, own ones for each of several.

    Attributes:
        learner: The learner.
        counters: The counters.
        horizon_s: Horizon of its forecasts, where there are several; else None.
        errors: Scores of the predictions.
        quarantine: Holds back floods of new names and absurd labels.
        intervals: The prediction intervals; None where they are off.
        drift: What watches the prediction error and the inputs; None where it is off.
        loop: The learning loop over these, which the engine makes.
    """

    loop: LearningLoop

    def __init__(self, learner: Learner, counters: Counter[str]) -> None:
        self.learner: Any = learner
        self.counters = counters
        self.horizon_s: float | None = None
        self.errors = Prequential()
        self.quarantine = Quarantine()
        self.intervals: PredictionIntervals | None = None
        self.drift: DriftMonitor | None = None

    def configure(
        self, *, quarantine: bool, interval: float | None, detector: Detector | None, watched_inputs_max: int
    ) -> None:
        """Change what judges and watches the events; arguments as `Engine`. What stays the same keeps its state."""
        self.quarantine.enabled = quarantine
        levels = () if interval is None else (interval,)
        if levels != (() if self.intervals is None else self.intervals.levels):
            self.intervals = PredictionIntervals(levels) if levels else None
        if detector is None:
            self.drift = None
        elif self.drift is None or (detector, watched_inputs_max) != (self.drift.detector, self.drift.inputs_max):
            # The scores of a ranking have no unit, so there is no error.
            self.drift = DriftMonitor(detector, watched_inputs_max, watches_error=self.learner.labels_are_amounts)

    def set_label_delay(self, n_events: int) -> None:
        """Tell a learner that has lags of the label how many events lie between the last one and the event at hand."""
        self.learner.set_label_delay(n_events)

    def skip(self, x: Mapping[str, Any], n_events: int) -> None:
        """Tell a learner that has lags of the label that the one of an event will not come.

        Args:
            x: Features of the event.
            n_events: Number of events between the last label and it when it was predicted.
        """
        self.learner.set_label_delay(n_events)
        self.learner.skip_one(x)

    def take_alarms(self, message: Message, counters: Counter[str]) -> list[DriftAlarm]:
        """Count the alarms that were raised since the last call, and return them as effects.

        Args:
            message: The message at which they were raised.
            counters: Counters of the engine, which are updated.
        """
        if self.drift is None or not self.drift.raised:
            return []
        alarms = self.drift.take(message.position, message.received_at, counters["drift_alarms"])
        counters["drift_alarms"] += len(alarms)
        for alarm in alarms:
            counters[f"drift_alarms.{alarm.watched}"] += 1
        return [DriftAlarm(_encode(alarm)) for alarm in self._named(alarms)]

    def latest_alarms(self) -> list[Alarm]:
        """The last drift alarms, the oldest first; at most eight."""
        return [] if self.drift is None else self._named(self.drift.latest_alarms())

    def _named(self, alarms: Sequence[Alarm]) -> list[Alarm]:
        """Alarms with the horizon."""
        return [msgspec.structs.replace(alarm, horizon_s=self.horizon_s) for alarm in alarms]

    def metrics(self) -> dict[str, float | int]:
        """Counts of the learner, prequential errors and coverage so far."""
        return {
            **self.learner.counts(),
            "targets_unscored": self.errors.n_unscored,
            "quarantines_lifted": self.quarantine.n_lifted,
            **self.errors.summary(),
            **({} if self.intervals is None else self.intervals.summary()),
        }

    # --- State ----------------------------------------------------------------------------------------------------

    @property
    def prefix(self) -> str:
        """Prefix of its part of a state: empty for the only head."""
        return "" if self.horizon_s is None else f"head.{horizon_name(self.horizon_s)}."

    @property
    def learner_prefix(self) -> str:
        """Prefix of the learner's part of a state."""
        return f"{self.prefix}learner."

    def save(self) -> dict[str, Any]:
        """State as named arrays, but for what `save_quarantine` returns."""
        prefix = self.prefix
        return {
            **{f"{self.learner_prefix}{name}": value for name, value in self.learner.state_dict().items()},
            f"{prefix}errors": self.errors.save(),
            **({} if self.intervals is None else self.intervals.save(f"{prefix}intervals.")),
            **({} if self.drift is None else self.drift.save(f"{prefix}drift.")),
            **({} if self.horizon_s is None else {f"{prefix}counts": self._counts()}),
        }

    def save_quarantine(self) -> dict[str, Any]:
        """State of the quarantine, which has a place of its own among the parts of a state."""
        return {f"{self.prefix}quarantine": self.quarantine.save()}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore what `save` and `save_quarantine` returned.

        Raises:
            KeyError: If it is incomplete.
            ValueError: If it belongs to another learner.
        """
        prefix, learner = self.prefix, self.learner_prefix
        self.learner.load_state_dict(
            {name.removeprefix(learner): value for name, value in state.items() if name.startswith(learner)}
        )
        self.errors.restore(state[f"{prefix}errors"])
        # A state of an older version, or of other settings, has none of these.
        if self.intervals is not None and f"{prefix}intervals.scale" in state:
            self.intervals.restore(state, f"{prefix}intervals.")
        if self.drift is not None and f"{prefix}drift.watches" in state:
            self.drift.restore(state, f"{prefix}drift.")
        self.quarantine.restore(state[f"{prefix}quarantine"])
        if self.horizon_s is not None:
            self._restore_counts(state[f"{prefix}counts"])

    def counts(self) -> dict[str, int]:
        """Counters that each of several heads has."""
        return {name: self.counters[name] for name in COUNTED}

    def _counts(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        return np.array(list(self.counts().values()), dtype=np.int64)

    def _restore_counts(self, counts: np.ndarray[Any, np.dtype[np.int64]]) -> None:
        if counts.shape != (len(COUNTED),) or (counts < 0).any():
            raise ValueError(f"The counts of a head are {len(COUNTED)} numbers >= 0. Got {counts!r:.80}.")
        self.counters.clear()
        self.counters.update(dict(zip(COUNTED, counts.tolist(), strict=True)))


def horizon_name(horizon_s: float) -> str:
    """Name of a horizon, as in the state and in the metrics.

    Example:
        >>> horizon_name(3600.0), horizon_name(0.5)
        ('3600', '0.5')
    """
    return repr(horizon_s).removesuffix(".0")
