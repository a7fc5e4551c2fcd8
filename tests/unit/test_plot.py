"""Plots show what they are given."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt

from edgedescent import LinearRegressor, LogisticRegressor, plot

RNG = np.random.default_rng(4)


@pytest.fixture(autouse=True)
def without_screen() -> Iterator[None]:
    mpl.use("Agg")
    yield
    plt.close("all")


def test_errors_are_means_over_the_window() -> None:
    y = np.array([1.0, 3.0, 2.0, 6.0])
    axes = plot.error_over_time(y, {"ours": y - 1.0, "theirs": y + 2.0}, window=2)
    lines = {line.get_label(): line for line in axes.lines}
    assert list(lines) == ["ours", "theirs", "last value", "mean so far"]
    assert lines["ours"].get_ydata().tolist() == [1.0, 1.0, 1.0, 1.0]
    assert lines["theirs"].get_ydata().tolist() == [2.0, 2.0, 2.0, 2.0]
    assert lines["last value"].get_ydata().tolist() == [1.0, 1.5, 1.5, 2.5]
    assert lines["mean so far"].get_ydata().tolist() == [1.0, 1.5, 1.0, 2.0]
    assert lines["ours"].get_xdata().tolist() == [1, 2, 3, 4]


def test_a_long_stream_has_few_points_and_gaps_do_no_harm() -> None:
    y = RNG.normal(size=50_000)
    y[100:400] = np.nan
    axes = plot.error_over_time(y, np.zeros(50_000), window=100)
    assert all(len(line.get_xdata()) <= 2000 for line in axes.lines)
    assert np.isnan(np.asarray(axes.lines[0].get_ydata(), dtype=float)).any()
    plot.error_over_time([], [])
    plt.figure()
    own = plt.gca()
    assert plot.error_over_time([1.0], [1.0], ax=own) is own


def test_the_largest_coefficients_are_drawn() -> None:
    history = [{"a": 0.1}, {"a": 0.5, "b": -2.0}, {"a": 0.4, "b": -1.0, "c": 0.01}]
    axes = plot.coefficients_over_time(history, events=[10, 20, 30], largest=2)
    assert [line.get_label() for line in axes.lines[1:]] == ["b", "a"]
    assert np.isnan(axes.lines[1].get_ydata()[0])  # type: ignore[index, arg-type]
    assert axes.lines[2].get_ydata().tolist() == [0.1, 0.5, 0.4]  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="`events` must be 3 numbers"):
        plot.coefficients_over_time(history, events=[1])


def test_calibration_of_a_learner_is_near_the_diagonal() -> None:
    X = RNG.normal(size=(4000, 1))
    y = RNG.random(4000) < 1.0 / (1.0 + np.exp(-2.0 * X[:, 0]))
    axes = plot.calibration(y[500:], LogisticRegressor().learn_many(X, y)[500:], bins=8)
    predicted, came = (np.asarray(values, dtype=float) for values in axes.lines[1].get_data())
    assert len(predicted) == 8
    assert np.abs(predicted - came).max() < 0.1


def test_coverage_is_that_of_the_intervals() -> None:
    model = LinearRegressor(interval_levels=(0.8,))
    y = RNG.normal(size=1500)
    bounds = []
    for value in y.tolist():
        bounds.append(model.predict_interval_one({}, 0.8))
        model.learn_one({}, value)
    low, high = np.array(bounds).T
    axes = plot.coverage_over_time(y, low, high, 0.8, window=500)
    assert axes.lines[1].get_ydata()[-1] == pytest.approx(0.8, abs=0.06)  # type: ignore[index]


def test_wrong_arguments_are_refused() -> None:
    for call, message in (
        (lambda: plot.error_over_time([1.0, 2.0], [1.0]), "`model` must be 2 numbers"),
        (lambda: plot.error_over_time([1.0], [1.0], window=0), "`window` must be >= 1"),
        (lambda: plot.calibration([1.0], [1.5]), "from 0 to 1"),
        (lambda: plot.calibration([1.0], [0.5], bins=0), "`bins` must be >= 1"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_matplotlib_is_imported_late_and_its_absence_told() -> None:
    code = (
        "import sys, edgedescent; plot = edgedescent.plot; assert 'matplotlib' not in sys.modules;"
        "sys.modules['matplotlib'] = None\n"
        "try: plot.error_over_time([1.0], [1.0])\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "edgedescent.plot needs matplotlib: pip install 'edgedescent[plot]'"
