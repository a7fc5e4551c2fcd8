"""Ring of the latest events: it holds what was pushed last, however wide the events are."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent.ensemble._event_ring import EventRing
from edgedescent.ensemble._inputs import InputBuffer

N_LAGS = 1
INPUTS_MIN = N_LAGS + 1
Event = tuple[list[int], list[float], float, float]

events = st.lists(
    st.tuples(st.lists(st.integers(-64, 64), max_size=12), st.integers(-9, 9), st.integers(-9, 9)), max_size=40
)


def pushed(ring: EventRing, values: list[float], base: float, label: float) -> Event:
    slots, z = list(range(INPUTS_MIN + len(values))), [0.5, 1.0, *values]
    buffer = InputBuffer(N_LAGS)
    buffer.set(slots, z)
    ring.push_one(buffer, base, label)
    return slots, z, base, label


def held(ring: EventRing) -> list[Event]:
    found = [ring.event(number) for number in range(ring.n_pushed - ring.held, ring.n_pushed)]
    return [(slots.tolist(), z.tolist(), base, label) for slots, z, base, label in found]


@given(events, st.integers(1, 9))
def test_it_holds_the_latest_events(stream: list[tuple[list[float], float, float]], size: int) -> None:
    ring = EventRing(size, INPUTS_MIN)
    latest: deque[Event] = deque(maxlen=size)
    for values, base, label in stream:
        latest.append(pushed(ring, values, base, label))
        assert held(ring) == list(latest)
    restored = EventRing(size, INPUTS_MIN)
    restored.restore(ring.save(), 100, INPUTS_MIN)
    assert held(restored) == list(latest)
    assert restored.n_pushed == ring.n_pushed


def test_wide_events_leave_room_for_fewer() -> None:
    size, rng = 3, np.random.default_rng(1)
    ring = EventRing(size, INPUTS_MIN)
    # The widest event has 128 values that come again.
    cells_max = max(128 * size, 16_384 + 128 + INPUTS_MIN)
    latest: deque[Event] = deque(maxlen=size)
    for _ in range(40):
        width = int(rng.choice([1, 50, 5000, 9000, 16_384]))
        latest.append(pushed(ring, (rng.integers(-64, 64, width) / 4.0).tolist(), 0.0, 1.0))
        while sum(len(slots) for slots, *_ in latest) > cells_max:
            latest.popleft()
        assert ring.held == len(latest)
    assert held(ring) == list(latest)


def test_an_event_that_is_not_held_is_refused() -> None:
    ring = EventRing(2, INPUTS_MIN)
    for _ in range(3):
        pushed(ring, [], 0.0, 1.0)
    for number in (0, 3):
        with pytest.raises(ValueError, match=f"one of the 2 latest events. Got {number}"):
            ring.event(number)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("ring.lengths", np.array([2, 3]), "inputs that do not exist"),
        ("ring.slots", np.array([0, 1, 0, 100]), "inputs that do not exist"),
        ("ring.slots", np.array([0, 1, 0]), "does not fit"),
        ("ring.pushed", np.array([1]), "does not fit"),
        ("ring.bases", np.zeros(3), "does not fit"),
    ],
)
def test_an_inconsistent_state_is_refused(name: str, value: object, message: str) -> None:
    ring = EventRing(5, INPUTS_MIN)
    for _ in range(2):
        pushed(ring, [], 0.0, 1.0)
    with pytest.raises(ValueError, match=message):
        ring.restore({**ring.save(), name: value}, 100, INPUTS_MIN)
