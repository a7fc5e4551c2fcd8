"""Late labels: questions that wait for their labels, by id, by key or by time."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter, OrderedDict
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Seconds = Annotated[float, Meta(gt=0, le=1e9)]
HORIZONS_MAX = 16
"""Bound on the horizons of a label: each has a model in memory."""
TIMES_FACTOR = 2
"""Bound on the times of questions that are kept, by the number that may wait."""
QUESTION_BYTES, FEATURE_BYTES = 400, 60
"""Memory that a question, and each of its features, is taken to need."""


class LabelSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``[label]``: what is predicted, and how a label finds the features that it belongs to."""

    input: str
    """Name of the input that has it."""
    feature: str
    """Its name among the features, such as ``kitchen.temperature``."""
    horizon_s: Seconds | Annotated[tuple[Seconds, ...], Meta(min_length=1, max_length=HORIZONS_MAX)] | None = None
    """The label is the value that the feature has so much later: a forecast. Of a list of at most 16 horizons, in
    order, each is forecast by a model of its own."""
    by: Literal["id", "key", "time"] | None = None
    """Key that joins a late label to its question: by the same id; by the same key, as the newest question; or by
    the time that it is about, as the newest question until then."""
    max_age_s: Seconds | None = None
    """Largest age of the value that answers a forecast; by default that of its input, or else half the horizon."""
    within_s: Seconds | None = None
    """Largest time from a question to the time that a label is about, where it is found by time."""
    waiting_max: Annotated[int, Meta(ge=1, le=10_000_000)] = 10_000
    """Number of questions that wait, of each horizon; beyond it the oldest are dropped."""
    waiting_bytes_max: Annotated[int, Meta(ge=1000, le=2**40)] = 33_554_432
    """Memory that these may take, at 400 bytes and 60 for each feature; beyond it the oldest are dropped."""
    ttl_s: Seconds = 604_800.0
    """Time after which a question without a label expires."""
    season_s: Seconds = 86_400.0
    """Season of a forecast's second baseline: the value one season before what is predicted."""

    def __post_init__(self) -> None:
        if isinstance(self.horizon_s, tuple) and len(self.horizon_s) == 1:
            # The same settings, however they are written.
            msgspec.structs.force_setattr(self, "horizon_s", self.horizon_s[0])

    @property
    def horizons(self) -> tuple[float | None, ...]:
        """Horizon of each model; None alone for a label that is no forecast."""
        return self.horizon_s if isinstance(self.horizon_s, tuple) else (self.horizon_s,)

    @property
    def comes_later(self) -> bool:
        """True if an event is predicted before its label is there, and learned when it comes."""
        return self.horizon_s is not None or self.by is not None

    @property
    def marks(self) -> tuple[float | None, ...]:
        """Mark of the rows and answers of each model: its horizon; None for the only model."""
        return self.horizons if len(self.horizons) > 1 else (None,)


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
    key: str | None = None
    n_before: int = 0
    """Number of questions that waited when it was asked."""


class Unusable(msgspec.Struct):
    """Label or question that is of no use: it becomes a dead letter."""

    reason: str
    error: str


class WaitingQuestions:
    """Questions in the order of their times, each under its id or key, or a number where it has none.

    At most one question waits under an id or key: a new one replaces it. Where labels are found by time, the times of
    the questions from the oldest that waits are kept, also of those that wait no more: a label is about the newest
    question until its time, or none. They are at most `TIMES_FACTOR` times as many as questions may wait; beyond that
    the oldest question is dropped.

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
        self._times: list[float] = []
        """Times of the last questions, in order, where labels are found by time."""
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
        key = _numbered(self._number) if name is None else _key(name)
        if self.spec.by == "time":
            self._times.append(question.time)
        before = self._waiting.pop(key, None)
        if before is not None:
            self._bytes -= _size(before)
            counts["questions_replaced"] += 1
        self._answered.pop(key, None)
        self._waiting[key] = question
        self._bytes += _size(question)
        while (
            len(self._waiting) > self.spec.waiting_max
            or self._bytes > self.spec.waiting_bytes_max
            or len(self._times) > TIMES_FACTOR * self.spec.waiting_max
        ):
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

    def next_due(self) -> float:
        """Time of the label of the first waiting forecast; infinite if none waits."""
        if self.spec.horizon_s is None or not self._waiting:
            return math.inf
        first = next(iter(self._waiting.values()))
        return math.inf if first.due is None else first.due

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
        """Take out the question that a label answers by its time: the newest one until then, if that still waits.

        Returns:
            The question; what is wrong with the label; None for a repeat.
        """
        name, key = f"@{about!r}", None
        if _key(name) in self._answered:
            return self.answer(name, y, counts)
        place = bisect_right(self._times, about) - 1
        if place >= 0 and (self.spec.within_s is None or about - self._times[place] <= self.spec.within_s):
            key = _numbered(self._number - len(self._times) + 1 + place)
        question = None if key is None else self._waiting.pop(key, None)
        if question is None:
            return self.answer(name, y, counts)
        self._forget_times()
        self._bytes -= _size(question)
        self._answered[_key(name)] = y
        if len(self._answered) > self.spec.waiting_max:
            self._answered.popitem(last=False)
        counts["labels_joined"] += 1
        return question

    def _take_first(self) -> Question:
        _, question = self._waiting.popitem(last=False)
        self._forget_times()
        self._bytes -= _size(question)
        return question

    def _forget_times(self) -> None:
        """Forget the times before that of the oldest question that waits: no label can be about them."""
        first = next(iter(self._waiting), None)
        if self._times:
            n_kept = 0 if first is None else self._number - int(first.removeprefix("#")) + 1
            del self._times[: len(self._times) - n_kept]

    def save(self) -> list[Any]:
        """The state as nested lists."""
        return [self._number, list(self._waiting.items()), list(self._answered.items()), list(self._times)]

    def restore(
        self,
        number: int,
        waiting: list[tuple[str, Question]],
        answered: list[tuple[str, float]],
        times: list[float],
    ) -> None:
        """Continue with what `save` returned.

        Raises:
            ValueError: If a number of it is not finite, or the times are not those of the questions.
        """
        numbers: list[float] = [value for _, q in waiting for value in (q.time, q.prediction, *_numbers(q.x))]
        numbers += [value for _, q in waiting for value in (q.due, *q.baselines) if value is not None]
        numbers += [*(y for _, y in answered), *times]
        if not all(map(math.isfinite, numbers)):
            raise ValueError("A question that waits holds a number that is not finite.")
        names = {_numbered(number - i): time for i, time in enumerate(reversed(times))}
        if any(later < earlier for earlier, later in pairwise(times)) or (
            self.spec.by == "time" and any(names.get(key) != question.time for key, question in waiting)
        ):
            raise ValueError("The times of the questions do not fit those that wait.")
        self._times = list(times)
        self._number, self._waiting, self._answered = number, OrderedDict(waiting), OrderedDict(answered)
        self._bytes = sum(map(_size, self._waiting.values()))


def _numbers(x: dict[str, Any]) -> list[float]:
    return [value for value in x.values() if not isinstance(value, str)]


def _numbered(number: int) -> str:
    """Key of a question that has no id or key of its own."""
    return f"#{number}"


def _key(name: str | int) -> str:
    """Key of an id: a text and a number are never the same."""
    return f"i{name}" if isinstance(name, int) else f"s{name}"


def _size(question: Question) -> int:
    return QUESTION_BYTES + FEATURE_BYTES * len(question.x)
