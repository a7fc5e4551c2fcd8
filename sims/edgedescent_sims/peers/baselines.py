"""Baselines that look at nothing but the labels: the last one, the one a season ago, and their mean."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from msgspec import Meta
from numpy.typing import ArrayLike, NDArray

from edgedescent.validation import as_numbers
from edgedescent_sims.peers.base import LARGEST, Peer


@dataclass(kw_only=True, eq=False)
class Baseline(Peer):
    """Base class of baselines that look at nothing but the labels, of events of either kind.

    A subclass implements `_answer`, `_update` and `_run`.
    """

    input_kind: ClassVar[Literal["features", "ratings", "both"]] = "both"

    @abstractmethod
    def _answer(self) -> float:
        """Return the prediction for the next event."""

    @abstractmethod
    def _update(self, y: float) -> None:
        """Learn one label."""

    @abstractmethod
    def _run(self, y: NDArray[np.float64], usable: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the predictions for events with these labels, and learn the usable ones.

        Args:
            y: Labels, shape (n_events,).
            usable: True for those that are learned, shape (n_events,).
        """

    def _predict(self, *_event: Any) -> float:
        return self._answer()

    def _learn(self, *event_and_label: Any) -> None:
        self._update(float(event_and_label[-1]))

    def learn_labels(self, y: ArrayLike) -> NDArray[np.float64]:
        """Predict, then learn each event by its label alone; return the predictions, the same as one by one.

        Args:
            y: Labels, shape (n_events,); an event whose label is NaN is only predicted.

        Raises:
            ValueError: If they are not numbers.
        """
        self.start()
        labels = as_numbers("y", y, 1)
        # A comparison with NaN is False.
        usable = np.abs(labels) <= LARGEST
        self.n_skipped_targets += int(len(labels) - usable.sum())
        return self._run(labels, usable)

    def learn_many(self, X: ArrayLike, y: ArrayLike, names: Sequence[str] | None = None) -> NDArray[np.float64]:
        """Predict, then learn each row, in order; return the predictions, the same as one by one.

        Args:
            X: Features, shape (n_events, n_features); they are not looked at.
            y: Labels, shape (n_events,).
            names: Names of the features; they are not looked at.

        Raises:
            ValueError: If the labels are not numbers.
        """
        del X, names
        return self.learn_labels(y)


@dataclass(kw_only=True, eq=False)
class LastValue(Baseline):
    """The last label as the prediction; 0.0 before the first one.

    ::

        prediction_t = y_{t-1}

    Example:
        >>> LastValue().learn_labels([3.0, 4.0, 5.0])
        array([0., 3., 4.])
    """

    def _start(self) -> None:
        self._last = 0.0

    def _answer(self) -> float:
        return self._last

    def _update(self, y: float) -> None:
        self._last = y

    def _run(self, y: NDArray[np.float64], usable: NDArray[np.bool_]) -> NDArray[np.float64]:
        learned = np.concatenate([[self._last], y[usable]])
        self._last = float(learned[-1])
        return learned[_learned_before(usable)]


@dataclass(kw_only=True, eq=False)
class SeasonalLastValue(Baseline):
    """The label of `period` events ago as the prediction; the last label until there is one.

    ::

        prediction_t = y_{t-period}

    Events are counted by their labels, so that one without a label shifts the season.

    Example:
        >>> SeasonalLastValue(period=2).learn_labels([3.0, 4.0, 5.0, 6.0])
        array([0., 3., 3., 4.])
    """

    period: Annotated[int, Meta(ge=1, le=1_000_000, description="Number of events in a season")] = 24

    def _start(self) -> None:
        self._season: deque[float] = deque(maxlen=self.period)

    def _answer(self) -> float:
        if len(self._season) == self.period:
            return self._season[0]
        return self._season[-1] if self._season else 0.0

    def _update(self, y: float) -> None:
        self._season.append(y)

    def _run(self, y: NDArray[np.float64], usable: NDArray[np.bool_]) -> NDArray[np.float64]:
        labels = np.concatenate([[0.0], list(self._season), y[usable]])
        n_before = len(self._season) + _learned_before(usable)
        self._season.extend(y[usable][-self.period :].tolist())
        return labels[np.where(n_before >= self.period, n_before - self.period + 1, n_before)]


@dataclass(kw_only=True, eq=False)
class RunningMean(Baseline):
    """The mean of all labels so far as the prediction, with weights that may decay; 0.0 before the first one.

    ::

        s <- decay s + y
        n <- decay n + 1
        prediction = s / n

    Example:
        >>> RunningMean().learn_labels([3.0, 5.0, 5.0])
        array([0., 3., 4.])
    """

    decay: Annotated[
        float, Meta(gt=0, le=1, description="Factor on the weight of each label per event; 1 forgets nothing")
    ] = 1.0

    def _start(self) -> None:
        self._sum = self._weight = 0.0

    def _answer(self) -> float:
        return self._sum / self._weight if self._weight else 0.0

    def _update(self, y: float) -> None:
        self._sum = self.decay * self._sum + y
        self._weight = self.decay * self._weight + 1.0

    def _run(self, y: NDArray[np.float64], usable: NDArray[np.bool_]) -> NDArray[np.float64]:
        decay, total, weight = self.decay, self._sum, self._weight
        means = [self._answer()]
        # Floats in a loop take 0.1 µs an event, and round as one by one, which a closed form would not.
        for label in y[usable].tolist():
            total = decay * total + label
            weight = decay * weight + 1.0
            means.append(total / weight)
        self._sum, self._weight = total, weight
        return np.array(means)[_learned_before(usable)]


def _learned_before(usable: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the number of learned events before each."""
    return np.cumsum(usable) - usable
