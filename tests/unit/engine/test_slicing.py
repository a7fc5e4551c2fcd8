"""Messages handled in slices, and cut by a stop: the engine learns the same bits, and the effects are the same."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgedescent import LinearRegressor, MatrixFactorization
from edgedescent.assembly.rows import COUNTERS
from edgedescent.engine import assembling
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import DEAD_LETTERS_PER_MESSAGE_MAX, DeadLetter, Effect, Message, Predictions, tick
from edgedescent.engine.slicing import INTERVAL_S, LARGE_BYTES, SLICE_S, Slicer
from edgedescent.errors import StateError
from edgedescent.formats.json import PIECE_BYTES
from edgedescent.learners import Learner
from edgedescent.state import codec
from support.assembly import config_of
from support.engines import KINDS, an_engine, event, send
from support.slow_learner import make_slow
from support.state_folder import bits, payloads

BAD = [b"7", b'{"x": 3}', b'{"id": "u", "x": {"a": 1}, "y": 1e300}', b'{"x": {"a": tru}, "y": 1}', b'{"user": 1}']


def an_array(count: int, seed: int) -> bytes:
    """Array with events of every kind, bad ones and repeats among them."""
    rng = random.Random(seed)
    parts: list[bytes] = []
    for number in range(count):
        kind = rng.random()
        if kind < 0.2:
            parts.append(rng.choice(BAD))
        elif kind < 0.3 and parts:
            parts.append(rng.choice(parts))
        else:
            made: dict[str, Any] = event(number)
            if kind < 0.4:
                del made["y"]
            parts.append(json.dumps(made).encode())
    return b"[" + b",".join(parts) + b"]"


def flat(effects: list[Effect]) -> tuple[list[Any], list[DeadLetter]]:
    """Predictions, whatever messages they came in, and dead letters."""
    predictions: list[Any] = []
    letters: list[DeadLetter] = []
    for effect in effects:
        if isinstance(effect, Predictions):
            found = json.loads(effect.payload)
            predictions += found if isinstance(found, list) else [found]
        else:
            letters.append(effect)
    return predictions, letters


def cut(
    make: Callable[[], Engine], messages: list[Message], slices: Callable[[], int], stops: Callable[[], bool]
) -> tuple[Engine, list[Effect]]:
    """Handle messages in slices of some events, and stop and load the state at some of the cuts."""
    engine, effects = make(), []
    for message in messages:
        done = engine.begin(message, slices())
        while done is None:
            if stops():
                effects += engine.leave()
                state = codec.decode(codec.encode(engine.state_dict()))
                engine = make()
                engine.load_state_dict(state)
                assert engine.position == message.position - 1
                done = engine.begin(message, slices())
            else:
                done = engine.proceed(slices())
        effects += done
    return engine, effects


def numbered(bodies: list[bytes]) -> list[Message]:
    """Messages of which each third was sent before, under the same packet id, where that is so."""
    return [Message(i, 5.0, "pump/events", body, i % 7 + 1, i % 3 == 0) for i, body in enumerate(bodies, 1)]


@given(st.sampled_from(KINDS), st.integers(0, 1000), st.integers(1, 30), st.integers(0, 2), st.booleans())
def test_cut_anywhere_it_learns_the_same(kind: type[Learner], seed: int, most: int, stop: int, small: bool) -> None:
    bodies = payloads(20, takes=kind.input_kind, seed=seed)
    bodies += [an_array(60, seed), bodies[-1], an_array(150, seed + 1)]
    messages, rng = numbered(bodies), random.Random(seed)
    limits = {"dedup_window": 7} if small else {}

    def make() -> Engine:
        return an_engine(kind, **limits)

    whole = make()
    expected = [effect for message in messages for effect in whole.handle(message)]
    engine, effects = cut(make, messages, lambda: rng.randint(1, most), lambda: rng.random() < stop / 2)
    assert bits(engine) == bits(whole)
    assert flat(effects) == flat(expected)


def test_all_dead_letters_of_a_long_array_are_kept_and_counted_once() -> None:
    bad = DEAD_LETTERS_PER_MESSAGE_MAX + 30
    body = b"[" + b",".join([json.dumps(event(i)).encode() + b"," + BAD[i % len(BAD)] for i in range(bad)]) + b"]"
    assert len(body) > PIECE_BYTES / 2
    whole = an_engine()
    expected = whole.handle(Message(1, 0.0, "events", body))
    engine, effects = cut(an_engine, [Message(1, 0.0, "events", body)], lambda: 3, lambda: True)
    assert engine.counters == whole.counters
    assert engine.counters["dead_letters_unkept"] == 30
    assert flat(effects)[1] == flat(expected)[1]


@pytest.mark.parametrize("between", [b"7", b'{"x": 3}'])
def test_it_can_stop_between_pieces_without_a_usable_event(between: bytes) -> None:
    # Each piece of a long array is a slice of its own.
    body = b"[" + b",".join([between + b" " * 200] * 300 + [json.dumps(event(1)).encode()]) + b"]"
    whole = an_engine()
    expected = whole.handle(Message(1, 0.0, "events", body))
    engine, effects = cut(an_engine, [Message(1, 0.0, "events", body)], lambda: 1000, lambda: True)
    assert bits(engine) == bits(whole)
    assert flat(effects) == flat(expected)


def test_no_other_message_is_handled_before_the_end_of_one() -> None:
    engine = an_engine()
    body = json.dumps([event(1), event(2)]).encode()
    assert engine.begin(Message(1, 0.0, "events", body), 1) is None
    for position in (1, 2):
        with pytest.raises(ValueError, match="does not follow"):
            engine.begin(Message(position, 0.0, "events", body))
    assert engine.proceed() is not None
    with pytest.raises(ValueError, match="Nothing is left"):
        engine.proceed()


def test_a_message_that_is_lost_within_is_not_gone_on_with() -> None:
    engine = an_engine()
    engine.begin(Message(1, 0.0, "events", json.dumps([event(1), event(2)]).encode()), 1)
    engine.skip_to(1)
    assert engine.begun is None
    send(engine, json.dumps([event(3), event(4)]).encode())
    assert engine.counters["events_learned"] == 3


RECORDS = """
[inputs.meter]
topics = ["meter"]
records = true
fields = { power = "P" }
time = "t"
id = "s"
[inputs.room]
topics = ["room", "meter"]
records = true
fields = { temperature = "T" }
time = "t"
[assembly]
lateness_s = 20
held_max = 25
EMIT
[label]
input = "meter"
feature = "meter.power"
LABEL
[[derive]]
type = "Lag"
of = ["room.temperature"]
steps = [1, 2]
"""
OF_INPUTS = {name.partition("_")[0] for name in COUNTERS} - {"messages"}
RULES = {
    "forecast": ("", "horizon_s = 30"),
    "interval": ("every_s = 7", "horizon_s = 30"),
    "horizons": ("", "horizon_s = [7, 30]"),
    "nowcast": ("", ""),
    "late": ('emit = "room"', 'by = "time"\nttl_s = 60\nwaiting_max = 15'),
}


def an_assembling_engine(rule: str) -> Engine:
    emit, label = RULES[rule]
    return config_of(RECORDS.replace("EMIT", emit).replace("LABEL", label)).build_engine()


def records(seed: int) -> list[Message]:
    """Lists of readings in disorder, bad ones among them, then a long gap, and a tick behind all."""
    dice, messages, start = random.Random(seed), [], 1.7e9
    for position in range(1, 6):
        rows: list[Any] = []
        for _ in range(20):
            start += dice.choice((0.0, 1.0, 4.0))
            at = start - dice.uniform(0.0, 25.0)
            good = {"t": at, "P": dice.random(), "T": 20.0, "s": 1}
            rows.append(dice.choice((good, good, {"t": at, "P": None}, {"t": {}}, 7)))
        topic = dice.choice(("meter", "meter", "room"))
        messages.append(Message(position, start + 1, topic, json.dumps(rows).encode(), position % 3))
        start += 400.0 if position == 3 else 0.0
    return [*messages, tick(6, start + 100.0)]


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=8)
@given(seed=st.integers(0, 1000), most=st.integers(1, 30), stop=st.integers(0, 2))
def test_cut_anywhere_it_assembles_the_same(rule: str, seed: int, most: int, stop: int) -> None:
    messages, rng = records(seed), random.Random(seed)
    whole = an_assembling_engine(rule)
    expected = [effect for message in messages for effect in whole.handle(message)]
    with pytest.MonkeyPatch.context() as patch:
        # It may be left at each place.
        patch.setattr(assembling, "READINGS_PER_EVENT", 1)
        engine, effects = cut(
            lambda: an_assembling_engine(rule), messages, lambda: rng.randint(1, most), lambda: rng.random() < stop / 4
        )
    assert bits(engine) == bits(whole)
    assert flat(effects) == flat(expected)
    assert whole.counters["dead_letters.wrong_type"] > 0
    # All of them are declared.
    assert {name for name in whole.counters if name.partition("_")[0] in OF_INPUTS} <= {*COUNTERS}


def test_a_message_with_more_readings_than_are_taken_becomes_a_dead_letter() -> None:
    limits = "[limits]\nevents_per_message_max = 20\n"
    config = config_of(RECORDS.replace("EMIT", "").replace("LABEL", "") + limits)
    engine = config.build_engine()
    rows = [{"t": 1.7e9 + i, "P": 1.0} for i in range(21)]
    [letter] = engine.handle(Message(1, 1.7e9, "meter", json.dumps(rows[:21]).encode()))[:1]
    assert isinstance(letter, DeadLetter)
    assert (letter.reason, engine.counters["readings"]) == ("too_many_events", 0)
    engine.handle(Message(2, 1.7e9, "meter", json.dumps(rows[:20]).encode()))
    assert engine.counters["readings"] == 40
    # Other bounds hold at once.
    wider = msgspec.structs.replace(config.engine_settings(), events_per_message_max=21)
    engine.configure(**wider.options())
    engine.handle(Message(3, 1.7e9, "meter", json.dumps(rows).encode()))
    assert engine.counters["readings"] == 82


def test_a_message_with_many_readings_is_handled_in_short_slices() -> None:
    engine = an_assembling_engine("forecast")
    rows = [{"t": 1.7e9 + 60 * i, "P": 1.0} for i in range(9000)]
    messages = iter([Message(1, 1.7e9 + 1e6, "meter", json.dumps(rows).encode())])
    slicer, n_runs = Slicer(time.monotonic), 1
    while not slicer.run(engine, messages, lambda _message, _effects: True):
        n_runs += 1
    # Each ends after 40 ms, and this takes longer on any machine.
    assert n_runs > 3
    assert engine.counters["readings"] == 18_000


@pytest.mark.parametrize("saved", [[-1, 0, 0], [3, 2, 0], [3, 1, 101], [3, 1]])
def test_a_part_that_no_engine_saved_is_refused(saved: list[int]) -> None:
    engine = an_engine()
    state = engine.state_dict()
    state["message_done"] = state["message_done"].__class__((len(saved),), dtype="int64")
    state["message_done"][:] = saved
    with pytest.raises(StateError, match="does not fit"):
        an_engine().load_state_dict(state)


class MovedClock:
    """Clock that the events of an engine move, and the numbers of events of its slices."""

    def __init__(self, event_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.slices = make_slow(monkeypatch, event_s, self._move)

    def _move(self, seconds: float) -> None:
        self.now += seconds


def array(count: int) -> bytes:
    return json.dumps([{"x": {"a": 1}, "y": 1} for _ in range(count)]).encode()


def runs(slicer: Slicer, engine: Engine, messages: Iterator[Message], clock: MovedClock) -> list[float]:
    """Time of each run until all messages are handled."""
    times: list[float] = []
    while True:
        before = clock.now
        done = slicer.run(engine, messages, lambda _message, _effects: True)
        times.append(clock.now - before)
        if done:
            return times


@pytest.mark.parametrize("event_s", [1e-6, 1e-4, 0.002, 0.02])
def test_a_run_ends_in_time_whatever_an_event_takes(event_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = MovedClock(event_s, monkeypatch)
    messages = iter([Message(i, 0.0, "events", array(n)) for i, n in enumerate([1, 3, 2000, 1, 500], 1)])
    engine = an_engine()
    times = runs(Slicer(lambda: clock.now), engine, messages, clock)
    assert engine.counters["events_learned"] == 2505
    assert max(times) <= INTERVAL_S + max(2 * SLICE_S, event_s)


def test_many_small_messages_end_a_run_too(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = MovedClock(0.001, monkeypatch)
    messages = iter([Message(i, 0.0, "events", array(1)) for i in range(1, 301)])
    times = runs(Slicer(lambda: clock.now), an_engine(), messages, clock)
    assert max(times) <= INTERVAL_S + 0.002
    assert len(times) >= 6


def test_a_large_message_begins_with_one_event(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = MovedClock(1e-6, monkeypatch)
    slicer, engine = Slicer(lambda: clock.now), an_engine()
    runs(slicer, engine, iter([Message(1, 0.0, "events", array(900))]), clock)
    clock.slices.clear()
    assert len(array(1500)) > LARGE_BYTES
    runs(slicer, engine, iter([Message(2, 0.0, "events", array(1500))]), clock)
    assert clock.slices[0] == 1
    assert sum(clock.slices) == 1500


def test_the_pieces_of_a_long_message_make_no_slice_larger(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = MovedClock(1e-6, monkeypatch)
    slicer, engine = Slicer(lambda: clock.now), an_engine()
    body = b"[" + b",".join([json.dumps(event(1)).encode(), b"7", b" " * PIECE_BYTES + b"8"] * 100) + b"]"
    for position in (1, 2):
        runs(slicer, engine, iter([Message(position, 0.0, "events", body)]), clock)
    assert slicer._events_max < 100


def test_a_run_goes_on_where_a_pause_was_asked_for() -> None:
    engine, slicer = an_engine(), Slicer(lambda: 0.0)
    messages = iter([Message(i, 0.0, "events", array(1)) for i in range(1, 6)])
    assert not slicer.run(engine, messages, lambda message, _effects: message.position != 2)
    assert engine.position == 2
    assert slicer.run(engine, messages, lambda _message, _effects: True)
    assert engine.position == 5


def test_a_matrix_factorization_in_slices() -> None:
    body = json.dumps([{"user": i % 4, "item": i % 7, "y": i % 5} for i in range(50)]).encode()
    whole = an_engine(MatrixFactorization)
    whole.handle(Message(1, 0.0, "events", body))
    engine, _ = cut(lambda: an_engine(MatrixFactorization), [Message(1, 0.0, "events", body)], lambda: 7, lambda: True)
    assert bits(engine) == bits(whole)
    assert isinstance(an_engine(LinearRegressor).learner, LinearRegressor)
