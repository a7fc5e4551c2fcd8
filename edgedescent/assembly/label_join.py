"""Label join: events that are asked for wait for their labels, and are learned with them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import msgspec
import numpy as np

from edgedescent.assembly.baselines import Baselines
from edgedescent.assembly.inputs import Reading
from edgedescent.assembly.labels import LabelSpec, Question, Unusable, WaitingQuestions
from edgedescent.assembly.latest import LatestValues
from edgedescent.assembly.rows import Dropped, Row, Step
from edgedescent.assembly.settings import AssemblySettings


class LabelJoin:
    """Join of events with labels that come later: by id, by key or by time, or after one horizon.

    Args:
        label: The table of the label.
        horizon_s: Horizon of the forecasts; None where the label is none.
        mark: The horizon again where there are several, for the rows to say which model they are for; else None.
        age_max_s: Largest age of the value that answers a forecast.
        latest: Latest values of the features, from which the labels of forecasts are taken.

    Attributes:
        mark: The same.
        waiting: The questions that wait for their labels.
        baselines: Baselines of forecasts.
    """

    def __init__(
        self, label: LabelSpec, horizon_s: float | None, mark: float | None, age_max_s: float, latest: LatestValues
    ) -> None:
        self._label = label
        self._horizon_s = horizon_s
        self.mark = mark
        self._age_max_s = age_max_s
        self._latest = latest
        self.waiting = WaitingQuestions(label)
        self.baselines = Baselines(horizon_s or 0.0, label.season_s, age_max_s)

    def ask(
        self, time: float, x: dict[str, Any], name: str | int | None, key: str | None, counts: Counter[str]
    ) -> Iterator[Step]:
        """Make an event that is predicted, and let it wait for its label.

        Args:
            time: Time of the features.
            x: The features.
            name: Id of the event; None if it has none.
            key: Key by which its label may find it; None if it has none.
            counts: Counters, which are updated.
        """
        by, horizon = self._label.by, self._horizon_s
        n_before = len(self.waiting)
        row = Row(time, x, None, name, key, horizon_s=self.mark, n_before=n_before)
        if horizon is not None:
            row.time = time + horizon
            value = self._latest.value(self._label.feature, time, self._age_max_s)
            row.last_value = value if isinstance(value, float) else None
        yield row
        if math.isnan(row.prediction):
            return
        due = None if horizon is None else row.time
        question = Question(time, x, row.prediction, name, due, key=key, n_before=n_before)
        if horizon is not None:
            question.baselines = self.baselines.ask(time, row.last_value)
            counts["rows_forgotten"] += self.baselines.is_short
        found_by = {"id": name, "key": key}.get(by or "")
        if by in ("id", "key") and found_by is None:
            counts["questions_unnamed"] += 1
            yield Dropped(question, f"it has no {by}, so that no label can find it")
            return
        counts["questions"] += 1
        for dropped, reason in self.waiting.add(found_by, question, counts):
            yield Dropped(dropped, reason, self.mark)

    def answer_forecast(self, counts: Counter[str]) -> Iterator[Step]:
        """Learn the first waiting forecast: its label is the value at its time."""
        question = self.waiting.take_due()
        due = question.time if question.due is None else question.due
        y = label_of(self._latest.value(self._label.feature, due, self._age_max_s), counts)
        if isinstance(y, Unusable):
            yield y
        elif y is None:
            yield Dropped(question, "the label is missing at its time", self.mark, in_turn=True)
        else:
            counts["labels_joined"] += 1
            self.baselines.score(question.baselines, question.prediction, y)
            earlier, n_before = question.prediction, question.n_before
            yield Row(due, question.x, y, question.id, question.key, earlier, horizon_s=self.mark, n_before=n_before)

    def answer_late(self, reading: Reading, counts: Counter[str]) -> Iterator[Step]:
        """Learn the question that a late label answers."""
        label = self._label
        if label.feature not in reading.values:
            return
        y = label_of(reading.values[label.feature], counts)
        if isinstance(y, Unusable):
            yield y
        if y is None or isinstance(y, Unusable):
            return
        if label.by != "time":
            found = self.waiting.answer(reading.id if label.by == "id" else reading.key, y, counts)
        elif reading.about is not None:
            found = self.waiting.answer_as_of(reading.about, y, counts)
        else:
            counts["labels_unmatched"] += 1
            found = Unusable("no_question", "The label does not say which time it is about.")
        if isinstance(found, Question):
            yield Row(found.time, found.x, y, found.id, found.key, found.prediction, n_before=found.n_before)
        elif found is not None:
            yield found

    def give_up(self, now: float, counts: Counter[str]) -> Iterator[Step]:
        """Give up the questions that have waited for too long."""
        for question, reason in self.waiting.expired(now, counts):
            yield Dropped(question, reason)

    def metrics(self) -> dict[str, float | int]:
        """Numbers of what waits, and the errors of the forecasts beside those of the baselines."""
        return {
            "questions_waiting": len(self.waiting),
            "questions_waiting_bytes": self.waiting.bytes,
            **self.baselines.summary(),
        }

    def save(self) -> list[Any]:
        """The state as nested lists."""
        return [*self.waiting.save(), self.baselines.save()]

    def restore(
        self,
        number: int,
        waiting: list[tuple[str, Question]],
        answered: list[tuple[str, float]],
        times: list[float],
        baselines: tuple[list[float], list[tuple[float, float]]],
    ) -> None:
        """Continue with what `save` returned.

        Raises:
            ValueError: If a number of it is not finite, or the times are not those of the questions.
        """
        self.waiting.restore(number, waiting, answered, times)
        self.baselines.restore(*baselines)


class LabelJoins:
    """Label joins of an assembler: one for each horizon, or the only one. Each is as it would be alone.

    Args:
        settings: The settings, which were checked.
        latest: Latest values of the features.

    Attributes:
        joins: The joins in the order of their horizons.
        next_due: Function that returns the time of the label of the first waiting forecast; infinite if none waits.
    """

    next_due: Callable[[], float]

    def __init__(self, settings: AssemblySettings, latest: LatestValues) -> None:
        label = settings.label
        self.joins = [
            LabelJoin(label, horizon, mark, settings.label_age_max_s(horizon or 0.0), latest)
            for horizon, mark in zip(label.horizons, label.marks, strict=True)
        ]
        self._first, self._others = self.joins[0], self.joins[1:]
        # Not looked up again and again: it is asked for several times by each reading.
        self.next_due = self._least_due if self._others else self._first.waiting.next_due

    def _least_due(self) -> float:
        return min(join.waiting.next_due() for join in self.joins)

    @property
    def n_waiting(self) -> int:
        """Number of questions that wait for their labels."""
        return sum(len(join.waiting) for join in self.joins)

    def ask(
        self, time: float, x: dict[str, Any], name: str | int | None, key: str | None, counts: Counter[str]
    ) -> Iterator[Step]:
        """Make an event that is predicted for each horizon; arguments as `LabelJoin.ask`."""
        if not self._others:
            return self._first.ask(time, x, name, key, counts)
        return chain.from_iterable(join.ask(time, x, name, key, counts) for join in self.joins)

    def answer_forecast(self, counts: Counter[str]) -> Iterator[Step]:
        """Learn the first waiting forecast; of several at one time, that of the shortest horizon."""
        join = min(self.joins, key=lambda one: one.waiting.next_due()) if self._others else self._first
        return join.answer_forecast(counts)

    def answer_late(self, reading: Reading, counts: Counter[str]) -> Iterator[Step]:
        """Learn the question that a late label answers: it is no forecast, so that there is one join."""
        return self._first.answer_late(reading, counts)

    def give_up(self, now: float, counts: Counter[str]) -> Iterator[Step]:
        """Give up the questions that have waited for too long."""
        return self._first.give_up(now, counts)

    def metrics(self) -> dict[str, float | int]:
        """Numbers of what waits, and the errors of the forecasts, where there is one horizon."""
        if not self._others:
            return self._first.metrics()
        sizes = [join.waiting.bytes for join in self.joins]
        return {"questions_waiting": self.n_waiting, "questions_waiting_bytes": sum(sizes)}

    def metrics_by_horizon(self) -> dict[float, dict[str, float | int]]:
        """Metrics of each horizon, as `LabelJoin.metrics`; empty where there are not several."""
        return {join.mark: join.metrics() for join in self.joins if join.mark is not None}

    def save_others(self) -> dict[str, Any]:
        """State of the joins but the first, as named arrays; none where there is one."""
        if not self._others:
            return {}
        return {"horizons": np.frombuffer(_encode([join.save() for join in self._others]), dtype=np.uint8)}

    def restore_others(self, state: dict[str, Any]) -> None:
        """Restore what `save_others` returned.

        Raises:
            ValueError: If it belongs to other horizons, or is damaged.
        """
        if not self._others:
            return
        try:
            saved = _decode(state["horizons"].tobytes())
        except msgspec.DecodeError as error:
            raise ValueError(f"the state of the forecasts is damaged: {error}") from error
        if len(saved) != len(self._others):
            raise ValueError("The state of the forecasts belongs to other horizons.")
        for join, one in zip(self._others, saved, strict=True):
            join.restore(one.number, one.waiting, one.answered, one.times, one.baselines)


class _Saved(msgspec.Struct, array_like=True):
    """State of a label join."""

    number: int
    waiting: list[tuple[str, Question]]
    answered: list[tuple[str, float]]
    times: list[float]
    baselines: tuple[list[float], list[tuple[float, float]]]


_decode = msgspec.msgpack.Decoder(list[_Saved]).decode
_encode = msgspec.msgpack.Encoder().encode


def label_of(value: float | str | None, counts: Counter[str]) -> float | Unusable | None:
    """Label from the value of its feature; None where it is missing, which is counted."""
    if value is None:
        counts["labels_missing"] += 1
        return None
    if isinstance(value, str):
        return Unusable("wrong_type", f"Expected a number as label, got {value!r:.80}.")
    return value
