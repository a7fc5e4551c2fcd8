"""Statistics, lags and periods of the latest labels, against their reference."""

from __future__ import annotations

import numpy as np
import pytest

from edgedescent.ensemble._label_history import LabelHistory
from reference.ensemble import LabelHistory as Specified


def seasonal(n: int, period: int) -> list[float]:
    rng = np.random.default_rng(period)
    t = np.arange(n)
    return list(10 + np.sin(2 * np.pi * t / period) + 0.5 * np.sin(2 * np.pi * t / 31) + 0.1 * rng.normal(size=n))


def walk(n: int) -> list[float]:
    return list(np.random.default_rng(3).normal(size=n).cumsum())


def spiky(n: int) -> list[float]:
    labels = np.random.default_rng(4).normal(size=n)
    labels[::97] += 1000.0
    return list(labels)


@pytest.mark.parametrize("delay", [0, 1, 6, 30, 400])
@pytest.mark.parametrize("labels", [seasonal(800, 24), walk(400), spiky(300), [7.0] * 60, [0.0, 1.0]], ids=len)
def test_lags_and_statistics_are_those_specified(labels: list[float], delay: int) -> None:
    history, specified = LabelHistory(), Specified()
    history.delay = specified.delay = delay
    assert not history.next_lags().any()
    for y in labels:
        history.observe(y)
        specified.observe(y)
        assert (history.period, history.second_period) == (specified.period, specified.second_period)
        for late in (False, True):
            np.testing.assert_allclose(history.next_lags(late), specified.lags(late), rtol=1e-9, atol=1e-9)
            assert history.recent_means(late) == pytest.approx(specified.recent_means(late), rel=1e-9, abs=1e-12)
    for name in ("mean", "deviation", "change", "fast_mean", "slow_mean"):
        assert getattr(history, name) == pytest.approx(getattr(specified, name), rel=1e-9, abs=1e-12)
    assert (history.lowest, history.highest) == (min(labels), max(labels))


@pytest.mark.parametrize("period", [7, 24, 168])
def test_the_period_is_found(period: int) -> None:
    history = LabelHistory()
    shape = np.random.default_rng(period).normal(size=period)
    for n in range(5 * period + 50):
        history.observe(shape[n % period] + 0.001 * n)
    assert history.period == period


def test_a_prediction_in_place_of_a_label_is_a_lag_and_nothing_else() -> None:
    history, other = LabelHistory(), LabelHistory()
    for y in (1.0, 2.0, 4.0):
        history.observe(y)
        other.observe(y)
    history.miss(100.0)
    assert (history.n, history.n_missing, history.highest, history.fast_mean) == (4, 1, 4.0, other.fast_mean)
    assert history.next_lags()[0] == 5.0
    history.observe(5.0)
    assert history.n_missing == 0


def test_a_saved_history_goes_on_alike() -> None:
    history, restored = LabelHistory(), LabelHistory()
    history.delay = 3
    for y in walk(900):
        history.observe(y)
    history.miss(2.0)
    restored.restore(history.save())
    for y in seasonal(300, 12):
        history.observe(y)
        restored.observe(y)
        assert history.next_lags().tolist() == restored.next_lags().tolist()
    assert all(np.array_equal(value, restored.save()[name]) for name, value in history.save().items())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("history.labels", np.zeros(3)),
        ("history.differences", np.full(701, -1.0)),
        ("history.counts", np.array([2, 701, 0, 2, 0, 0])),
        ("history.counts", np.array([2, 0, 0, 2, 701, 0])),
        ("history.counts", np.array([2, 0, 0, 2, 0, 3])),
        ("history.counts", np.array([2, 0, 0, 2])),
        ("history.numbers", np.array([0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])),
    ],
)
def test_an_inconsistent_state_is_refused(name: str, value: object) -> None:
    history = LabelHistory()
    for y in (1.0, 2.0):
        history.observe(y)
    with pytest.raises(ValueError, match="history of labels"):
        history.restore({**history.save(), name: value})
