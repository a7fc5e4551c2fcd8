"""Drift alarms of the engine: in every format and learner, the same however messages are cut, and never in the way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edgedescent import BPR, LinearRegressor, MatrixFactorization
from edgedescent.config import Config, convert
from edgedescent.drift import ADWIN, KSWIN, DriftMonitor, PageHinkley
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import DriftAlarm, Effect, Message
from edgedescent.engine.settings import DriftSettings, EngineSettings
from edgedescent.errors import ConfigError
from edgedescent.state import codec
from support.engines import send

EAGER = PageHinkley(threshold=1.0, delta=0.0, min_instances=2)


def events(n: int = 700, at: int = 400) -> list[dict[str, Any]]:
    """Events whose target and input `b` change at the same time, beside a category and an input that does not."""
    shift = [0.0 if i < at else 5.0 for i in range(n)]
    return [
        {"x": {"site": "n" if i % 3 else "s", "a": i * 7 % 11, "b": i * 5 % 7 + s}, "y": i * 7 % 11 + s * (i % 4)}
        for i, s in enumerate(shift)
    ]


def watching(detector: Any = EAGER, learner: Any = None, **more: Any) -> Engine:
    return Engine(learner or LinearRegressor(), detector=detector, watched_inputs_max=2, **more)


def alarms(effects: list[Effect]) -> list[dict[str, Any]]:
    return [json.loads(effect.payload) for effect in effects if isinstance(effect, DriftAlarm)]


def test_alarms_are_numbered_and_say_where_they_were_raised() -> None:
    engine, found = watching(ADWIN()), []
    for each in events():
        found += alarms(send(engine, json.dumps(each).encode()))
    assert [one["number"] for one in found] == list(range(1, len(found) + 1))
    changed = {one["input"]: one for one in found if one["watched"] == "input"}
    assert changed.keys() == {"b"}
    assert changed["b"]["position"] == changed["b"]["event"] <= 500
    assert (changed["b"]["before"], changed["b"]["time"]) == (pytest.approx(3.0, abs=0.1), 5.0)
    assert abs(changed["b"]["since"] - 401) <= 8
    assert any(one["watched"] == "error" and "input" not in one for one in found)
    metrics = engine.metrics()
    assert metrics["drift_alarms"] == len(found)
    assert metrics["drift_alarms.error"] + metrics["drift_alarms.input"] == len(found)
    assert [alarm.number for alarm in engine.latest_alarms] == [one["number"] for one in found][-8:]


def test_the_learner_does_the_same_with_and_without() -> None:
    one, two = watching(), Engine(LinearRegressor())
    for each in events():
        payload = json.dumps(each).encode()
        effects, without = send(one, payload), send(two, payload)
        assert [effect for effect in effects if not isinstance(effect, DriftAlarm)] == without
    state = two.state_dict()
    both = {name: value for name, value in one.state_dict().items() if not name.startswith(("drift.", "counter"))}
    assert codec.encode(both) == codec.encode({k: v for k, v in state.items() if not k.startswith("counter")})


def test_the_same_alarms_however_messages_are_cut() -> None:
    whole = json.dumps(events()).encode()
    message = Message(1, 5.0, "pump/events", whole)
    one = watching()
    expected = alarms(one.handle(message))
    assert len(expected) > 3
    two, found = watching(), []
    effects = two.begin(message, 50)
    while effects is None:
        # As at a stop within a message.
        found += alarms(two.leave())
        saved = codec.decode(codec.encode(two.state_dict()))
        two = watching()
        two.load_state_dict(saved)
        effects = two.begin(message, 50)
    assert [*found, *alarms(effects)] == expected
    assert codec.encode(two.state_dict()) == codec.encode(one.state_dict())


@pytest.mark.parametrize("detector", [EAGER, ADWIN(), KSWIN()], ids=repr)
def test_a_restored_engine_raises_the_same_alarms(detector: Any) -> None:
    one, two = watching(detector), watching(detector)
    found: list[list[Any]] = [[], []]
    for number, each in enumerate(events()):
        # Inputs that come and go, and names that lose their row.
        each["x"] |= {f"rare{number % 50}": 1.0} if number % 3 == 0 else {}
        if number % 90 == 45:
            saved = codec.decode(codec.encode(two.state_dict()))
            two = watching(detector)
            two.load_state_dict(saved)
        for place, engine in enumerate((one, two)):
            found[place] += alarms(send(engine, json.dumps(each).encode()))
    assert found[0] == found[1]
    assert codec.encode(one.state_dict()) == codec.encode(two.state_dict())


def test_a_full_table_of_names_watches_the_same_inputs_as_a_large_one() -> None:
    small, large = (watching(learner=LinearRegressor(features_max=n)) for n in (5, 500))
    found: list[list[Any]] = [[], []]
    for number, each in enumerate(events()):
        each["x"] = dict(reversed([*each["x"].items(), *((f"rare{number + i}", 1.0) for i in range(number % 3))]))
        for place, engine in enumerate((small, large)):
            found[place] += [
                one for one in alarms(send(engine, json.dumps(each).encode())) if one["watched"] == "input"
            ]
    assert isinstance(small.drift, DriftMonitor)
    assert small.drift.inputs() == ["b", "a"]
    assert (
        [(one["event"], one["input"]) for one in found[0]] == [(one["event"], one["input"]) for one in found[1]] != []
    )


class Overridden(LinearRegressor):
    """A learner that is given each event as a mapping."""

    def predict_learn_one(self, x: Any, y: float) -> float:
        return super().predict_learn_one(x, y)


def test_a_learner_of_mappings_is_watched_too() -> None:
    one, two = watching(), watching(learner=Overridden())
    found: list[list[Any]] = [[], []]
    for each in events():
        for place, engine in enumerate((one, two)):
            found[place] += alarms(send(engine, json.dumps(each).encode()))
    assert found[0] == found[1] != []


def test_of_a_recommender_the_errors_are_watched_and_of_a_ranking_nothing() -> None:
    rating, ranking = watching(learner=MatrixFactorization()), watching(learner=BPR())
    found: list[list[Any]] = [[], []]
    for i in range(900):
        payload = json.dumps({"user": f"u{i % 7}", "item": f"i{i % 5}", "y": 1.0 if i < 500 else i % 50}).encode()
        for place, engine in enumerate((rating, ranking)):
            found[place] += alarms(send(engine, payload))
    assert {one["watched"] for one in found[0]} == {"error"}
    assert found[1] == []


def test_repeats_questions_and_bad_events_are_not_watched() -> None:
    one, two = watching(), watching()
    for number, each in enumerate(events(200)):
        labelled = json.dumps({**each, "id": number}).encode()
        send(one, labelled)
        send(two, json.dumps({"x": {**each["x"], "a": 1e9}}).encode())
        send(two, labelled)
        send(two, labelled)
        send(two, b'{"x": {"a": 5}, "y": "many"}')
    states = [
        {k: v for k, v in engine.state_dict().items() if k in ("drift.inputs", "drift.watches")}
        for engine in (one, two)
    ]
    assert codec.encode(states[0]) == codec.encode(states[1])


def test_other_settings_begin_anew_and_the_numbers_go_on() -> None:
    engine = watching()
    for each in events():
        send(engine, json.dumps(each).encode())
    before = engine.counters["drift_alarms"]
    kept, options = engine.drift, EngineSettings().options()
    engine.configure(**{**options, "detector": EAGER, "watched_inputs_max": 2})
    assert engine.drift is kept
    engine.configure(**options)
    assert engine.drift is None
    assert engine.latest_alarms == []
    engine.configure(**{**options, "detector": ADWIN(), "watched_inputs_max": 2})
    found = [one for each in events() for one in alarms(send(engine, json.dumps(each).encode()))]
    assert found[0]["number"] == before + 1


def test_settings_name_the_detector() -> None:
    config = convert({"device": "pump", "drift": {"detector": {"type": "KSWIN", "seed": 3}, "inputs_max": 7}}, Config)
    settings = config.engine_settings()
    assert settings.drift is not None
    assert settings.drift.detector == {"type": "KSWIN", "alpha": 0.005, "window_size": 100, "stat_size": 30, "seed": 3}
    engine = config.build_engine()
    assert engine.drift is not None
    assert (engine.drift.detector, engine.drift.inputs_max) == (KSWIN(seed=3), 7)
    assert convert({"device": "pump", "drift": {"enabled": False}}, Config).build_engine().drift is None
    default = convert({"device": "pump"}, Config).build_engine().drift
    assert default is not None
    assert default.detector == ADWIN()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"detector": "ADWIM"}, "`drift.detector.type` is 'ADWIM': expected one of ADWIN, KSWIN, PageHinkley."),
        (
            {"detector": {"type": "ADWIN", "delta": 2.0}},
            "`drift.detector`: The `delta` of ADWIN must be > 0 and < 1. Got 2.0.",
        ),
        ({"detector": {"type": "ADWIN", "lambda": 2.0}}, "`drift.detector.lambda` is not a known key"),
        ({"inputs_max": 65}, "`drift.inputs_max` is 65: expected `int` <= 64."),
    ],
)
def test_wrong_settings_are_named(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        convert({"device": "pump", "drift": table}, Config).engine_settings()
    assert message in str(refused.value)


def test_a_state_with_a_detector_of_another_version_says_so() -> None:
    with pytest.raises(ConfigError, match=r"`drift\.detector`: .*unexpected keyword"):
        DriftSettings(detector={"type": "ADWIN", "old": 1}, inputs_max=0).build_detector()
