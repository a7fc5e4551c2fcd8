"""Label join: events that are asked for wait for their labels, and are learned with them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

from edgedescent.assembly.baselines import Baselines
from edgedescent.assembly.inputs import Reading
from edgedescent.assembly.labels import LabelSpec, Question, Unusable, WaitingQuestions
from edgedescent.assembly.latest import LatestValues
from edgedescent.assembly.rows import Dropped, Row, Step


class LabelJoin:
    """Join of events with labels that come later: by id, by key or by time, or after a horizon.

    Args:
        label: The table of the label.
        age_max_s: Largest age of the value that answers a forecast.
        latest: Latest values of the features, from which the labels of forecasts are taken.

    Attributes:
        waiting: The questions that wait for their labels.
        baselines: Baselines of forecasts.
    """

    def __init__(self, label: LabelSpec, age_max_s: float, latest: LatestValues) -> None:
        self._label = label
        self._age_max_s = age_max_s
        self._latest = latest
        self.waiting = WaitingQuestions(label)
        self.baselines = Baselines(label.horizon_s or 0.0, label.season_s, age_max_s)

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
        by, horizon = self._label.by, self._label.horizon_s
        row = Row(time, x, None, name, key)
        if horizon is not None:
            row.time = time + horizon
            value = self._latest.value(self._label.feature, time, self._age_max_s)
            row.last_value = value if isinstance(value, float) else None
        yield row
        if math.isnan(row.prediction):
            return
        question = Question(time, x, row.prediction, name, None if horizon is None else row.time, key=key)
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
            yield Dropped(dropped, reason)

    def answer_forecast(self, counts: Counter[str]) -> Iterator[Step]:
        """Learn the first waiting forecast: its label is the value at its time."""
        question = self.waiting.take_due()
        due = question.time if question.due is None else question.due
        y = label_of(self._latest.value(self._label.feature, due, self._age_max_s), counts)
        if isinstance(y, Unusable):
            yield y
        elif y is None:
            yield Dropped(question, "the label is missing at its time")
        else:
            counts["labels_joined"] += 1
            self.baselines.score(question.baselines, question.prediction, y)
            yield Row(due, question.x, y, question.id, question.key, question.prediction)

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
            yield Row(found.time, found.x, y, found.id, found.key, found.prediction)
        elif found is not None:
            yield found

    def give_up(self, now: float, counts: Counter[str]) -> Iterator[Step]:
        """Give up the questions that have waited for too long."""
        for question, reason in self.waiting.expired(now, counts):
            yield Dropped(question, reason)

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


def label_of(value: float | str | None, counts: Counter[str]) -> float | Unusable | None:
    """Label from the value of its feature; None where it is missing, which is counted."""
    if value is None:
        counts["labels_missing"] += 1
        return None
    if isinstance(value, str):
        return Unusable("wrong_type", f"Expected a number as label, got {value!r:.80}.")
    return value
