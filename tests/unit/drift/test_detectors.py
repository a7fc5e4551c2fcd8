"""Drift detectors: the equations of the papers, and the alarms of River."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent.drift import ADWIN, DETECTORS, KSWIN, Detection, Detector, PageHinkley
from edgedescent.errors import ConfigError
from reference import drift as reference

SETTINGS: list[Detector] = [
    ADWIN(),
    ADWIN(delta=0.2, clock=1),
    ADWIN(delta=0.5, clock=3, max_buckets=2, min_window_length=1, grace_period=0),
    ADWIN(delta=0.9, clock=7, max_buckets=9, min_window_length=20, grace_period=100),
    PageHinkley(),
    PageHinkley(threshold=1.0, delta=0.0),
    PageHinkley(threshold=2.0, mode="up", min_instances=1),
    PageHinkley(threshold=2.0, mode="down", alpha=0.99),
    KSWIN(),
    KSWIN(alpha=0.1, seed=2**31 + 5),
    KSWIN(alpha=0.3, window_size=20, stat_size=10, seed=3),
    KSWIN(alpha=0.3, window_size=300, stat_size=4, seed=1),
]


def streams(n: int) -> dict[str, list[float]]:
    """Streams without a change, with some, and with nothing but change."""
    rng = np.random.default_rng(3)
    return {
        "normal": rng.normal(size=n).tolist(),
        "bits": (rng.random(n) < 0.3).astype(float).tolist(),
        "steps": np.concatenate([rng.normal(i % 3, 1 + i % 2, n // 5) for i in range(5)]).tolist(),
        "walk": np.cumsum(rng.normal(size=n)).tolist(),
        "ramp": (rng.normal(size=n) + np.arange(n) / 100).tolist(),
        "ties": [*np.zeros(n // 2).tolist(), *rng.integers(0, 3, n // 2).astype(float).tolist()],
        "tails": rng.standard_cauchy(n).tolist(),
    }


def alarms(detector: Detector, values: list[float]) -> list[int]:
    detection = Detection(detector)
    return [i for i, x in enumerate(values) if detection.update(x)]


@pytest.mark.parametrize("detector", SETTINGS, ids=repr)
def test_alarms_are_those_of_the_equations(detector: Detector) -> None:
    found = {name: alarms(detector, values) for name, values in streams(500).items()}
    assert found == {name: reference.alarms(detector, values) for name, values in streams(500).items()}
    assert any(found.values())


@pytest.mark.parametrize("detector", SETTINGS, ids=repr)
def test_alarms_are_those_of_river(detector: Detector) -> None:
    pytest.importorskip("river", minversion="0.26", reason="river is an extra")
    from river import drift

    parameters = dataclasses.asdict(detector)
    n_alarms = 0
    # River takes half a millisecond for each test of KSWIN.
    for name, values in streams(300 if isinstance(detector, KSWIN) else 3000).items():
        theirs, expected = getattr(drift, type(detector).__name__)(**parameters), []
        for i, x in enumerate(values):
            theirs.update(x)
            if theirs.drift_detected:
                expected.append(i)
        assert alarms(detector, values) == expected, name
        n_alarms += len(expected)
    assert n_alarms > 0


@given(st.lists(st.one_of(st.floats(-1, 1), st.integers(-2, 2).map(float)), max_size=120))
def test_small_windows_agree_with_the_equations(values: list[float]) -> None:
    for detector in (
        ADWIN(delta=0.9, clock=1, max_buckets=2, min_window_length=1, grace_period=0),
        PageHinkley(threshold=0.5, min_instances=2, delta=0.25),
        KSWIN(alpha=0.6, window_size=6, stat_size=3),
    ):
        assert alarms(detector, values) == reference.alarms(detector, values)


def test_the_threshold_of_the_distance_is_that_of_the_exact_p_value() -> None:
    for n, alpha in ((5, 0.3), (30, 0.005), (30, 1e-6), (100, 0.01)):
        values = [0.0] * n
        for h in range(n // 10 + 1, n + 1):
            # The first samples of a window are drawn from zeros, and h of the latest are not zero.
            detection = Detection(KSWIN(alpha=alpha, window_size=2 * n, stat_size=n))
            found = [detection.update(x) for x in [*values, *[0.0] * (n - h), *[1.0] * h]][-1]
            assert found == (reference.p_value(h, n) <= alpha), (n, alpha, h)


def test_false_alarms_stay_below_the_bound_of_the_paper() -> None:
    # False alarms at a check with a probability of at most delta.
    rng = np.random.default_rng(0)
    n_alarms = len(alarms(ADWIN(delta=0.05), rng.random(200_000).tolist()))
    assert n_alarms <= 0.05 * 200_000 / 32


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ADWIN(delta=0.0), "The `delta` of ADWIN must be > 0 and < 1"),
        (lambda: ADWIN(max_buckets=1), "The `max_buckets` of ADWIN must be an integer >= 2"),
        (lambda: PageHinkley(mode="sideways"), "`mode`"),  # type: ignore[arg-type]
        (
            lambda: KSWIN(window_size=50),
            "The `window_size` of KSWIN must be at least twice its `stat_size` of 30. Got 50.",
        ),
    ],
)
def test_parameters_are_validated(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


def test_detectors_are_found_by_name() -> None:
    assert DETECTORS.built_in == ("ADWIN", "KSWIN", "PageHinkley")
    assert DETECTORS["KSWIN"] is KSWIN
    with pytest.raises(ConfigError, match="expected one of ADWIN, KSWIN, PageHinkley"):
        DETECTORS.find("ADWINN", "drift.detector.type")


def test_a_rule_that_is_not_compiled_is_refused() -> None:
    class Other(ADWIN):
        rule = "other"

    with pytest.raises(ValueError, match="no compiled detector named 'other'"):
        Detection(Other())
