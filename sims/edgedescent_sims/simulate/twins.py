"""Twins: learners that only ever saw one regime, against which recovery from a drift is scored."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgedescent_sims.drift import Drift, MarkedDrift
from edgedescent_sims.scenarios.scenario import Scenario, rebuilt
from edgedescent_sims.simulate.progressive import Learn, Model, ProgressiveRun, Scored, predict_learn
from edgedescent_sims.sources.base import Mark, Source, Transform
from edgedescent_sims.sources.batch import Batch


@dataclass(frozen=True)
class Change:
    """A drift of a scenario at which recovery is scored.

    Args:
        index: Index of its mark in the scenario's marks.
        mark: The mark.
        last: Number of the last event in which recovery is scored: the horizon, the next drift or the end.
        is_marked: True for a drift that was marked by hand: no stream of the new regime alone exists before it.
    """

    index: int
    mark: Mark
    last: int
    is_marked: bool


def changes(scenario: Scenario) -> list[Change]:
    """Drifts of a scenario at which recovery is scored, in order.

    There is none from a drift that holds from the first event on, nor from one that the next drift follows before a
    window of events is over, such as the start of a short blip.
    """
    marks = scenario.marks()
    by_hand = {
        (mark.label, mark.start)
        for transform in scenario.transforms()
        if isinstance(transform, MarkedDrift)
        for mark in transform.marks()
    }
    length = scenario.stream.length()
    drifts = [(index, mark) for index, mark in enumerate(marks) if mark.kind == "drift" and mark.start > 0]
    found = []
    for place, (index, mark) in enumerate(drifts):
        ends = [mark.start + scenario.horizon]
        following = [later.start for _, later in drifts[place + 1 :] if later.start > mark.start][:1]
        if following and following[0] - mark.start < scenario.window:
            continue
        ends += following
        if length is not None:
            ends.append(length)
        found.append(Change(index, mark, min(ends), (mark.label, mark.start) in by_hand))
    return found


def new_regime(scenario: Scenario, change: Change) -> Source:
    """The stream of the scenario if the regime after a drift had held from the first event on.

    Of a drift that was marked by hand, the part of the stream after it.
    """
    if change.is_marked:
        return EventsAfter(scenario.stream, number=change.mark.start)
    return _frozen(scenario.stream, change.mark)


def old_regime(scenario: Scenario, change: Change) -> Source:
    """The stream of the scenario if the regime before a drift had gone on."""
    before = dataclasses.replace(change.mark, end=change.mark.start - 1)
    return _frozen(scenario.stream, before)


def _frozen(stream: Source, mark: Mark) -> Source:
    def copy(transform: Transform, below: Source) -> Source:
        return transform.frozen_after(mark, below) if isinstance(transform, Drift) else transform.around(below)

    return rebuilt(stream, copy)


class Errors:
    """Targets and predictions of the scored events with numbers in (`first`, `last`], by number.

    Args:
        first: Number of the last event before them.
        last: Number of the last of them.
    """

    def __init__(self, first: int, last: int) -> None:
        self.first = first
        self.last = last
        self._parts: list[tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]] = []
        self._joined: tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]] | None = None

    def update(self, scored: Scored) -> None:
        """Add the events of a batch."""
        inside = (scored.number > self.first) & (scored.number <= self.last) & np.isfinite(scored.target)
        if inside.any():
            self._parts.append((scored.number[inside], scored.target[inside], scored.prediction[inside]))
            self._joined = None

    def _sorted(self) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        if self._joined is None:
            empty = (np.empty(0, dtype=np.int64), np.empty(0), np.empty(0))
            number, target, prediction = (np.concatenate(parts) for parts in zip(empty, *self._parts, strict=True))
            order = np.argsort(number, kind="stable")
            self._joined = number[order], target[order], prediction[order]
        return self._joined

    @property
    def number(self) -> NDArray[np.int64]:
        """Numbers of the events, ascending."""
        return self._sorted()[0]

    def absolute_of(self, number: NDArray[np.int64]) -> NDArray[np.float64]:
        """Absolute errors of the events with these numbers, all of which must be there."""
        own, target, prediction = self._sorted()
        places = np.searchsorted(own, number)
        errors: NDArray[np.float64] = np.abs(target[places] - prediction[places])
        return errors

    def target_of(self, number: NDArray[np.int64]) -> NDArray[np.float64]:
        """Targets of the events with these numbers, all of which must be there."""
        own, target, _ = self._sorted()
        return target[np.searchsorted(own, number)]


def errors_between(stream: Source, model: Model, first: int, last: int, learn: Learn = predict_learn) -> Errors:
    """Errors of a progressive run in the events with numbers in (`first`, `last`]."""
    errors = Errors(first, last)
    for scored in ProgressiveRun(stream, model, learn=learn, last=last):
        errors.update(scored)
    return errors


def common_numbers(numbers: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Numbers that are in all of the ascending arrays."""
    return functools.reduce(lambda left, right: np.intersect1d(left, right, assume_unique=True), numbers)


@dataclass(kw_only=True, eq=False)
class EventsAfter(Transform):
    """Part of a stream behind one of its events."""

    number: int = 0

    def marks(self) -> list[Mark]:
        """No mark: it changes nothing."""
        return []

    def batches(self) -> Iterator[Batch]:
        """Yield the events with numbers above `number`."""
        for batch in self.source.batches():
            behind = batch.number > self.number
            if behind.all():
                yield batch
            elif behind.any():
                yield batch.take(behind)
