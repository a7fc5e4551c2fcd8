"""Progressive runs: the same predictions as the engine of the daemon gives for the same messages."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from edgedescent import FactorizationMachine, LinearRegressor, MatrixFactorization, MLPRegressor
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import Message, Predictions
from edgedescent.learners import Learner
from edgedescent_sims.drift import LabelDelayChange, SignFlip, TasteShift
from edgedescent_sims.faults import (
    DelayedMessages,
    DoubledMessages,
    LabelDelay,
    MissingLabels,
    MissingValues,
    Outage,
    PoisonedLabels,
    ReorderedMessages,
)
from edgedescent_sims.peers import LastValue
from edgedescent_sims.simulate.progressive import ProgressiveRun, Repeats
from edgedescent_sims.sources import LinearStream, SensorStream, Source, TasteStream
from edgedescent_sims.sources.batch import Batch


def faulty(source: Source) -> Source:
    """A stream with everything that makes the order of predictions and labels hard."""
    stream: Source = LabelDelay(source, delay=7, after=100, until=260)
    stream = DoubledMessages(stream, rate=0.1, seed=2)
    stream = ReorderedMessages(stream, window=5, seed=3, after=400)
    return MissingLabels(stream, rate=0.05, seed=4)


STREAMS: dict[str, tuple[Source, list[Learner]]] = {
    "numbers": (faulty(LinearStream(n_events=900, n_features=3)), [LinearRegressor(), MLPRegressor(replay_steps=2)]),
    "texts": (MissingValues(faulty(SensorStream(n_events=700)), rate=0.1), [LinearRegressor(), FactorizationMachine()]),
    "late": (
        DelayedMessages(LabelDelayChange(LinearStream(n_events=600), at=200, delay=30), rate=0.2, delay=9),
        [LinearRegressor()],
    ),
    "ratings": (
        PoisonedLabels(DoubledMessages(TasteShift(TasteStream(n_events=800), at=400), rate=0.1), rate=0.05),
        [MatrixFactorization()],
    ),
    "outage": (
        SignFlip(Outage(LinearStream(n_events=500), after=100, until=200, backfill=True), columns=("x0",), at=250),
        [LinearRegressor()],
    ),
}


def by_the_engine(stream: Source, learner: Learner) -> tuple[list[int], list[float]]:
    """Number and first answer of each event, from the engine that the daemon runs, one message an event."""
    # Some of these streams change one of two copies, which the engine would take for another event.
    engine = Engine(learner, reused_ids="drop")
    encode = msgspec.json.Encoder().encode
    numbers: list[int] = []
    answers: list[float] = []
    for position, event in enumerate(stream.events("e-"), start=1):
        number = int(event["id"].removeprefix("e-"))
        for effect in engine.handle(Message(position, 0.0, "events", encode(event))):
            assert isinstance(effect, Predictions), effect
            if number not in numbers:
                numbers.append(number)
                answers.append(msgspec.json.decode(effect.payload)["prediction"])
    return numbers, answers


@pytest.mark.parametrize(
    ("name", "learner"), [(name, learner) for name, (_, learners) in STREAMS.items() for learner in learners], ids=str
)
def test_the_engine_predicts_the_same(name: str, learner: Learner) -> None:
    stream = STREAMS[name][0]
    scored = list(ProgressiveRun(stream, learner.clone()))
    numbers, answers = by_the_engine(stream, learner.clone())
    assert np.concatenate([each.number for each in scored]).tolist() == numbers
    # To the last bit: what is rehearsed is what the device does.
    assert np.concatenate([each.prediction for each in scored]).tolist() == answers


def test_a_run_ends_at_the_event_that_it_is_told() -> None:
    stream = LinearStream(n_events=20_000)
    scored = list(ProgressiveRun(stream, LastValue(), last=5000))
    assert max(int(each.number.max()) for each in scored) < 5000 + 2 * 4096


def test_questions_and_repeats() -> None:
    def batch(numbers: list[int], y: list[float]) -> Batch:
        labels: NDArray[np.float64] = np.array(y)
        return Batch.of({"x": labels}, labels, number=np.array(numbers, dtype=np.int64))

    nan = float("nan")
    repeats = Repeats()
    steps: list[tuple[list[int], list[float], list[int], list[bool]]] = [
        ([1, 2, 3], [1.0, 1.0, 1.0], [1, 2, 3], [True] * 3),
        # 3 again is dropped; 4 is asked, then labelled: scored by the question alone.
        ([3, 4, 4, 5], [1.0, nan, 1.0, 1.0], [4, 4, 5], [True, False, True]),
        ([4, 6, 6], [1.0, nan, nan], [6, 6], [True, False]),
        # A question after its label is answered, but scored no second time.
        ([5, 7], [nan, 1.0], [5, 7], [False, True]),
        ([6, 1], [1.0, 1.0], [6], [False]),
    ]
    for numbers, y, kept, first in steps:
        rest, is_first = repeats.split(batch(numbers, y))
        assert rest.number.tolist() == kept
        assert is_first.tolist() == first


def test_the_time_of_the_model_is_measured() -> None:
    class Slow(LastValue):
        def learn_labels(self, y: Any) -> NDArray[np.float64]:
            import time

            time.sleep(0.01)
            return super().learn_labels(y)

    run = ProgressiveRun(LinearStream(n_events=100), Slow())
    assert sum(len(scored.number) for scored in run) == 100
    assert run.n_events == 100
    assert run.cost.summary()["us_per_event"] >= 100
