"""Late labels: questions that wait for their labels, by id, by key or by time."""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Seconds = Annotated[float, Meta(gt=0, le=1e9)]
QUESTION_BYTES, FEATURE_BYTES = 400, 60
"""Memory that a question, and each of its features, is taken to need."""


class LabelSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``[label]``: what is predicted, and how a label finds the features that it belongs to."""

    input: str
    """Name of the input that has it."""
    feature: str
    """Its name among the features, such as ``kitchen.temperature``."""
    horizon_s: Annotated[float, Meta(gt=0, le=1e9)] | None = None
    """The label is the value that the feature has so much later: a forecast."""
    by: Literal["id", "key", "time"] | None = None
    """Key that joins a late label to its question: by the same id; by the same key, as the newest question; or by
    the time that it is about, as the newest question until then."""
    max_age_s: Seconds | None = None
    """Largest age of the value that answers a forecast; by default that of its input, or else half the horizon."""
    within_s: Seconds | None = None
    """Largest time from a question to the time that a label is about, where it is found by time."""
    waiting_max: Annotated[int, Meta(ge=1, le=10_000_000)] = 10_000
    """Number of questions that wait; beyond it the oldest are dropped."""
    waiting_bytes_max: Annotated[int, Meta(ge=1000, le=2**40)] = 33_554_432
    """Memory that they may take, at 400 bytes and 60 for each feature; beyond it the oldest are dropped."""
    ttl_s: Seconds = 604_800.0
    """Time after which a question without a label expires."""
    season_s: Seconds = 86_400.0
    """Season of a forecast's second baseline: the value one season before what is predicted."""


class Question(msgspec.Struct, array_like=True, gc=False):
    """Features as they were when a prediction was made, which wait for their label."""

    time: float
    """Time of the features."""
    x: dict[str, Any]
    prediction: float
    id: str | int | None = None
    due: float | None = None
    """Time whose value is the label, of a forecast."""
    baselines: tuple[float | None, float | None] = (None, None)
    """Forecasts of the baselines: the last value, and the value one season before."""


class Unusable(msgspec.Struct):
    """Label or question that is of no use: it becomes a dead letter."""

    reason: str
    error: str


class WaitingQuestions:
    """Questions in the order of their times, each under its id or key, or a number where it has none.

    At most one question waits under an id or key: a new one replaces it.

    Args:
        spec: The table of the label.

    Example:
        >>> waiting, counts = WaitingQuestions(LabelSpec(input="parts", feature="parts.ok", by="id")), Counter()
        >>> list(waiting.add("a", Question(0.0, {"temp": 20.0}, 0.7, "a"), counts))
        []
        >>> waiting.answer("a", 1.0, counts).x
        {'temp': 20.0}
        >>> waiting.answer("a", 1.0, counts), waiting.answer("b", 1.0, counts).reason
        (None, 'no_question')
        >>> dict(counts)
        {'labels_joined': 1, 'labels_repeated': 1, 'labels_unmatched': 1}
    """

    def __init__(self, spec: LabelSpec) -> None:
        self.spec = spec
        self._waiting: OrderedDict[str, Question] = OrderedDict()
        self._answered: OrderedDict[str, float] = OrderedDict()
        """Labels of the last questions that were answered, by id or key."""
        self._bytes = 0
        self._number = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def bytes(self) -> int:
        """Memory that the waiting questions are taken to need."""
        return self._bytes

    def add(self, name: str | int | None, question: Question, counts: Counter[str]) -> Iterator[tuple[Question, str]]:
        """Let a question wait; yields those that are dropped for it, with the reason.

        Args:
            name: Its id or key; None where it is found by time.
            question: The question.
            counts: Counters, which are updated.
        """
        self._number += 1
        key = f"#{self._number}" if name is None else _key(name)
        before = self._waiting.pop(key, None)
        if before is not None:
            self._bytes -= _size(before)
            counts["questions_replaced"] += 1
        self._answered.pop(key, None)
        self._waiting[key] = question
        self._bytes += _size(question)
        while len(self._waiting) > self.spec.waiting_max or self._bytes > self.spec.waiting_bytes_max:
            counts["questions_dropped"] += 1
            yield self._take_first(), "no room: too many questions wait for their labels"

    def expired(self, now: float, counts: Counter[str]) -> Iterator[tuple[Question, str]]:
        """Take out the questions whose time to live is over, with the reason.

        Args:
            now: Time of the stream.
            counts: Counters, which are updated.
        """
        while self._waiting and next(iter(self._waiting.values())).time < now - self.spec.ttl_s:
            counts["questions_expired"] += 1
            yield self._take_first(), f"no label came within {self.spec.ttl_s:g} s"

    @property
    def next_due(self) -> float:
        """Time of the label of the first waiting forecast; infinite if none waits."""
        first = next(iter(self._waiting.values()), None)
        return math.inf if first is None or first.due is None else first.due

    def take_due(self) -> Question:
        """Take out the first waiting forecast."""
        return self._take_first()

    def answer(self, name: str | int | None, y: float, counts: Counter[str]) -> Question | Unusable | None:
        """Take out the question that a label answers, by id or key.

        A second label that says the same is counted and ignored. One that says something else is too: the model has
        learned the first one.

        Returns:
            The question; what is wrong with the label; None for a repeat.
        """
        key = None if name is None else _key(name)
        question = None if key is None else self._waiting.pop(key, None)
        if key is not None and question is not None:
            self._bytes -= _size(question)
            self._answered[key] = y
            if len(self._answered) > self.spec.waiting_max:
                self._answered.popitem(last=False)
            counts["labels_joined"] += 1
            return question
        first = None if key is None else self._answered.get(key)
        if first is None:
            counts["labels_unmatched"] += 1
            return Unusable("no_question", f"No question waits for a label under {self.spec.by} {name!r:.80}.")
        if first == y:
            counts["labels_repeated"] += 1
            return None
        counts["labels_corrected"] += 1
        return Unusable(
            "second_label", f"The question under {self.spec.by} {name!r:.80} has learned the label {first!r} already."
        )

    def answer_as_of(self, about: float, y: float, counts: Counter[str]) -> Question | Unusable | None:
        """Take out the question that a label answers, by the time that it is about: the newest one until then.

        Returns:
            The question; what is wrong with the label; None for a repeat.
        """
        name, key = f"@{about!r}", None
        if _key(name) in self._answered:
            return self.answer(name, y, counts)
        for candidate, question in reversed(self._waiting.items()):
            if question.time <= about:
                within = self.spec.within_s is None or about - question.time <= self.spec.within_s
                key = candidate if within else None
                break
        if key is None:
            return self.answer(name, y, counts)
        question = self._waiting.pop(key)
        self._bytes -= _size(question)
        self._answered[_key(name)] = y
        if len(self._answered) > self.spec.waiting_max:
            self._answered.popitem(last=False)
        counts["labels_joined"] += 1
        return question

    def _take_first(self) -> Question:
        _, question = self._waiting.popitem(last=False)
        self._bytes -= _size(question)
        return question

    def save(self) -> list[Any]:
        """The state as nested lists."""
        return [self._number, list(self._waiting.items()), list(self._answered.items())]

    def restore(self, number: int, waiting: list[tuple[str, Question]], answered: list[tuple[str, float]]) -> None:
        """Continue with what `save` returned.

        Raises:
            ValueError: If a number of it is not finite.
        """
        numbers: list[float] = [value for _, q in waiting for value in (q.time, q.prediction, *_numbers(q.x))]
        numbers += [value for _, q in waiting for value in (q.due, *q.baselines) if value is not None]
        numbers += [y for _, y in answered]
        if not all(map(math.isfinite, numbers)):
            raise ValueError("A question that waits holds a number that is not finite.")
        self._number, self._waiting, self._answered = number, OrderedDict(waiting), OrderedDict(answered)
        self._bytes = sum(map(_size, self._waiting.values()))


def _numbers(x: dict[str, Any]) -> list[float]:
    return [value for value in x.values() if not isinstance(value, str)]


def _key(name: str | int) -> str:
    """Key of an id: a text and a number are never the same."""
    return f"i{name}" if isinstance(name, int) else f"s{name}"


def _size(question: Question) -> int:
    return QUESTION_BYTES + FEATURE_BYTES * len(question.x)
