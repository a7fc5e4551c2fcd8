"""The drift monitor: scale, means, which inputs are watched, bounds and the state."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent.drift import ADWIN, KSWIN, Alarm, Detection, Detector, DriftMonitor, PageHinkley
from reference import drift as reference

EAGER = PageHinkley(threshold=0.5, delta=0.0, min_instances=2)
numbers = st.one_of(st.floats(-3, 3), st.sampled_from([0.0, math.nan, math.inf, -math.inf, 9e99, -9e99, 1e300]))


def frozen(monitor: DriftMonitor) -> dict[str, Any]:
    return {k: v if isinstance(v, list) else (v.shape, v.tobytes()) for k, v in monitor.save().items()}


def shifted(unit: float = 1.0, offset: float = 0.0, *, n: int = 1000, at: int = 600, by: float = 4.0) -> list[float]:
    generator = random.Random(5)
    return [offset + unit * (generator.gauss(0.0, 1.0) + (by if i >= at else 0.0)) for i in range(n)]


def watched(values: list[float], detector: Detector) -> list[Alarm]:
    monitor = DriftMonitor(detector, watches_error=False)
    for event, value in enumerate(values, 1):
        monitor.update({"a": value}, 0.0, 0.0, event)
    return monitor.take(1, 0.0, 0)


@pytest.mark.parametrize("detector", [ADWIN(), PageHinkley(threshold=10.0), KSWIN(alpha=0.0001)], ids=repr)
def test_an_alarm_says_what_changed_and_since_when(detector: Detector) -> None:
    values = shifted()
    alarm = watched(values, detector)[0]
    assert (alarm.watched, alarm.input, alarm.detector) == ("input", "a", type(detector).__name__)
    assert 600 < alarm.event <= 664
    assert abs(alarm.since - 601) <= 8
    before, after, at = reference.change(values[: alarm.event])
    assert (alarm.before, alarm.after) == pytest.approx((before, after), rel=1e-9)
    assert alarm.since == at + 1


@pytest.mark.parametrize(("unit", "offset"), [(1e-9, 0.0), (1e6, 0.0), (2.0**-20, 2.0**20), (-1.0, 0.0)])
def test_the_unit_does_not_matter(unit: float, offset: float) -> None:
    one, two = watched(shifted(), ADWIN()), watched(shifted(unit, offset), ADWIN())
    assert [(a.event, a.since) for a in one] == [(a.event, a.since) for a in two]
    assert [a.after * unit + offset for a in one] == pytest.approx([a.after for a in two])


@pytest.mark.parametrize("detector", [ADWIN(delta=0.1), PageHinkley(threshold=3.0), KSWIN(alpha=0.001)], ids=repr)
def test_detectors_get_deviations_from_the_first_values(detector: Detector) -> None:
    values = shifted(by=1.0)
    detection, expected = Detection(detector), None
    for event, x in enumerate(reference.standardized(values), 1):
        if detection.update(x):
            expected = event
            break
    assert watched(values, detector)[0].event == expected


def test_a_single_spike_is_no_change() -> None:
    values = shifted(by=0.0)
    values[500] = 1e50
    assert watched(values, ADWIN()) == []
    assert watched(values, PageHinkley()) == []


def test_a_sensor_that_rested_and_begins_to_move_is_a_change() -> None:
    generator = random.Random(1)
    (alarm,) = watched([20.0] * 500 + [20.0 + generator.random() for _ in range(200)], ADWIN())
    assert alarm.before == pytest.approx(20.0, abs=0.01)
    assert abs(alarm.since - 501) <= 8
    assert watched([20.0] * 2000, ADWIN()) == []


def test_a_slow_change_is_one() -> None:
    generator = random.Random(2)
    assert watched([generator.gauss(0.0, 1.0) + i / 1000 for i in range(6000)], ADWIN())


def test_it_watches_the_first_numeric_inputs_up_to_its_bound() -> None:
    monitor = DriftMonitor(ADWIN(), 3)
    for event in range(1, 200):
        x = {"site": "north", "a": 1.0, "b": None, f"new{event}": float(event), "c": 2, "d": math.nan}
        monitor.update(x, 1.0, 0.5, event)
    assert monitor.inputs() == ["a", "new1", "c"]


def test_names_that_cannot_be_published_are_not_watched() -> None:
    monitor = DriftMonitor(ADWIN())
    monitor.update({"\ud800": 1.0, "a" * 513: 1.0, 7: 1.0, "b": 1.0}, 0.0, 0.0, 1)  # type: ignore[dict-item]
    assert monitor.inputs() == ["b"]


def test_what_it_keeps_has_a_bound() -> None:
    monitor = DriftMonitor(EAGER, 2)
    size = None
    for event in range(1, 5000):
        monitor.update({"a": float(event % 97), "b": float(event)}, 0.0, float(event % 89), event)
        monitor.take(1, 0.0, 0)
        size = size or monitor.save()["watches"].shape
    state = monitor.save()
    assert state["watches"].shape == size
    assert len(state["latest"]) == len(monitor.latest_alarms()) == 8


@given(st.lists(st.tuples(numbers, numbers, numbers), min_size=60, max_size=200), st.integers(0, 100))
def test_any_stream_is_taken_and_a_restored_monitor_goes_on(stream: list[tuple[float, float, float]], cut: int) -> None:
    one, two = DriftMonitor(EAGER, 2), DriftMonitor(EAGER, 2)
    found: list[list[Alarm]] = [[], []]
    for event, (a, b, y) in enumerate(stream * 3, 1):
        if event % (cut + 1) == 0:
            saved = json.loads(json.dumps(two.save()["latest"])), two.save()
            two = DriftMonitor(EAGER, 2)
            two.restore({**saved[1], "latest": saved[0]})
        for place, monitor in enumerate((one, two)):
            monitor.update({"a": a, "b": b}, y, 0.0, event)
            found[place] += monitor.take(event, 0.0, len(found[place]))
    assert found[0] == found[1]
    assert frozen(one) == frozen(two)
    assert np.isfinite(one.save()["watches"]).all()


def full() -> DriftMonitor:
    monitor = DriftMonitor(EAGER, 2)
    for event in range(1, 600):
        monitor.update({"a": event % 7, "b": event // 200}, event % 5, event // 300, event)
    monitor.take(1, 0.0, 0)
    assert len(monitor.latest_alarms()) > 2
    return monitor


@pytest.mark.parametrize(
    "spoil",
    [
        lambda state: state.update(inputs=["a", "a"]),
        lambda state: state.update(inputs=["a"]),
        lambda state: state.update(watches=state["watches"][:, :-1]),
        lambda state: state.update(watches=state["watches"][:2]),
        lambda state: state.update(latest=["{}"]),
        lambda state: state.update(latest=state["latest"] * 9),
        *(
            lambda state, place=place: state["watches"].__setitem__((1, place), -1.0)
            for place in (0, 2, 3, 132, 133, 653)
        ),
        *(lambda state, place=place: state["watches"].__setitem__((0, place), math.nan) for place in (1, 4, 132, -2)),
    ],
)
def test_a_spoiled_state_is_refused_and_changes_nothing(spoil: Any) -> None:
    monitor = full()
    before, state = frozen(monitor), monitor.save()
    spoil(state)
    with pytest.raises(ValueError, match=r"(?i)monitor|watch|state"):
        monitor.restore(state)
    assert frozen(monitor) == before


@pytest.mark.parametrize("inputs_max", [-1, 65])
def test_the_number_of_inputs_is_bounded(inputs_max: int) -> None:
    with pytest.raises(ValueError, match=rf"from 0 to 64\. Got {inputs_max}"):
        DriftMonitor(ADWIN(), inputs_max)


def test_features_that_are_no_mapping_are_refused() -> None:
    with pytest.raises(TypeError, match="must map names to numbers"):
        DriftMonitor(ADWIN()).update([1.0], 0.0, 0.0, 1)  # type: ignore[arg-type]


class OneByOne(ADWIN):
    """ADWIN whose values are taken in one by one."""

    @property
    def tests_every(self) -> int:
        return 1


@pytest.mark.parametrize(
    ("clock", "max_buckets"),
    [(1, 5), (5, 2), (16, 5), (32, 5), (32, 2), (32, 64), (48, 3), (64, 5), (64, 17), (100, 5)],
)
def test_values_that_wait_for_the_next_test_make_no_difference(clock: int, max_buckets: int) -> None:
    rng = np.random.default_rng(clock)
    errors = np.abs(rng.normal(size=6000)) * np.repeat([1.0, 3.0, 0.5, 4.0, 4.0, 1.0], 1000)
    levels = rng.normal(size=6000) + np.repeat([0.0, 2.0, 0.0, 0.0, 5.0, 5.0], 1000)
    monitors = [DriftMonitor(adwin(clock=clock, max_buckets=max_buckets), 1) for adwin in (ADWIN, OneByOne)]
    alarms: tuple[list[object], ...] = ([], [])
    for event, (error, level) in enumerate(zip(errors.tolist(), levels.tolist(), strict=True), start=1):
        for monitor, found in zip(monitors, alarms, strict=True):
            monitor.update({"level": level}, error, 0.0, event)
            found += [(one.input, one.before, one.after, one.since, one.event) for one in monitor.take(1, 0.0, 0)]
        if event == 3333:
            monitors[0].restore(monitors[0].save())
    assert alarms[0] == alarms[1]
    assert {alarm[0] for alarm in alarms[0]} == {None, "level"}  # type: ignore[index]
    assert len(alarms[0]) >= 4
