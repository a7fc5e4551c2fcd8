"""Forecasts of several horizons: each has a head, which is bit for bit what it would be alone."""

from __future__ import annotations

import json
import math
import random
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgedescent.config import Config
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import DeadLetter, Message, Predictions, tick
from edgedescent.engine.settings import EngineSettings
from edgedescent.errors import ConfigError, StateError
from edgedescent.state import codec
from support.assembly import config_of

HOME = """
[inputs.room]
topics = ["room"]
fields = {temperature = "T", state = "s"}
time = "t"
[inputs.meter]
topics = ["meter"]
fields = {power = "P"}
time = "t"
[assembly]
lateness_s = 20
EMIT
[label]
input = "meter"
feature = "meter.power"
horizon_s = HORIZONS
season_s = 40
waiting_max = WAITING
[[derive]]
type = "Lag"
of = ["room.temperature", "meter.power"]
steps = [1, 2]
[predictions]
interval = 0.8
[drift]
enabled = true
[learner]
LEARNER
"""
EMITS = {"message": "", "interval": "every_s = 7", "other input": 'emit = "room"'}
SUMMED = (
    *("events_learned", "events_predicted", "questions", "questions_dropped", "labels_joined", "labels_missing"),
    *("dead_letters.unlabelled", "dead_letters.quarantined"),
)
"""Counters of which each horizon has its part."""
LEARNERS = {
    "auto": 'type = "AutoRegressor"\nbudget = "tiny"',
    "linear": 'type = "LinearRegressor"',
    "mlp": 'type = "MLPRegressor"\nhidden = [4]\nreplay_size = 20',
}


def a_config(
    horizons: Sequence[float] | float, emit: str = "", learner: str = LEARNERS["linear"], waiting_max: int = 10_000
) -> Config:
    filled = {"EMIT": emit, "HORIZONS": horizons, "LEARNER": learner, "WAITING": waiting_max}
    return config_of(re.sub("|".join(filled), lambda word: str(filled[word[0]]), HOME))


def an_engine(horizons: Sequence[float] | float, *options: Any) -> Engine:
    return a_config(horizons, *options).build_engine()


def recording(seed: int, n: int = 120) -> list[Message]:
    """Readings in disorder, with gaps, words and one absurd label, then ticks."""
    dice, messages, start = random.Random(seed), list[Message](), 1.7e9
    for position in range(1, n + 1):
        start += dice.choice((0.0, 2.0, 5.0, 9.0))
        if dice.random() < 0.05:
            messages.append(tick(position, start + 25))
            continue
        at = start - dice.choice((0.0, 0.0, dice.uniform(0.0, 25.0)))
        power: Any = dice.choice((None, "off", 1e9)) if dice.random() < 0.04 else 5 + math.sin(at / 40) + dice.random()
        payload = {"t": at, "P": power} if dice.random() < 0.6 else {"t": at, "T": dice.gauss(20, 1), "s": "on"}
        messages.append(Message(position, start, "meter" if "P" in payload else "room", json.dumps(payload).encode()))
    return [*messages, tick(n + 1, start + 400.0)]


def answers(engine: Engine, messages: Sequence[Message]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for message in messages:
        for effect in engine.handle(message):
            if isinstance(effect, Predictions):
                one = json.loads(effect.payload)
                found += one if isinstance(one, list) else [one]
    return found


def head_states(engine: Engine) -> dict[float | None, bytes]:
    """State of each head, as it is saved, without its prefix."""
    return {
        horizon: codec.encode(
            {
                name.removeprefix(head.prefix): value
                for name, value in (head.save() | head.save_quarantine()).items()
                if name != f"{head.prefix}counts"
            }
        )
        for horizon, head in engine.heads.by_horizon.items()
    }


@settings(max_examples=6)
@given(
    seed=st.integers(0, 10_000),
    emit=st.sampled_from([*EMITS]),
    learner=st.sampled_from([*LEARNERS]),
    waiting_max=st.sampled_from([3, 10_000]),
)
def test_each_head_is_what_it_would_be_alone(seed: int, emit: str, learner: str, waiting_max: int) -> None:
    messages, horizons = recording(seed), [7.0, 30.0, 60.5]
    options = EMITS[emit], LEARNERS[learner], waiting_max
    several, summed = an_engine(horizons, *options), Counter[str]()
    said = answers(several, messages)
    states, metrics = head_states(several), several.metrics()
    assert [*states] == horizons
    for horizon in horizons:
        alone = an_engine(horizon, *options)
        expected = answers(alone, messages)
        assert [{**one, "horizon_s": horizon} for one in expected] == [
            one for one in said if one["horizon_s"] == horizon
        ]
        assert states[horizon] == head_states(alone)[None]
        own, of_alone = metrics["horizons"][f"{horizon:g}"], alone.metrics()
        assert {name: value for name, value in of_alone.items() if name in own} == own
        summed += Counter({name: alone.counters[name] for name in SUMMED})
    assert summed == Counter({name: several.counters[name] for name in summed})
    assert summed["events_learned"] > 0
    assert bool(summed["questions_dropped"]) == (waiting_max == 3)
    assert not {"mae", "forecast_mae_last_value"} & metrics.keys()


@settings(max_examples=6)
@given(seed=st.integers(0, 10_000), stop=st.integers(1, 119), emit=st.sampled_from([*EMITS]))
def test_a_restart_changes_no_bit(seed: int, stop: int, emit: str) -> None:
    messages = recording(seed)
    whole, cut = (an_engine([7, 30], EMITS[emit]) for _ in range(2))
    expected = answers(whole, messages)
    said = answers(cut, messages[:stop])
    later = an_engine([7, 30], EMITS[emit])
    later.load_state_dict(codec.decode(codec.encode(cut.state_dict())))
    assert codec.encode(later.state_dict()) == codec.encode(cut.state_dict())
    assert said + answers(later, messages[stop:]) == expected
    assert codec.encode(later.state_dict()) == codec.encode(whole.state_dict())


def settings_of(horizons: Sequence[float] | float) -> EngineSettings:
    return a_config(horizons).engine_settings()


def test_one_horizon_is_the_same_in_a_list() -> None:
    assert settings_of([30]) == settings_of(30)
    engine = an_engine([30])
    assert not [name for name in engine.state_dict() if name.startswith("head.")]
    assert {one.get("horizon_s") for one in answers(engine, recording(1))} == {None}


@pytest.mark.parametrize(
    ("horizons", "message"),
    [
        ([30, 7], "is [30.0, 7.0]: expected increasing numbers, each for a model of its own"),
        ([7, 7], "is [7.0, 7.0]: expected increasing numbers"),
        ([], "is []: expected `array` of length >= 1"),
        ([0, 7], "[0]` is [0, 7]: expected `float` > 0.0"),
        ([7, "x"], "[1]` is [7, 'x']: expected `float`"),
        (list(range(1, 18)), "16, 17]: expected `array` of length <= 16"),
    ],
)
def test_horizons_that_cannot_be_are_refused(horizons: list[float], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"^`label\.horizon_s.*{re.escape(message)}"):
        an_engine(horizons)


def test_a_horizon_below_the_interval_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"`label.horizon_s` is \(5.0, 30.0\): expected at least `assembly.every_s`"):
        an_engine([5, 30], EMITS["interval"])


def test_a_head_whose_horizon_stays_goes_on() -> None:
    messages = recording(3)[:-1]
    engine = an_engine([7, 30])
    answers(engine, messages)
    before = head_states(engine)
    counts = {horizon: head.counts() for horizon, head in engine.heads.by_horizon.items()}
    total, waiting = engine.counters["events_learned"], engine.metrics()["questions_waiting"]
    assert waiting > 0
    engine.configure(**settings_of([30, 60]).options())
    states = head_states(engine)
    assert states[30.0] == before[30.0]
    assert states[60.0] == head_states(an_engine([30, 60]))[60.0]
    assert {horizon: head.counts() for horizon, head in engine.heads.by_horizon.items()} == {
        30.0: counts[30.0],
        60.0: {"events_learned": 0, "events_predicted": 0},
    }
    # What has happened stays counted, and what waited for other inputs is dropped.
    assert engine.counters["events_learned"] == total
    assert engine.counters["questions_dropped"] == waiting
    assert answers(engine, [Message(len(messages) + 1, 1.8e9, "meter", b'{"t": 1.8e9, "P": 5}')]) == []


def test_one_model_becomes_several_and_one_again() -> None:
    messages = recording(4)
    engine = an_engine(30)
    answers(engine, messages)
    (alone,) = head_states(engine).values()
    learned = engine.counters["events_learned"]
    engine.configure(**settings_of([7, 30]).options())
    assert head_states(engine)[30.0] == alone
    assert engine.heads.by_horizon[30.0].counts()["events_learned"] == learned
    later = an_engine([7, 30])
    later.load_state_dict(codec.decode(codec.encode(engine.state_dict())))
    assert codec.encode(later.state_dict()) == codec.encode(engine.state_dict())
    later.configure(**settings_of(30).options())
    assert head_states(later) == {None: alone}
    # Where there is one before and after, it goes on whatever its horizon.
    later.configure(**settings_of(60).options())
    assert head_states(later) == {None: alone}
    assert later.counters["events_learned"] == learned


def test_the_log_says_which_models_go_on() -> None:
    assert settings_of([30, 60]).changes_since(settings_of([7, 30])) == (
        "inputs: 'others' before, 'these' now; the model for 30 s ahead goes on; the model for 60 s ahead begins "
        "untrained; the model for 7 s ahead ends"
    )
    assert settings_of(7).changes_since(settings_of(30)) == "inputs: 'others' before, 'these' now"


def test_a_state_of_other_horizons_is_refused() -> None:
    engine = an_engine([7, 30])
    answers(engine, recording(5))
    state = engine.state_dict()
    for horizons in (30, [7, 60], [7, 30, 60]):
        with pytest.raises(StateError, match="does not fit this configuration"):
            an_engine(horizons).load_state_dict(state)
    damaged = {**state, "head.7.counts": -state["head.7.counts"]}
    with pytest.raises(StateError, match=r"counts of a head are 2 numbers >= 0"):
        an_engine([7, 30]).load_state_dict(damaged)


def test_dead_letters_name_the_horizon() -> None:
    engine = an_engine([10, 30])
    values = [*(5.0 + i % 7 for i in range(60)), 1e9, *[5.0] * 3, None, *[5.0] * 6]
    effects = [
        effect
        for i, value in enumerate(values)
        for effect in engine.handle(
            Message(i + 1, 1.7e9 + 10 * i, "meter", json.dumps({"t": 1.7e9 + 10 * i, "P": value}).encode())
        )
    ]
    found = [effect for effect in effects if isinstance(effect, DeadLetter)]
    assert [(one.reason, one.error.rpartition("(")[2].rstrip(".")) for one in found] == [
        (reason, f"horizon {horizon} s)") for reason in ("quarantined", "unlabelled") for horizon in (10, 30)
    ]
    assert [json.loads(one.payload)["horizon_s"] for one in found[2:]] == [10.0, 30.0]
