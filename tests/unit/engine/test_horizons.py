"""Forecasts of several horizons: each has a head, which is bit for bit what it would be alone."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from edgedescent.engine.core import Engine
from edgedescent.engine.messages import Message, Predictions, tick
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
LEARNERS = {
    "auto": 'type = "AutoRegressor"\nbudget = "tiny"',
    "linear": 'type = "LinearRegressor"',
    "mlp": 'type = "MLPRegressor"\nhidden = [4]\nreplay_size = 20',
}


def an_engine(horizons: Sequence[float] | float, emit: str = "", learner: str = LEARNERS["linear"]) -> Engine:
    text = HOME.replace("EMIT", emit).replace("HORIZONS", str(horizons)).replace("LEARNER", learner)
    return config_of(text).build_engine()


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


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000), emit=st.sampled_from([*EMITS]), learner=st.sampled_from([*LEARNERS]))
def test_each_head_is_what_it_would_be_alone(seed: int, emit: str, learner: str) -> None:
    messages, horizons = recording(seed), [7.0, 30.0, 60.5]
    several = an_engine(horizons, EMITS[emit], LEARNERS[learner])
    said = answers(several, messages)
    states, metrics = head_states(several), several.metrics()
    assert [*states] == horizons
    learned = 0
    for horizon in horizons:
        alone = an_engine(horizon, EMITS[emit], LEARNERS[learner])
        expected = answers(alone, messages)
        assert [{**one, "horizon_s": horizon} for one in expected] == [
            one for one in said if one["horizon_s"] == horizon
        ]
        assert states[horizon] == head_states(alone)[None]
        own, of_alone = metrics["horizons"][f"{horizon:g}"], alone.metrics()
        assert {name: value for name, value in of_alone.items() if name in own} == own
        learned += of_alone["events_learned"]
    assert several.counters["events_learned"] == learned > 0
    assert not {"mae", "forecast_mae_last_value"} & metrics.keys()


@settings(max_examples=6, deadline=None)
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
