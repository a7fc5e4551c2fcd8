"""Late and missing labels of a learner that has lags of them: the engine tells it how old the last one is."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import pytest

from edgedescent import AutoRegressor
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import Message
from edgedescent.testing.support import bits
from support.assembly import config_of

LATE = """
learner = {type = "AutoRegressor", budget = "tiny"}
[inputs.asked]
topics = ["questions"]
id = "s"
fields = {x = "x"}
[inputs.told]
topics = ["answers"]
id = "s"
fields = {y = "y"}
[label]
input = "told"
feature = "told.y"
by = "id"
[assembly]
emit = "asked"
"""
FORECAST = """
learner = {type = "AutoRegressor", budget = "tiny"}
[inputs.meter]
topics = ["meter"]
fields = {power = "P", day = "D"}
time = "t"
[label]
input = "meter"
feature = "meter.power"
horizon_s = 30
max_age_s = 1
[assembly]
lateness_s = 0
"""
START = 1.7e9


def value(t: int) -> float:
    return 10.0 + 5.0 * math.sin(t / 3)


def handle(engine: Engine, messages: Sequence[tuple[str, dict[str, float | None]]]) -> None:
    for topic, payload in messages:
        position = engine.position + 1
        engine.handle(Message(position, START + 10.0 * position, topic, json.dumps(payload).encode()))


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_a_learner_is_told_how_many_events_wait(batch: int) -> None:
    engine, twin, waiting = config_of(LATE).build_engine(), AutoRegressor(budget="tiny"), list[tuple[int, int]]()
    for t in range(120):
        handle(engine, [("questions", {"s": t, "x": t % 5})])
        waiting.append((t, len(waiting)))
        # Labels come in batches, in order, each batch when as many more events wait.
        if len(waiting) == 2 * batch - 1:
            for asked, n_before in waiting[:batch]:
                handle(engine, [("answers", {"s": asked, "y": value(asked)})])
                twin.set_label_delay(n_before)
                twin.learn_one({"asked.x": float(asked % 5)}, value(asked))
            del waiting[:batch]
    assert twin.n_events > 100
    if waiting and waiting[-1][0] == 119:
        # Asked last, after the last label.
        twin.set_label_delay(waiting[-1][1])
    assert engine.metrics()["label_age_events"] == twin.counts()["label_age_events"]
    assert bits(engine.learner) == bits(twin)


def test_a_forecast_whose_label_is_missing_ages_the_lags() -> None:
    engine, twin = config_of(FORECAST).build_engine(), AutoRegressor(budget="tiny")
    gaps, asked = {40, 41, 60}, list[dict[str, float]]()
    for i in range(80):
        power = None if i in gaps else value(i)
        handle(engine, [("meter", {"t": START + 10.0 * (i + 1), "P": power, "D": i % 7})])
        if i >= 3:
            twin.set_label_delay(min(i - 3, 2))
            if power is None:
                twin.skip_one(asked[i - 3])
            else:
                twin.learn_one(asked[i - 3], power)
        asked.append(({} if power is None else {"meter.power": power}) | {"meter.day": float(i % 7)})
    assert engine.counters["labels_missing"] == len(gaps)
    twin.set_label_delay(2)
    assert bits(engine.learner) == bits(twin)
