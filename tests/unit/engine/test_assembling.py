"""Inputs in the engine: events from many topics are predicted, learned, scored and recovered like any others."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgedescent.engine.core import Engine
from edgedescent.engine.messages import DeadLetter, Effect, Message, Predictions, tick
from edgedescent.engine.settings import EngineSettings
from edgedescent.state import codec
from edgedescent.state.assembled import AssembledEvents
from support.assembly import config_of

HOME = """
[inputs.climate]
topics = ["zigbee2mqtt/{room}"]
exclude = ["zigbee2mqtt/bridge"]
[inputs.meter]
topics = ["tele/meter/SENSOR"]
time = "Time"
fields = {power = "ENERGY.Power"}
[label]
input = "meter"
feature = "meter.power"
horizon_s = 60
[assembly]
lateness_s = 5
[[derive]]
type = "Lag"
of = ["meter.power"]
steps = [1, 2]
"""
LATE = """
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
START = 1_767_607_200.0


def recording(n: int, seed: int = 0) -> list[Message]:
    """A small home: a meter every minute, and rooms at random moments, with doubles, disorder and damage."""
    dice, messages = random.Random(seed), []
    for i in range(n):
        at = START + 60.0 * i
        power = json.dumps({"Time": at, "ENERGY": {"Power": 100 + 50 * math.sin(i / 9)}}).encode()
        rooms = [
            (f"zigbee2mqtt/{room}", json.dumps({"temperature": dice.gauss(21, 2), "state": "ON"}).encode())
            for room in ("kitchen", "hall", "bridge")
        ]
        sent = [("tele/meter/SENSOR", power), *rooms, ("other", b"1"), ("zigbee2mqtt/hall", b"oops")]
        dice.shuffle(sent)
        messages += [(at + place, topic, payload, 0) for place, (topic, payload) in enumerate(sent)]
        if i % 7 == 0:
            messages.append((at + 10.0, "", b"", 0))
    return [
        tick(position, at) if not topic else Message(position, at, topic, payload, packet_id)
        for position, (at, topic, payload, packet_id) in enumerate(messages, start=1)
    ]


def an_engine(toml: str = HOME) -> Engine:
    return config_of(toml).build_engine()


def handled(engine: Engine, messages: list[Message]) -> list[Effect]:
    return [effect for message in messages for effect in engine.handle(message)]


def answers(effects: list[Effect]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for effect in effects:
        if isinstance(effect, Predictions):
            one = json.loads(effect.payload)
            found += one if isinstance(one, list) else [one]
    return found


def test_predictions_carry_the_time_they_are_about_and_are_scored_when_the_truth_comes() -> None:
    engine, messages = an_engine(), recording(48)
    said = answers(handled(engine, messages))
    asked = {one["time"]: one["prediction"] for one in said if "y" not in one}
    true = {one["time"]: one for one in said if "y" in one}
    assert len(asked) == 47
    assert sorted(asked) == [START + 60.0 * (i + 1) for i in range(47)]
    assert len(true) == engine.counters["events_learned"] == 46
    for time, one in true.items():
        assert one["prediction"] == asked[time]
        assert one["y"] == 100 + 50 * math.sin((time - START) / 60.0 / 9)
    errors = [abs(one["y"] - one["prediction"]) for _, one in sorted(true.items())][1:]
    assert engine.metrics()["mae"] == pytest.approx(sum(errors) / len(errors), rel=1e-12)
    assert engine.counters["dead_letters.malformed"] == 48
    assert engine.counters["messages_ignored"] == 96
    metrics = engine.metrics()
    assert metrics["forecast_mae_last_value"] == pytest.approx(
        sum(abs(true[t]["y"] - (100 + 50 * math.sin(((t - START) / 60.0 - 1) / 9))) for t in true) / len(true)
    )


def test_it_learns_what_an_engine_of_whole_events_learns() -> None:
    config, messages = config_of(HOME), recording(60)
    engine = an_engine()
    handled(engine, messages)
    rows = [row for row in AssembledEvents(config.engine_settings(), messages) if row.y is not None]
    plain = config.build_learner()
    for row in rows:
        plain.learn_one(row.x, row.y)  # type: ignore[call-arg]
    state, other = engine.learner.state_dict(), plain.state_dict()
    assert all(codec.encode({"a": state[name]}) == codec.encode({"a": other[name]}) for name in state)
    assert len(rows) == engine.counters["events_learned"] > 50
    assert set(rows[-1].x) == {
        *("hall.temperature", "hall.state", "kitchen.temperature", "kitchen.state"),
        *("meter.power", "meter.power.lag1", "meter.power.lag2"),
    }


@pytest.mark.parametrize("cut", [0, 3, 57, 200, 331])
def test_a_restored_engine_goes_on_with_the_same_bits(cut: int) -> None:
    messages = recording(60, seed=4)
    whole, first = an_engine(), an_engine()
    expected = handled(whole, messages)
    found = handled(first, messages[:cut])
    second = an_engine()
    second.load_state_dict(codec.decode(codec.encode(first.state_dict())))
    assert found + handled(second, messages[cut:]) == expected
    assert codec.encode(second.state_dict()) == codec.encode(whole.state_dict())


def test_a_message_that_is_sent_again_is_not_used_twice() -> None:
    engine = an_engine()
    payload = b'{"Time": 1767607200, "ENERGY": {"Power": 5}}'
    for position, again in ((1, False), (2, True)):
        engine.handle(Message(position, START, "tele/meter/SENSOR", payload, 7, again))
    assert engine.counters["readings"] == 1
    assert engine.counters["duplicates.redelivered"] == 1


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b'{"Time": 1' + 400 * b"0" + b', "ENERGY": {"Power": 5}}', "malformed"),
        (b'{"Time": "0001-01-01T00:00:00Z", "ENERGY": {"Power": 5}}', "wrong_type"),
        (b'{"Time": -70000000000, "ENERGY": {"Power": 5}}', "wrong_type"),
        (b" " * 3_000_000 + b'{"Time": 1767607200, "ENERGY": {"Power": 5}}', "too_large"),
        (b'{"Time": ' + 5000 * b"9" + b"}", "out_of_range"),
    ],
)
def test_a_payload_that_no_number_or_time_can_hold_becomes_a_dead_letter(payload: bytes, reason: str) -> None:
    engine = an_engine()
    (letter,) = engine.handle(Message(1, START, "tele/meter/SENSOR", payload, 0))
    assert isinstance(letter, DeadLetter)
    assert letter.reason == reason
    engine.handle(Message(2, START, "tele/meter/SENSOR", b'{"ENERGY": {"Power": 5}}', 0))
    assert (engine.counters["readings"], engine.counters["dead_letters"]) == (1, 1)


def test_equal_events_with_one_id_are_all_learned() -> None:
    engine = an_engine(HOME.replace('time = "Time"', 'time = "Time"\nid = "id"'))
    for position in range(1, 21):
        payload = json.dumps({"Time": START + 60 * position, "id": 0, "ENERGY": {"Power": position % 3}}).encode()
        engine.handle(Message(position, START + 60 * position, "tele/meter/SENSOR", payload, 0))
    assert engine.counters["events_learned"] == engine.counters["labels_joined"] > 15


@pytest.mark.parametrize("number", ["1e30", "1000000000000000019884624838656", "-9223372036854775809"])
def test_a_state_holds_ids_beyond_64_bits(number: str) -> None:
    engine = an_engine(LATE)
    engine.handle(Message(1, START, "questions", b'{"s": ' + number.encode() + b', "x": 1}', 0))
    again = an_engine(LATE)
    again.load_state_dict(codec.decode(codec.encode(engine.state_dict())))
    again.handle(Message(2, START + 1, "answers", b'{"s": ' + number.encode() + b', "y": 2}', 0))
    assert again.counters["events_learned"] == 1


def test_a_late_message_becomes_a_dead_letter() -> None:
    engine = an_engine()
    for position, time in enumerate((START + 100, START), start=1):
        payload = json.dumps({"Time": time, "ENERGY": {"Power": 5}}).encode()
        effects = engine.handle(Message(position, START + 200, "tele/meter/SENSOR", payload))
    [letter] = effects
    assert isinstance(letter, DeadLetter)
    assert (letter.reason, letter.payload, letter.topic) == ("late", payload, "tele/meter/SENSOR")
    assert engine.counters["dead_letters.late"] == 1


def test_other_inputs_begin_anew_and_the_same_do_not() -> None:
    engine = an_engine()
    handled(engine, recording(20))
    before = codec.encode(engine.state_dict())
    engine.configure(**config_of(HOME).engine_settings().options())
    assert codec.encode(engine.state_dict()) == before
    settings = config_of(HOME.replace("lateness_s = 5", "lateness_s = 6")).engine_settings()
    engine.configure(**settings.options())
    assert engine.metrics()["questions_waiting"] == 0
    assert engine.counters["questions_dropped"] == 1


def test_settings_are_the_same_after_a_way_through_the_state() -> None:
    settings = config_of(HOME).engine_settings()
    again = msgspec.json.decode(msgspec.json.encode(settings), type=EngineSettings)
    assert again == settings
    other = config_of(HOME.replace("horizon_s = 60", "horizon_s = 70")).engine_settings()
    assert other.changes_since(settings) == "inputs: 'others' before, 'these' now"


def test_the_plain_path_knows_nothing_of_inputs() -> None:
    plain = config_of("").build_engine()
    assert plain.assembling is None
    assert not [name for name in plain.state_dict() if name.startswith("assembly")]


def test_a_snapshot_is_checked_on_assembled_events(tmp_path: Path) -> None:
    from edgedescent.snapshots.parity import recent_events
    from edgedescent.state.store import Store

    messages = recording(30)
    store = Store(tmp_path, durability="process")
    store.append(messages, 0)
    engine = an_engine()
    handled(engine, messages)
    events = recent_events(store, engine, 10)
    store.close()
    assert len(events) == 10
    assert events[-1]["x"]["meter.power.lag1"] > 0
