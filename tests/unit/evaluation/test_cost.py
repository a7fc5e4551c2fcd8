"""Time and memory per event."""

from __future__ import annotations

import numpy as np
import pytest

from edgedescent import LinearRegressor
from edgedescent.evaluation import CostMeter, resident_bytes, state_bytes


def test_parts_are_added() -> None:
    meter = CostMeter()
    assert meter.summary() == {}
    for _ in range(3):
        with meter.timed(n_events=100):
            sum(range(1000))
    assert meter.n_events == 300
    assert meter.summary()["us_per_event"] > 0


def test_what_raises_is_not_counted() -> None:
    meter = CostMeter()
    with pytest.raises(ZeroDivisionError), meter.timed(n_events=5):
        raise ZeroDivisionError
    assert meter.n_events == 0


def test_memory_that_is_used_is_seen() -> None:
    meter = CostMeter()
    with meter.timed(n_events=1):
        kept = np.ones(8_000_000)
    assert meter.summary()["resident_growth_bytes"] > kept.nbytes / 2
    assert resident_bytes() > kept.nbytes


def test_the_state_of_a_learner_is_its_arrays_and_names() -> None:
    model = LinearRegressor()
    model.learn_one({"temp": 1.0}, 2.0)
    state = model.state_dict()
    arrays = sum(value.nbytes for value in state.values() if isinstance(value, np.ndarray))
    assert state_bytes(state) >= arrays > 0
