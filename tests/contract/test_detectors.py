"""The shared contract, on every drift detector that the project exports."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent.drift import Detection, Detector
from edgedescent.testing import DETECTOR_CHECKS
from support.exported import DETECTORS

values = st.one_of(st.floats(0, 1), st.floats(-9e99, 9e99), st.sampled_from([0.0, 1.0, -9e99, 9e99, 5e-324]))


@pytest.mark.parametrize("check", DETECTOR_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("detector", DETECTORS)
def test_contract(detector: Callable[[], Detector], check: Callable[[Detector], None]) -> None:
    check(detector())


@pytest.mark.parametrize("detector", DETECTORS)
@given(first=st.lists(values, max_size=150), rest=st.lists(values, max_size=150))
def test_any_stream_is_taken_and_its_state_goes_on(
    detector: Callable[[], Detector], first: list[float], rest: list[float]
) -> None:
    one = Detection(detector())
    for x in first:
        one.update(x)
    saved = one.save()
    assert len(saved) == detector().n_numbers + 1
    assert all(map(math.isfinite, saved.tolist()))
    two = Detection(detector())
    two.restore(saved)
    assert [one.update(x) for x in rest] == [two.update(x) for x in rest]
    assert one.save().tobytes() == two.save().tobytes()


@pytest.mark.parametrize("detector", DETECTORS)
@given(place=st.one_of(st.integers(0, 5), st.integers(0, 10_000)), wrong=st.sampled_from([-1.0, 0.5, 1e9, 9e15, 1e300]))
def test_no_number_of_a_state_can_lead_astray(detector: Callable[[], Detector], place: int, wrong: float) -> None:
    detection = Detection(detector())
    for i in range(150):
        detection.update(i * 37 % 11 / 11)
    spoiled = detection.save()
    spoiled[place % len(spoiled)] = wrong
    twin = Detection(detector())
    try:
        twin.restore(spoiled)
    except ValueError:
        return
    # What is taken stands for a stream, though another one: it can go on for ever.
    for i in range(300):
        twin.update(i % 2)
