"""Scores of numbers and intervals, and of single predictions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent.evaluation import (
    ErrorCurve,
    OptimumRegret,
    Prequential,
    RegressionScores,
    absolute_errors,
    covered,
    interval_scores,
    last_value_errors,
    quantile_losses,
    widths,
)
from reference.evaluation import Regression

values = st.integers(-20, 20).map(lambda number: number / 4)
rows = st.lists(st.tuples(st.one_of(values, st.just(math.nan)), values, values, values.map(abs)), max_size=40)
Rows = list[tuple[float, float, float, float]]


def table(rows: Rows) -> np.ndarray[Any, np.dtype[np.float64]]:
    columns = np.array(rows, dtype=np.float64).reshape(-1, 4).T.copy()
    columns[3] += columns[2]
    return columns


@given(rows, st.sampled_from([("all", 0), ("window", 5), ("fading", 0.8)]), st.integers(1, 3), st.integers(1, 40))
def test_agrees_with_the_definition_however_it_is_cut(
    rows: Rows, weights: tuple[str, float], season: int, size: int
) -> None:
    kind, amount = weights
    options: dict[str, Any] = {"all": {}, "window": {"window": amount}, "fading": {"fading": amount}}[kind]
    scores = RegressionScores(season=season, quantile=0.75, **options)
    columns = table(rows)
    for start in range(0, columns.shape[1], size):
        scores.update_many(*columns[:, start : start + size])
    expected = Regression(kind, amount, season, 0.75).scores(*columns.tolist())
    found = scores.summary()
    for name in ("r2", "mase"):
        # Rounding can leave a little of a variance that is 0.
        if name not in expected:
            found.pop(name, None)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(rows)
def test_without_options_it_is_the_prequential_error(rows: Rows) -> None:
    scores, errors = RegressionScores(), Prequential()
    y, prediction, _, _ = table(rows)
    scores.update_many(y, prediction)
    errors.update_many(y, prediction)
    found, expected = scores.summary(), errors.summary()
    assert found == pytest.approx({name: expected[name] for name in found}, rel=1e-9, abs=1e-9)


def test_intervals_by_hand() -> None:
    scores = RegressionScores()
    scores.update_many([0.0, 1.0, 2.0, 3.0], [0.0] * 4, lower=[0.0, 1.0, 0.0, 4.0], upper=[0.0, 3.0, 1.0, 5.0])
    found = scores.summary()
    assert (found["coverage"], found["mean_width"]) == (1 / 3, 4 / 3)


def test_intervals_come_with_every_batch_or_with_none() -> None:
    scores = RegressionScores()
    scores.update_many([1.0], [1.0])
    with pytest.raises(ValueError, match="every batch"):
        scores.update_many([1.0], [1.0], [0.0], [2.0])
    with pytest.raises(ValueError, match="both bounds"):
        RegressionScores().update_many([1.0], [1.0], lower=[0.0])


@pytest.mark.parametrize(
    "options",
    [{"window": 0}, {"fading": 0.0}, {"fading": 1.5}, {"window": 5, "fading": 0.5}, {"season": 0}, {"quantile": 1.0}],
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"Got|Choose"):
        RegressionScores(**options)


def test_single_predictions_by_hand() -> None:
    assert quantile_losses([1.0, 1.0, 1.0], [0.0, 2.0, 1.0], 0.9).tolist() == pytest.approx([0.9, 0.1, 0.0])
    assert last_value_errors([1.0, 5.0, 2.0, 9.0], season=2).tolist()[2:] == [1.0, 4.0]
    assert covered([1.0, 1.0, math.nan], [1.0, 2.0, 0.0], [2.0, 1.0, 1.0]).tolist()[:2] == [1.0, 0.0]
    assert np.isnan(covered([math.nan], [0.0], [1.0])).all()
    assert widths([0.0], [3.0]).tolist() == [3.0]


def test_interval_scores_are_those_of_the_two_quantiles() -> None:
    rng = np.random.default_rng(0)
    y, lower = rng.standard_normal(200), rng.standard_normal(200)
    upper = lower + rng.uniform(0.0, 3.0, 200)
    for level in (0.5, 0.9):
        alpha = 1.0 - level
        losses = quantile_losses(y, lower, alpha / 2) + quantile_losses(y, upper, 1.0 - alpha / 2)
        np.testing.assert_allclose(interval_scores(y, lower, upper, level), 2.0 / alpha * losses, rtol=1e-12)
    assert np.isnan(interval_scores([math.nan], [0.0], [1.0], 0.9)).all()
    for level in (0.0, 1.0, math.nan):
        with pytest.raises(ValueError, match="The level must be > 0 and < 1"):
            interval_scores([1.0], [0.0], [1.0], level)


def test_diverged_predictions_have_the_errors_that_the_prequential_error_has() -> None:
    y, prediction = np.ones(4), np.array([0.0, math.nan, math.inf, -1e300])
    errors = Prequential()
    errors.update_many(y, prediction)
    assert absolute_errors(y, prediction)[1:].mean() == errors.summary()["mae"]
    assert np.isnan(absolute_errors([math.nan, math.inf, 1e200], [0.0] * 3)).all()


@pytest.mark.parametrize("shapes", [((2,), (3,)), ((1, 2), (1, 2)), ((), ())])
def test_shapes_are_checked(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="one dimension and one length"):
        absolute_errors(np.zeros(shapes[0]), np.zeros(shapes[1]))
    with pytest.raises(ValueError, match="season"):
        last_value_errors([1.0], season=0)
    with pytest.raises(ValueError, match="quantile"):
        quantile_losses([1.0], [1.0], 1.0)


def test_regret_by_hand_and_in_any_cut() -> None:
    # y - p: 1, -2, 3; y - o: 0, -1, 4; p - o: -1, 1, 1. The last event has no optimum.
    y, p, o = np.array([3.0, 1.0, 5.0, 7.0]), np.array([2.0, 3.0, 2.0, 0.0]), np.array([3.0, 2.0, 1.0, math.nan])
    whole, cut = OptimumRegret(), OptimumRegret()
    assert whole.summary() == {}
    whole.update_many(y, p, o)
    for i in range(4):
        cut.update_many(y[i : i + 1], p[i : i + 1], o[i : i + 1])
    assert whole.n_scored == 3
    assert whole.summary() == cut.summary()
    assert whole.summary() == pytest.approx(
        {"excess_absolute": 1 / 3, "excess_squared": (1 + 3 - 7) / 3, "distance_squared": 1.0}
    )


class TestErrorCurve:
    @given(
        st.lists(st.tuples(st.integers(1, 200), st.floats(-100, 100), st.floats(-100, 100)), max_size=60),
        st.integers(1, 60),
    )
    def test_windows_hold_their_events_however_the_stream_is_cut(
        self, events: list[tuple[int, float, float]], size: int
    ) -> None:
        whole, cut = ErrorCurve(points=8), ErrorCurve(points=8)
        number, y, prediction = np.array(events, dtype=np.float64).reshape(-1, 3).T
        whole.update_many(number.astype(int), y, prediction)
        for start in range(0, len(events), size):
            part = slice(start, start + size)
            cut.update_many(number[part].astype(int), y[part], prediction[part])
        assert whole.size == cut.size
        assert whole.errors.tobytes() == cut.errors.tobytes()
        windows: dict[int, list[float]] = {}
        for n, target, predicted in events:
            windows.setdefault(-(-n // whole.size) * whole.size, []).append(abs(target - predicted))
        assert whole.numbers.tolist() == sorted(windows)
        expected = [math.fsum(windows[n]) / len(windows[n]) for n in sorted(windows)]
        assert whole.errors.tolist() == pytest.approx(expected)
        assert len(windows) <= 8

    def test_the_size_grows_with_the_stream_and_fits_a_known_length(self) -> None:
        curve = ErrorCurve(points=100)
        curve.update_many(np.arange(1, 1001), np.ones(1000), np.zeros(1000))
        assert (curve.size, len(curve.errors)) == (16, 63)
        curve = ErrorCurve(points=100, length=1050)
        curve.update_many([1050], [1.0], [0.0])
        assert (curve.size, curve.numbers.tolist()) == (11, [1056])

    def test_unscored_events_are_skipped_and_wrong_ones_refused(self) -> None:
        curve = ErrorCurve()
        curve.update_many([1, 2], [math.nan, 1.0], [0.0, 0.0])
        assert curve.numbers.tolist() == [2]
        with pytest.raises(ValueError, match=r"numbered from 1\. Got 0"):
            curve.update_many([0], [1.0], [1.0])
        with pytest.raises(ValueError, match="one number an event"):
            curve.update_many([1, 2], [1.0], [1.0])
        for options in ({"points": 3}, {"points": 0}, {"length": 0}):
            with pytest.raises(ValueError, match="Got"):
                ErrorCurve(**options)
