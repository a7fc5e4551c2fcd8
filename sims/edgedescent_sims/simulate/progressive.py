"""Progressive run: each event of a stream is predicted, then learned, at memory speed."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedescent.evaluation import CostMeter
from edgedescent_sims.peers.baselines import Baseline
from edgedescent_sims.sources.base import Source
from edgedescent_sims.sources.batch import Batch

DEDUP_WINDOW = 65_536
"""Number of learned events that are remembered to recognize repeats: the default of the daemon."""

Model = Any
"""A learner or a peer: `predict_one`, `predict_learn_one`, and `learn_many` where it can do better."""


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Events of a batch that count in the scores, with their predictions: the first arrival of each event.

    Args:
        number: Number of each event.
        target: What the predictions are scored against.
        prediction: Prediction of each, before it was learned.
        optimum: Best prediction that was possible; NaN where it is unknown.
    """

    number: NDArray[np.int64]
    target: NDArray[np.float64]
    prediction: NDArray[np.float64]
    optimum: NDArray[np.float64]


class Repeats:
    """Memory of the events that arrived, by which repeats are dropped as the daemon drops them.

    A number is one event, whatever a copy says: a daemon with ``reused_ids = "drop"``. The default learns a copy that a
    fault behind the doubling has changed.

    An event whose labelled message was learned is dropped when it comes again, as long as it is among the latest
    `DEDUP_WINDOW`. An event that came as a question is scored by the answer to the question, not by the second
    prediction that its label causes.
    """

    def __init__(self) -> None:
        self._newest = 0
        self._learned: OrderedDict[int, None] = OrderedDict()
        self._asked: OrderedDict[int, None] = OrderedDict()
        # Learned numbers that no look-up has needed yet, in arrays; most streams never need one.
        self._latest: deque[NDArray[np.int64]] = deque()

    def split(self, batch: Batch) -> tuple[Batch, NDArray[np.bool_]]:
        """Events of a batch that are not repeats, and which of them arrive for the first time."""
        keep, first = self.masks(batch)
        return (batch, first) if keep.all() else (batch.take(keep), first[keep])

    def masks(self, batch: Batch) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Mark the events of a batch that are not repeats, and those of them that arrive for the first time."""
        number = batch.number
        in_order = len(number) == 0 or (number[0] > self._newest and bool((np.diff(number) > 0).all()))
        self._newest = max(self._newest, int(number.max(initial=0)))
        if in_order and not np.isnan(batch.y).any():
            self._latest.append(number)
            while sum(map(len, self._latest)) - len(self._latest[0]) >= DEDUP_WINDOW:
                self._latest.popleft()
            return np.ones(len(batch), dtype=bool), np.ones(len(batch), dtype=bool)
        while self._latest:
            for n in self._latest.popleft().tolist():
                self._note(self._learned, n)
        keep = np.ones(len(batch), dtype=bool)
        first = np.ones(len(batch), dtype=bool)
        for i, (n, is_question) in enumerate(zip(number.tolist(), np.isnan(batch.y).tolist(), strict=True)):
            learned = n in self._learned
            first[i] = not learned and n not in self._asked
            if is_question:
                self._note(self._asked, n)
            elif learned:
                keep[i] = False
            else:
                self._asked.pop(n, None)
                self._note(self._learned, n)
        return keep, first

    @staticmethod
    def _note(memory: OrderedDict[int, None], number: int) -> None:
        memory[number] = None
        if len(memory) > DEDUP_WINDOW:
            memory.popitem(last=False)


def predict_learn(model: Model, batch: Batch) -> NDArray[np.float64]:
    """Predict each event of a batch and learn those with a label, in order; returns the predictions.

    Rows of numbers go to the learner as arrays, which gives the same bits as one event at a time.
    """
    question = np.isnan(batch.y)
    if not question.any():
        return _learn(model, batch)
    predictions = np.empty(len(batch))
    edges = np.flatnonzero(np.diff(question)) + 1
    for start, end in zip([0, *edges.tolist()], [*edges.tolist(), len(batch)], strict=True):
        part = batch.take(slice(start, end))
        predictions[start:end] = _predict(model, part) if question[start] else _learn(model, part)
    return predictions


def _learn(model: Model, batch: Batch) -> NDArray[np.float64]:
    if isinstance(model, Baseline):
        return model.learn_labels(batch.y)
    learn_many = getattr(model, "learn_many", None)
    if is_ratings(batch):
        users, items = (batch.columns[name].tolist() for name in ("user", "item"))
        if learn_many is not None:
            return np.asarray(learn_many(users, items, batch.y), dtype=np.float64)
        step = model.predict_learn_one
        return np.array([step(u, i, y) for u, i, y in zip(users, items, batch.y.tolist(), strict=True)])
    if learn_many is not None and (matrix := batch.matrix()) is not None:
        return np.asarray(learn_many(matrix, batch.y, names=list(batch.columns)), dtype=np.float64)
    step = model.predict_learn_one
    return np.array([step(x, y) for x, y in zip(batch.features(), batch.y.tolist(), strict=True)])


def _predict(model: Model, batch: Batch) -> NDArray[np.float64]:
    if is_ratings(batch):
        users, items = (batch.columns[name].tolist() for name in ("user", "item"))
        return np.array([model.predict_one(user, item) for user, item in zip(users, items, strict=True)])
    return np.array([model.predict_one(x) for x in batch.features()])


def is_ratings(batch: Batch) -> bool:
    """True if the events are those of users and items."""
    return tuple(batch.columns) == ("user", "item")


Learn = Callable[[Model, Batch], NDArray[np.float64]]


class ProgressiveRun:
    """Run of one model over a stream; iterating it yields the scored events batch by batch.

    Args:
        stream: Events.
        model: A fresh learner or peer.
        learn: Predicts and learns a batch; returns the predictions.
        last: Number of the event at which the run ends; the end of the stream if None.

    Attributes:
        n_events: Number of events that were handed to the model so far.
        cost: Time and memory that the model took so far.
    """

    def __init__(self, stream: Source, model: Model, *, learn: Learn = predict_learn, last: int | None = None) -> None:
        self.stream = stream
        self.model = model
        self.n_events = 0
        self.cost = CostMeter()
        self._learn = learn
        self._last = last

    def __iter__(self) -> Iterator[Scored]:
        repeats = Repeats()
        for arrived in self.stream.batches():
            batch, first = repeats.split(arrived)
            if self._last is not None and len(batch) and batch.number.min() > self._last:
                return
            with self.cost.timed(len(batch)):
                predictions = self._learn(self.model, batch)
            self.n_events += len(batch)
            if first.all():
                yield Scored(batch.number, batch.target, predictions, batch.optimum)
            else:
                yield Scored(batch.number[first], batch.target[first], predictions[first], batch.optimum[first])
