"""Recursive least squares: the recursion, a million steps, and rows that come and go."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgedescent import LinearRegressor
from edgedescent.losses import AdaptiveHuberLoss, SquaredLoss
from edgedescent.optim import RLS, Adam
from edgedescent.optim._parameter_table import ParameterTable
from edgedescent.optim._stepper import run_steps
from edgedescent.testing.support import bits
from reference.optim import specified_steps
from support.triangles import symmetric

Floats = NDArray[np.float64]


def line(n_events: int, n_features: int, seed: int = 0) -> tuple[Floats, Floats]:
    """Features and targets of a line with noise."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(n_events, n_features))
    return x, x @ random.normal(size=n_features) + 0.1 * random.normal(size=n_events)


def covariance(model: LinearRegressor) -> Floats:
    return symmetric(model.state_dict()["weights.covariance"])


def test_without_forgetting_the_weights_are_those_of_ridge_regression() -> None:
    x, y = line(200, 6)
    w, p = np.zeros(6), 3.0
    gradients, slopes = [], []
    for t in range(len(y)):
        slope = x[t] @ w - y[t]
        gradients.append(slope * x[t])
        slopes.append(slope)
        # The solution of all events so far, by another way than the recursion.
        w = np.linalg.solve(x[: t + 1].T @ x[: t + 1] + np.eye(6) / p, x[: t + 1].T @ y[: t + 1])
    path, _, _ = run_steps(RLS(forgetting=1.0, prior=p), gradients, np.zeros(6), 0.0, slopes)
    np.testing.assert_allclose(path[-1], w, rtol=1e-9)


@pytest.mark.parametrize("dense_max", [1, 2, 3, 5, 200])
@pytest.mark.parametrize(("forgetting", "atol"), [(0.8, 2e-6), (0.9, 1e-9), (0.95, 1e-9), (1.0, 1e-9)])
def test_parameters_beyond_the_bound_have_a_variance_alone(dense_max: int, forgetting: float, atol: float) -> None:
    # A memory of 5 events for 5 parameters: 0.8 forgets so fast that rounding errors grow from event to event.
    optimizer = RLS(dense_max=dense_max, forgetting=forgetting)
    random = np.random.default_rng(3)
    g = random.normal(size=(300, 5)) @ np.diag([1.0, 0.1, 3.0, 1.0, 0.01])
    g[random.random(g.shape) < 0.2] = np.nan
    slopes = random.normal(size=300)
    path, _, undone = run_steps(optimizer, g, np.zeros(5), 0.0, slopes)
    expected, _ = specified_steps(optimizer, g, np.zeros(5), 0.0, slopes, np.zeros(300))
    np.testing.assert_allclose(path, expected, rtol=1e-6, atol=atol)
    assert undone == 0


def test_memory_is_bounded_by_the_number_of_parameters_that_share_a_matrix() -> None:
    model = LinearRegressor(optimizer=RLS(dense_max=20))
    x, y = line(50, 40)
    model.learn_many(x, y)
    state = model.state_dict()
    assert state["weights.covariance"].shape == (20 * 21 // 2,)
    assert state["weights.variance"].shape == (41, 1)
    assert (state["weights.variance"] > 0.0).all()
    # Tables with several parameters per feature have no matrix.
    assert [array.shape for array in ParameterTable(RLS(), 3, 4).save(4)] == [(4, 3)] * 6 + [(0,)]


def test_a_million_steps_with_collinear_and_constant_features_keep_the_covariance_bounded() -> None:
    random = np.random.default_rng(1)
    block = 50_000
    model = LinearRegressor()
    for part in range(20):
        a, b = random.normal(size=(2, block))
        near = a + 1e-9 * random.normal(size=block)
        rest = np.full(block, 7.0) if part % 2 else np.zeros(block)
        x = np.column_stack([a, a, near, a + b, b, np.full(block, 3.0), rest, 1e-6 * b])
        y = 2.0 * a - b + 5.0 + 0.1 * random.normal(size=block)
        errors = np.abs(model.learn_many(x, y) - y)
        p = covariance(model)
        eigenvalues = np.linalg.eigvalsh(p)
        assert np.array_equal(p, p.T)
        assert eigenvalues.min() > -1e-9
        assert np.diag(p).max() <= 2.0 * 3.0 * len(p)
        assert errors[block // 2 :].mean() < 0.09
    assert model.counts()["updates_undone"] == 0
    assert abs(model.state_dict()["weights"]).max() < 10.0
    # It still follows a change at once.
    a, b = random.normal(size=(2, 2000))
    x = np.column_stack([a, a, a, a + b, b, np.full(2000, 3.0), np.zeros(2000), 1e-6 * b])
    errors = np.abs(model.learn_many(x, b - a + 5.0) - (b - a + 5.0))
    assert errors[1000:].mean() < 0.2


def test_a_clipped_residual_moves_the_weights_by_no_more_than_the_clip() -> None:
    x, y = line(1000, 3)
    moves = {}
    for loss in (AdaptiveHuberLoss(), SquaredLoss()):
        model = LinearRegressor(loss=loss)
        model.learn_many(x[:-1], y[:-1])
        before = model.state_dict()["weights"]
        model.learn_many(x[-1:], [1e6])
        moves[type(loss)] = np.abs(model.state_dict()["weights"] - before).max()
    assert moves[AdaptiveHuberLoss] < 0.01 < moves[SquaredLoss]


def test_a_feature_that_comes_late_begins_with_the_initial_variance() -> None:
    model = LinearRegressor()
    x, y = line(2000, 4)
    names = ["a", "b", "c", "d"]
    model.learn_many(x[:1000, :3], y[:1000], names[:3])
    model.learn_many(x[1000:1001], y[1000:1001], names)
    # Its first value is its mean, which tells nothing about its weight.
    *others, own = covariance(model)[4].tolist()
    assert others == [0.0] * 4
    assert own == 3.0
    predictions = model.learn_many(x[1001:], y[1001:], names)
    assert np.abs(predictions - y[1001:])[500:].mean() < 0.2


def test_an_evicted_row_leaves_nothing_behind() -> None:
    model = LinearRegressor(features_max=2)
    x, y = line(200, 2)
    model.learn_many(x, y, ["a", "b"])
    assert covariance(model)[1:, 0].all()
    n = 0
    while "c" not in model.encoder.vocabulary:
        model.learn_one({"c": float(n % 3)}, float(n % 3))
        n += 1
    row = list(model.encoder.vocabulary.keys()).index("c") + 1
    p = covariance(model)
    assert p[row, row] == 3.0
    assert not np.delete(p[row], row).any()
    assert not np.delete(p[:, row], row).any()


def test_an_abrupt_change_is_followed_within_tens_of_events() -> None:
    random = np.random.default_rng(3)
    x, w = random.normal(size=(21_000, 5)), random.normal(size=5)
    flipped = w * np.array([-1.0, -1.0, 1.0, 1.0, 1.0])
    y = np.r_[x[:20_000] @ w, x[20_000:] @ flipped] + 0.1 * random.normal(size=21_000)
    model, fresh = LinearRegressor(), LinearRegressor()
    model.learn_many(x[:20_000], y[:20_000])
    changed, anew = (np.abs(m.learn_many(x[20_000:], y[20_000:]) - y[20_000:])[100:500].mean() for m in (model, fresh))
    assert changed <= 1.2 * anew


def test_missing_features_keep_their_weights_and_variances() -> None:
    model = LinearRegressor()
    x, y = line(300, 3)
    model.learn_many(x, y, ["a", "b", "c"])
    before, p = model.state_dict(), covariance(model)
    for row, target in zip(x, y, strict=True):
        model.learn_one({"a": row[0], "c": row[2]}, target)
    after, q = model.state_dict(), covariance(model)
    assert after["weights"][2] == before["weights"][2]
    assert q[2, 2] == p[2, 2]
    assert np.linalg.eigvalsh(q).min() > 0.0


def test_an_intercept_that_lags_behind_follows_faster() -> None:
    random = np.random.default_rng(5)
    level = np.cumsum(random.normal(size=5000))
    x = random.normal(size=(5000, 2))
    errors = {
        drift: np.abs(LinearRegressor(optimizer=RLS(drift=drift)).learn_many(x, level) - level)[500:].mean()
        for drift in (0.0, 1.0)
    }
    assert errors[1.0] < 0.5 * errors[0.0]
    # White residuals leave the variance alone.
    x, y = line(5000, 2)
    white = [LinearRegressor(optimizer=RLS(drift=drift)).learn_many(x, y) - y for drift in (0.0, 1.0)]
    assert np.abs(white[1])[500:].mean() < 1.02 * np.abs(white[0])[500:].mean()


@pytest.mark.parametrize("n_features", [3, 40])
def test_a_restored_learner_goes_on_bit_for_bit(n_features: int) -> None:
    x, y = line(400, n_features)
    model, restored = (LinearRegressor(optimizer=RLS(dense_max=30)) for _ in range(2))
    model.learn_many(x[:200], y[:200])
    # Learned something else before, of which nothing may stay.
    restored.learn_many(x[:7, :2] + 5.0, y[:7])
    restored.load_state_dict(model.state_dict())
    assert bits(restored) == bits(model)
    assert model.learn_many(x[200:], y[200:]).tobytes() == restored.learn_many(x[200:], y[200:]).tobytes()
    assert bits(restored) == bits(model)


def test_the_error_is_below_that_of_adam_where_features_are_correlated() -> None:
    random = np.random.default_rng(7)
    x, _ = line(3000, 8)
    x = x @ random.normal(size=(8, 8))
    y = x @ random.normal(size=8)
    errors: dict[str, Any] = {
        type(optimizer).__name__: np.abs(LinearRegressor(optimizer=optimizer).learn_many(x, y) - y)[100:].mean()
        for optimizer in (RLS(), Adam())
    }
    assert errors["RLS"] < 0.6 * errors["Adam"]


def test_categories_that_share_a_row_change_it_once() -> None:
    model = LinearRegressor(hash_bits=1)
    for n in range(500):
        model.learn_one({name: f"{name}{n % 3}" for name in "abcdef"}, float(n % 3))
    p = covariance(model)
    assert np.array_equal(p, p.T)
    assert np.linalg.eigvalsh(p).min() > -1e-9


def penalized(**parameters: Any) -> dict[str, float]:
    """Weights of a line whose third feature means nothing."""
    random = np.random.default_rng(7)
    x = random.normal(size=(3000, 3))
    model = LinearRegressor(**parameters)
    model.learn_many(x, x @ [3.0, -2.0, 0.0] + 0.3 * random.normal(size=3000))
    _, *weights = model.state_dict()["weights"].ravel().tolist()
    return dict(zip("abc", weights, strict=True))


def test_a_penalty_makes_weights_smaller() -> None:
    free, ridge = penalized(), [penalized(l2=l2) for l2 in (0.1, 1.0)]
    # With unit variances, the solution of ridge regression is w / (1 + l2).
    for found, l2 in zip(ridge, (0.1, 1.0), strict=True):
        assert found["a"] == pytest.approx(free["a"] / (1 + l2), rel=0.1)
        assert found["b"] == pytest.approx(free["b"] / (1 + l2), rel=0.1)


def test_l1_removes_what_means_nothing_and_keeps_the_rest() -> None:
    free, sparse = penalized(), penalized(l1=0.02)
    assert abs(sparse["c"]) < 0.2 * abs(free["c"])
    # With unit variances, weights become smaller by l1.
    assert sparse["a"] == pytest.approx(free["a"] - 0.02, abs=0.02)
    assert sparse["b"] == pytest.approx(free["b"] + 0.02, abs=0.02)
