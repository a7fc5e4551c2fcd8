"""The bound on events a second, one for each source."""

from __future__ import annotations

import json

from edgedescent import LinearRegressor, MatrixFactorization
from edgedescent.engine.rate_limit import SOURCES_MAX
from edgedescent.learners import Learner
from support.engines import an_engine, answers, event, send

KINDS: list[type[Learner]] = [LinearRegressor, MatrixFactorization]


def test_more_events_a_second_than_allowed_are_counted_and_left_alone() -> None:
    engine = an_engine(events_per_second_max=3)
    for number in range(5):
        send(engine, json.dumps(event(number)).encode(), at_s=10.0)
    assert (engine.counters["events_learned"], engine.counters["rate_limited"]) == (3, 2)
    # Another source has a bound of its own.
    send(engine, json.dumps(event(10)).encode(), at_s=10.0, topic="other")
    assert engine.counters["events_learned"] == 4
    # The clock was set back: nothing is refilled until it goes on from there.
    send(engine, json.dumps(event(11)).encode(), at_s=5.0)
    assert engine.counters["rate_limited"] == 3
    send(engine, json.dumps(event(12)).encode(), at_s=5.5)
    assert engine.counters["events_learned"] == 5
    many = json.dumps([event(number) for number in range(20, 30)]).encode()
    assert len(answers(send(engine, many, at_s=100.0))) == 3
    # What cannot be used counts too: decoding it takes as long.
    assert send(engine, b"garbage", at_s=100.0) == []
    assert "dead_letters" not in engine.counters


def test_the_rate_is_a_part_of_the_state_and_can_be_changed() -> None:
    engine = an_engine(events_per_second_max=2)
    for number in range(2):
        send(engine, json.dumps(event(number)).encode(), at_s=10.0)
    for limit, learned in ((2, 0), (None, 1), (100, 0)):
        after = an_engine(events_per_second_max=limit)
        after.load_state_dict(engine.state_dict())
        send(after, json.dumps(event(9)).encode(), at_s=10.0)
        assert after.counters["events_learned"] == 2 + learned


def test_the_sources_that_are_told_apart_are_bounded() -> None:
    engine = an_engine(events_per_second_max=1)
    for number in range(SOURCES_MAX + 10):
        send(engine, json.dumps(event(number)).encode(), at_s=10.0, topic=f"t{number}")
    assert len(engine.state_dict()["sources"]) == SOURCES_MAX
    # The one that was silent for longest is forgotten.
    assert "t9" not in engine.state_dict()["sources"]
    assert "t10" in engine.state_dict()["sources"]
