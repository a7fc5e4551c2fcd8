"""Prediction intervals: the arithmetic of the papers, what is guaranteed, shifts, outliers and the state."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgedescent.conformal import PredictionIntervals
from reference import conformal as reference

Floats = NDArray[np.float64]

numbers = st.one_of(st.floats(-100, 100), st.sampled_from([0.0, -1e99, 1e99, 1e-300, 1e300, math.nan, math.inf]))
streams = st.lists(st.tuples(numbers, numbers), max_size=60)


def uneven(n: int, seed: int = 0) -> tuple[Floats, Floats]:
    """Targets and predictions whose errors grow with the prediction, and by ten in the last third."""
    rng = np.random.default_rng(seed)
    prediction = rng.uniform(1.0, 9.0, n)
    scale = np.where(np.arange(n) < 2 * n // 3, 1.0, 10.0) * prediction
    return prediction + scale * rng.standard_normal(n), prediction


def same(one: dict[str, Floats], two: dict[str, Floats]) -> bool:
    return one.keys() == two.keys() and all(one[name].tobytes() == two[name].tobytes() for name in one)


def half_widths(bounds: Floats) -> Floats:
    return (bounds[:, 1] - bounds[:, 0]) / 2


class TestArithmetic:
    @pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
    def test_it_is_that_of_the_papers(self, level: float) -> None:
        y, prediction = uneven(1500)
        y[700], y[900] = 1e6, math.nan
        twin = reference.PredictionIntervals(level)
        expected = []
        for target, guess in zip(y.tolist(), prediction.tolist(), strict=True):
            expected.append(twin.half_width(guess))
            twin.update(target, guess)
        intervals = PredictionIntervals((level,))
        bounds = intervals.update_many(y, prediction, level)
        np.testing.assert_allclose(half_widths(bounds)[2:], expected[2:], rtol=1e-9)
        experts = intervals.save()["miscoverage"][0]
        np.testing.assert_allclose(experts, [*twin.dtaci.alphas, *twin.dtaci.weights], rtol=1e-8)
        share, recent = intervals.coverage(level) or (0.0, 0.0)
        assert share == sum(twin.covered) / len(twin.covered) == pytest.approx(level, abs=0.02)
        fading = 0.999 ** np.arange(len(twin.covered))[::-1]
        assert recent == pytest.approx(np.average(twin.covered, weights=fading), rel=1e-9)

    @given(streams)
    def test_it_is_that_of_the_papers_for_extreme_numbers(self, stream: list[tuple[float, float]]) -> None:
        intervals, twin = PredictionIntervals((0.8,)), reference.PredictionIntervals(0.8)
        for y, prediction in stream:
            low, high = intervals.interval(prediction, 0.8)
            half = twin.half_width(prediction)
            assert (low, high) == (
                pytest.approx(prediction - half, rel=1e-9, nan_ok=True),
                pytest.approx(prediction + half, rel=1e-9, nan_ok=True),
            )
            intervals.update(y, prediction)
            twin.update(y, prediction)

    def test_levels_do_not_disturb_each_other(self) -> None:
        y, prediction = uneven(600)
        alone, together = PredictionIntervals((0.9,)), PredictionIntervals((0.5, 0.9, 0.95))
        bounds = alone.update_many(y, prediction, 0.9)
        assert together.update_many(y, prediction, 0.9).tobytes() == bounds.tobytes()
        narrow, wide = together.interval(5.0, 0.5), together.interval(5.0, 0.95)
        assert wide[0] < narrow[0] < 5.0 < narrow[1] < wide[1]

    def test_nothing_is_known_before_the_second_error(self) -> None:
        intervals = PredictionIntervals((0.9,))
        assert intervals.coverage(0.9) is None
        assert intervals.summary() == {}
        # The first prediction is made of nothing.
        for y in (1e6, 2.0):
            assert intervals.interval(1.0, 0.9) == (-math.inf, math.inf)
            intervals.update(y, 1.0)
        assert intervals.interval(1.0, 0.9) == (0.0, 2.0)
        assert all(map(math.isnan, intervals.interval(math.nan, 0.9)))


class TestCoverage:
    @given(st.lists(st.sampled_from([0.0, 1.0, 2.0, 1000.0]), min_size=50, max_size=400))
    def test_each_expert_is_within_its_guarantee(self, errors: list[float]) -> None:
        """Proposition 4.1 of Gibbs and Candès 2021: it bounds the sum of the steps, and so the level itself."""
        intervals = PredictionIntervals((0.9,))
        for error in errors:
            intervals.update(error, 0.0)
        alphas = intervals.save()["miscoverage"][0, :8]
        assert ((alphas >= -reference.GAMMAS) & (alphas <= 1.0 + reference.GAMMAS)).all()

    def test_errors_that_grow_with_the_prediction_get_wider_intervals_there(self) -> None:
        y, prediction = uneven(3000)
        bounds = PredictionIntervals((0.9,)).update_many(y, prediction, 0.9)[500:]
        held = (bounds[:, 0] <= y[500:]) & (y[500:] <= bounds[:, 1])
        for low, high in ((1.0, 3.0), (3.0, 7.0), (7.0, 9.0)):
            inside = (low <= prediction[500:]) & (prediction[500:] < high)
            assert held[inside].mean() == pytest.approx(0.9, abs=0.05)

    def test_a_change_of_scale_is_followed(self) -> None:
        rng = np.random.default_rng(1)
        for factor in (1000.0, 0.001):
            y = rng.standard_normal(4000)
            y[2000:] *= factor
            bounds = PredictionIntervals((0.9,)).update_many(y, np.zeros(4000), 0.9)
            held = np.abs(y) <= half_widths(bounds)
            windows = np.convolve(held[2000:3000], np.ones(500) / 500, "valid")
            assert 0.83 <= windows.min() <= windows.max() <= 0.97 or factor < 1
            assert held[2500:].mean() == pytest.approx(0.9, abs=0.02)
            assert np.median(half_widths(bounds)[3500:]) == pytest.approx(1.645 * factor, rel=0.2)

    def test_one_absurd_label_widens_them_a_little(self) -> None:
        rng = np.random.default_rng(2)
        y = rng.standard_normal(2000)
        clean = half_widths(PredictionIntervals((0.9,)).update_many(y, np.zeros(2000), 0.9))
        y[1000] = 1e90
        broken = half_widths(PredictionIntervals((0.9,)).update_many(y, np.zeros(2000), 0.9))
        assert (broken[1001:] < 2.0 * clean[1001:]).all()
        assert broken[1100:].mean() < 1.1 * clean[1100:].mean()

    def test_errors_that_are_all_zero_give_an_interval_of_no_width(self) -> None:
        intervals = PredictionIntervals((0.9,))
        for _ in range(100):
            intervals.update(3.0, 3.0)
        assert intervals.interval(3.0, 0.9) == (3.0, 3.0)
        intervals.update(4.0, 3.0)
        low, high = intervals.interval(3.0, 0.9)
        assert low <= 3.0 <= high


class TestState:
    @given(streams, streams)
    def test_it_goes_on_from_a_saved_state_bit_for_bit(self, before: Any, after: Any) -> None:
        one, two = PredictionIntervals((0.5, 0.9)), PredictionIntervals((0.5, 0.9))
        for y, prediction in before:
            one.update(y, prediction)
        saved = one.save("x.")
        assert all(np.isfinite(array).all() for array in saved.values())
        two.restore(saved, "x.")
        assert same(two.save(), one.save())
        for y, prediction in after:
            one.update(y, prediction)
            two.update(y, prediction)
        assert same(two.save(), one.save())
        assert two.coverage(0.9) == one.coverage(0.9)

    def test_it_goes_on_where_the_window_has_wrapped_around(self) -> None:
        y, prediction = uneven(1400)
        one, two = PredictionIntervals((0.9,)), PredictionIntervals((0.9,))
        one.update_many(y[:777], prediction[:777], 0.9)
        two.restore(one.save())
        assert two.window.n == two.window.size == 500
        rest = one.update_many(y[777:], prediction[777:], 0.9)
        assert two.update_many(y[777:], prediction[777:], 0.9).tobytes() == rest.tobytes()

    def test_asking_leaves_the_state_as_it_is(self) -> None:
        y, prediction = uneven(600)
        intervals = PredictionIntervals((0.9,))
        intervals.update_many(y, prediction, 0.9)
        before = intervals.save()
        for guess in (0.0, 1e99, math.nan):
            intervals.interval(guess, 0.9)
        intervals.update(math.nan, 1.0)
        assert same(intervals.save(), before)

    @pytest.mark.parametrize(
        ("name", "spoil"),
        [
            ("scores", lambda array: array[:-1]),
            ("scores", lambda array: -array),
            ("scale", lambda array: array[:-1]),
            ("scale", lambda array: array * np.nan),
            ("scale", lambda array: -array),
            ("miscoverage", lambda array: array[:0]),
            ("miscoverage", lambda array: array + 3.0),
            ("miscoverage", lambda array: array * np.nan),
            ("coverage", lambda array: array[:-1]),
            ("coverage", lambda array: array - 1e9),
            ("coverage", lambda array: array * 1e9),
        ],
    )
    def test_a_wrong_state_is_refused(self, name: str, spoil: Any) -> None:
        intervals = PredictionIntervals((0.9,))
        intervals.update_many(*uneven(600), 0.9)
        state = intervals.save()
        with pytest.raises(ValueError, match="must"):
            PredictionIntervals((0.9,)).restore({**state, name: spoil(state[name])})
        del state[name]
        with pytest.raises(KeyError):
            PredictionIntervals((0.9,)).restore(state)


class TestArguments:
    @pytest.mark.parametrize("levels", [(), (0.0,), (1.0,), (math.nan,), (0.9, 0.9), ("0.9",), (0.5,) * 17])
    def test_levels_are_checked(self, levels: Any) -> None:
        with pytest.raises(ValueError, match=r"The levels must be 1 to 16 different numbers > 0 and < 1\. Got"):
            PredictionIntervals(levels)

    def test_a_level_must_be_calibrated(self) -> None:
        intervals = PredictionIntervals((0.8, 0.9))
        with pytest.raises(ValueError, match=r"must be one of those that are calibrated: 0\.8, 0\.9\. Got 0\.95"):
            intervals.interval(1.0, 0.95)
        with pytest.raises(ValueError, match=r"one prediction a target\. Got 2 for 3 targets"):
            intervals.update_many(np.zeros(3), np.zeros(2), 0.9)
