"""What holds for every schedule of sensors: order within the lateness, no value from the future, restarts."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgedescent.assembly import Row
from support.assembly import Assembly, Sent, Step, bits, sent

LATENESS_S = 20.0
INPUTS = """
[inputs.a]
topics = ["a"]
fields = {v = "v"}
time = "t"
max_age_s = 40
[inputs.b]
topics = ["b"]
fields = {v = "v"}
time = "t"
[inputs.c]
topics = ["c/{n}"]
fields = {v = "v"}
time = "t"
max_age_s = 90
[assembly]
lateness_s = 20
"""
DERIVE = """
[[derive]]
type = "Lag"
of = ["a.v"]
steps = [1, 2]
[[derive]]
type = "Rolling"
of = ["a.v"]
statistics = ["min", "max"]
duration_s = 60
"""
LABEL = '[label]\ninput = "b"\nfeature = "b.v"\n'
KINDS = {
    "nowcast": INPUTS + LABEL + DERIVE,
    "forecast": INPUTS + LABEL + "horizon_s = 30\n" + DERIVE,
    "trigger": INPUTS + 'emit = "a"\n' + LABEL + "horizon_s = 30\n" + DERIVE,
    "interval": INPUTS + "every_s = 15\n" + LABEL + "horizon_s = 30\n" + DERIVE,
}


@st.composite
def schedules(draw: st.DrawFn) -> list[Sent]:
    """Messages in the order of their times, each with its time as its value; silences of some inputs among them."""
    time, messages = 1000.0, []
    for _ in range(draw(st.integers(5, 60))):
        time += draw(st.sampled_from([0.0, 1.0, 5.0, 15.0, 50.0, 200.0]))
        topic = draw(st.sampled_from(["a", "b", "c/1", "c/2"]))
        messages.append(sent(topic, 1e6, t=time, v=time))
    # A topic says one thing at one time.
    return list(dict.fromkeys(messages))


def time_of(message: Sent) -> float:
    return float(message.payload.split(b'"t": ')[1].split(b",")[0])


def told(steps: list[Step]) -> list[tuple[Any, ...]]:
    return [(s.time, s.x, s.y, s.id) if isinstance(s, Row) else (type(s).__name__, str(s)) for s in steps]


def disordered(messages: list[Sent], seed: int) -> list[Sent]:
    """Another order, in which no message comes behind one that is later by more than the lateness; some are doubled."""
    dice = random.Random(seed)
    delayed = [(time_of(message) + dice.uniform(0.0, LATENESS_S), message) for message in messages]
    delayed += [(at, message) for at, message in delayed if dice.random() < 0.1]
    return [message for _, message in sorted(delayed, key=lambda pair: pair[0])]


def end_of(messages: list[Sent]) -> Sent:
    """Message behind which nothing waits any more."""
    time = time_of(messages[-1]) + 300.0
    return sent("b", 1e6, t=time, v=time)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40)
@given(messages=schedules(), seed=st.integers(0, 1000))
def test_disorder_within_the_lateness_gives_what_order_gives(kind: str, messages: list[Sent], seed: int) -> None:
    end = end_of(messages)
    one, other = Assembly(KINDS[kind]), Assembly(KINDS[kind])
    expected = told(one.take(*messages, end))
    found = told(other.take(*disordered(messages, seed), end))
    assert other.counts["readings_late"] == 0
    assert found == expected


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20)
@given(messages=schedules(), seed=st.integers(0, 1000), place=st.floats(0, 1))
def test_a_clock_a_day_fast_makes_no_other_late(kind: str, messages: list[Sent], seed: int, place: float) -> None:
    toml = KINDS[kind].replace("lateness_s = 20\n", "lateness_s = 20\nahead_of_others_max_s = 1000\n")

    def fast(message: Sent) -> Sent:
        time = time_of(message)
        return sent("a", 1e6, t=time + 86_400.0, v=time) if message.topic == "a" else message

    in_order = sorted(map(fast, messages), key=time_of)
    last = time_of(in_order[-1]) + 300.0
    end = [sent(topic, 1e6, t=last, v=last) for topic in ("b", "c/1", "b")]
    one, other = Assembly(toml), Assembly(toml)
    expected = told(one.take(*in_order, *end))
    arriving = list(map(fast, disordered(messages, seed)))
    cut = int(place * len(arriving))
    found = told(other.take(*arriving[:cut]))
    other = other.restarted()
    found += told(other.take(*arriving[cut:], *end))
    assert other.counts["readings_late"] == 0
    assert found == expected


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40)
@given(messages=schedules(), seed=st.integers(0, 1000))
def test_no_feature_has_a_value_from_behind_its_event(kind: str, messages: list[Sent], seed: int) -> None:
    one = Assembly(KINDS[kind])
    horizon = one.settings.label.horizon_s or 0.0
    told_at: dict[str, list[float]] = {}
    for message in messages:
        name = message.topic.rpartition("/")[2]
        told_at.setdefault(f"{name}.v", []).append(time_of(message))
    ages = {"a.v": 40.0, "1.v": 90.0, "2.v": 90.0}
    end = end_of(messages)
    for step in one.take(*disordered(messages, seed), end):
        if not isinstance(step, Row):
            continue
        about = step.time - horizon
        for name, value in step.x.items():
            assert value <= about, name
            if name in told_at:
                # It is the newest one until then, and not too old.
                assert value == max(time for time in told_at[name] if time <= about)
                assert about - value <= ages.get(name, float("inf"))
        if step.y is not None:
            assert step.y == max(time for time in [*told_at.get("b.v", []), time_of(end)] if time <= step.time)
            assert step.time - step.y <= (15.0 if horizon else 0.0)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40)
@given(messages=schedules(), seed=st.integers(0, 1000), place=st.floats(0, 1))
def test_a_restart_changes_nothing(kind: str, messages: list[Sent], seed: int, place: float) -> None:
    messages = [*disordered(messages, seed), end_of(messages)]
    cut = int(place * len(messages))
    whole, first = Assembly(KINDS[kind]), Assembly(KINDS[kind])
    expected = told(whole.take(*messages))
    found = told(first.take(*messages[:cut]))
    second = first.restarted()
    assert found + told(second.take(*messages[cut:])) == expected
    assert bits(second.assembler) == bits(whole.assembler)
    assert second.counts == whole.counts
