"""Recursive least squares of the members, against their reference and batch least squares."""

from __future__ import annotations

import numpy as np
import pytest

from edgedescent.ensemble._least_squares import LeastSquares
from reference.ensemble import LeastSquares as Specified
from support.triangles import symmetric


def compiled(size: int, forgetting: float, prior: float, dense_max: int = 96) -> LeastSquares:
    model = LeastSquares(dense_max, forgetting, prior)
    model.start_all(size)
    return model


@pytest.mark.parametrize("forgetting", [1.0, 0.999, 0.95])
def test_the_steps_are_those_specified(forgetting: float) -> None:
    rng = np.random.default_rng(1)
    model, specified = compiled(5, forgetting, 100.0), Specified(5, forgetting, 100.0)
    places = np.arange(5, dtype=np.int32)
    for n in range(300):
        z = rng.normal(size=5) * [1, 1, 1, 0.01, n % 50 == 0]
        target = float(z @ [1, -2, 3, 40, 5] + rng.standard_t(2))
        assert model.predict_one(places, z) == pytest.approx(specified.w @ z, rel=1e-5, abs=1e-7)
        model.learn_one(places, z, target)
        specified.learn(z, target)
    np.testing.assert_allclose(model.save()["weights"], specified.w, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(symmetric(model.save()["matrix"]), specified.p, rtol=1e-4, atol=1e-6)


def test_a_run_of_clipped_errors_is_a_change_and_is_followed_as_specified() -> None:
    rng = np.random.default_rng(6)
    model, specified = compiled(3, 0.9998, 100.0), Specified(3, 0.9998, 100.0)
    places, weights = np.arange(3, dtype=np.int32), np.array([1.0, -2.0, 0.5])
    for n in range(430):
        z = rng.normal(size=3)
        if n == 400:
            weights = 30.0 * weights
        target = float(z @ weights + 0.1 * rng.normal())
        if n in (100, 200, 201, 300):
            # Outliers that are alone are clipped, and change little.
            target += 100.0
        model.learn_one(places, z, target)
        specified.learn(z, target)
        assert model.predict_one(places, z) == pytest.approx(specified.w @ z, rel=1e-4, abs=1e-4)
        if n == 399:
            np.testing.assert_allclose(model.save()["weights"], weights, atol=0.1)
    np.testing.assert_allclose(model.save()["weights"], weights, atol=0.3)


def test_without_forgetting_it_is_ridge_regression() -> None:
    rng = np.random.default_rng(2)
    x, places = rng.normal(size=(200, 4)), np.arange(4, dtype=np.int32)
    y = x @ [1.0, 2.0, 3.0, 4.0]
    model = compiled(4, 1.0, 10.0)
    for z, target in zip(x, y, strict=True):
        model.learn_one(places, z, float(target))
    # No error of an exact line is clipped.
    ridge = np.linalg.solve(x.T @ x + np.eye(4) / 10.0, x.T @ y)
    np.testing.assert_allclose(model.save()["weights"], ridge, rtol=1e-4)


def test_parameters_beyond_the_matrix_are_learned_alone() -> None:
    rng = np.random.default_rng(3)
    model, places = compiled(6, 0.999, 100.0, dense_max=3), np.array([1, 4, 5], dtype=np.int32)
    for _ in range(500):
        z = rng.normal(size=3)
        model.learn_one(places, z, float(z @ [2.0, -1.0, 0.5]))
    state = model.save()
    np.testing.assert_allclose(state["weights"], [0, 2.0, 0, 0, -1.0, 0.5], atol=1e-2)
    assert state["matrix"].shape == (6,)


@pytest.mark.parametrize("dense_max", [4, 2])
def test_what_does_not_vary_makes_no_variance_grow(dense_max: int) -> None:
    model, places = compiled(4, 0.9, 100.0, dense_max), np.arange(4, dtype=np.int32)
    rng = np.random.default_rng(4)
    for _ in range(3000):
        model.learn_one(places, np.array([1.0, 1.0, 0.0, rng.normal()]), 1.0)
    state = model.save()
    # The largest variance is lowered to the initial one at each event, and their mean is at most twice as large.
    assert np.trace(symmetric(state["matrix"])) <= 2.0 * 100.0 * dense_max / 0.9
    assert state["variances"][dense_max:].max(initial=0.0) <= 100.0


def test_a_target_that_overflows_begins_anew() -> None:
    model, places = compiled(2, 0.99, 100.0), np.arange(2, dtype=np.int32)
    model.learn_one(places, np.ones(2), 1.0)
    model.learn_one(places, np.array([np.inf, 1.0]), 1.0)
    assert model.n_restarts == 1
    assert not model.save()["weights"].any()


def test_a_matrix_that_rounding_has_broken_begins_anew_and_the_weights_stay() -> None:
    model, places = compiled(2, 0.99, 100.0), np.arange(2, dtype=np.int32)
    for z in ([1.0, 0.0], [0.0, 1.0]):
        model.learn_one(places, np.array(z), 3.0)
    state = model.save()
    # Its diagonal is positive, but not the form.
    state["matrix"][:] = [1.0, -2.0, 1.0]
    state["variances"][:] = 1.0
    model.restore(state, 2)
    model.learn_one(places, np.ones(2), 3.0)
    after = model.save()
    assert model.n_restarts == 1
    # Each parameter begins anew at its next event.
    assert after["variances"].tolist() == [0.0, 0.0]
    assert after["weights"].tolist() == state["weights"].tolist()


def test_a_stream_that_one_input_explains_almost_exactly_stays_learned() -> None:
    rng = np.random.default_rng(6)
    model, places, errors = compiled(8, 0.99, 100.0), np.arange(8, dtype=np.int32), []
    for _ in range(20_000):
        z = rng.normal(size=8) * [1, 1, 1, 1, 1e-3, 1e-3, 1, 0]
        z[6] = z[0] + 1e-7 * rng.normal()
        target = float(1e3 * z[0] + rng.normal())
        errors.append(abs(model.predict_one(places, z) - target))
        model.learn_one(places, z, target)
    assert np.mean(errors[-5000:]) < 2.0


def test_room_for_more_keeps_what_was_learned() -> None:
    model, places = compiled(3, 0.999, 100.0), np.arange(3, dtype=np.int32)
    rng = np.random.default_rng(5)
    for _ in range(20):
        z = rng.normal(size=3)
        model.learn_one(places, z, float(z.sum()))
    before = model.save()
    restored = LeastSquares(96, 0.999, 100.0)
    restored.restore(before, 3)
    for one in (model, restored):
        one.learn_one(places, np.ones(3), 2.0)
    assert all(np.array_equal(value, restored.save()[name]) for name, value in model.save().items())


@pytest.mark.parametrize(
    ("name", "value"),
    [("weights", np.zeros(2)), ("matrix", np.ones(5)), ("numbers", np.array([-1.0, 0.0]))],
)
def test_an_inconsistent_state_is_refused(name: str, value: object) -> None:
    model = compiled(3, 0.999, 100.0)
    with pytest.raises(ValueError, match=r"least squares|covariance"):
        model.restore({**model.save(), name: value}, 3)
