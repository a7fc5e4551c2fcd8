"""Boosted trees that correct a mixture: against their reference, and what they can do."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest

from edgedescent import AutoRegressor
from edgedescent.ensemble._boosted_trees import BoostedTrees
from edgedescent.ensemble._event_ring import EventRing
from edgedescent.ensemble._inputs import InputBuffer
from edgedescent.ensemble.members import BUDGETS, TreesSpec
from edgedescent.losses import AbsoluteLoss, Loss, QuantileLoss, SquaredLoss
from reference.boosted_trees import BoostedTrees as Specified
from reference.ensemble import Vector

N_LAGS = 2
ABSOLUTE = AbsoluteLoss()
SCALE = (1.0, 0.5, 2.0, 1.5)


class Ensemble:
    """Trees with their ring."""

    def __init__(self, size: int = 2000, n_trees_max: int = 6, seed: int = 3, loss: Loss = ABSOLUTE) -> None:
        self.ring, self.trees = EventRing(size, N_LAGS + 1), BoostedTrees(size, n_trees_max, 100, seed, loss)
        self.buffer = InputBuffer(N_LAGS)

    def predict(self, z: Vector, mixed: float) -> float:
        # An input beyond those that count.
        self.buffer.set([*range(len(z)), 70], [*z, 1e6])
        return self.trees.predict_one(self.buffer, *SCALE, mixed)

    def learn(self, z: Vector, mixed: float, y: float) -> float:
        predicted = self.predict(z, mixed)
        self.trees.learn_one(self.ring, self.buffer, *SCALE, mixed, y)
        return predicted

    def restored(self) -> Ensemble:
        other = Ensemble(self.ring.size, self.trees.n_trees_max)
        other.ring.restore(self.ring.save(), 80, N_LAGS + 1)
        other.trees.restore(self.trees.save(self.ring), other.ring)
        return other


def inputs(rng: np.random.Generator) -> Vector:
    """Continuous inputs, a flag that is rarely set, an integer and a constant."""
    return np.array([*rng.normal(size=7), rng.random() < 0.05, rng.integers(5), 1.0])


def label(z: Vector, rng: np.random.Generator) -> float:
    return 3.0 * (z[0] > 0.3) + 2.0 * z[7] + z[8] * (z[1] > 0) + 0.3 * float(rng.normal())


@pytest.mark.parametrize("loss", [ABSOLUTE, SquaredLoss(), QuantileLoss(q=0.9)], ids=repr)
def test_trees_are_those_specified(loss: Loss) -> None:
    rng = np.random.default_rng(1)
    ensemble, specified = Ensemble(loss=loss), Specified(6, 3, loss)
    for n in range(1150):
        z, mixed = inputs(rng), float(rng.normal())
        y = label(z, rng) + 0.5 * mixed
        row = specified.row(z, *SCALE, mixed)
        expected = mixed + SCALE[3] * specified.output(row)
        assert ensemble.learn(z, mixed, y) == pytest.approx(expected, rel=1e-9, abs=1e-9), n
        specified.learn(row, float(np.clip((y - mixed) / SCALE[3], -10, 10)))
    slots, thresholds, values = ensemble.trees.trees()
    assert ensemble.trees.n_fitted == specified.n_fitted == 11
    for i, tree in enumerate(specified.trees):
        np.testing.assert_array_equal(slots[i], tree.slots)
        np.testing.assert_array_equal(thresholds[i], tree.thresholds)
        np.testing.assert_allclose(values[i], tree.values, rtol=1e-9, atol=1e-12)
    assert len(np.unique(slots)) >= 5


def test_steps_and_interactions_are_learned() -> None:
    rng = np.random.default_rng(2)
    ensemble = Ensemble(n_trees_max=50)
    errors = []
    for n in range(6000):
        z = inputs(rng)
        y = label(z, rng)
        predicted = ensemble.learn(z, 2.0, y)
        if n >= 5000:
            errors.append((abs(predicted - y), abs(2.0 - y)))
    corrected, mixed = np.mean(errors, axis=0)
    assert corrected < 0.5 * mixed


def test_outlying_labels_hardly_matter() -> None:
    predictions = []
    for share in (0.0, 0.02):
        rng, outliers = np.random.default_rng(3), np.random.default_rng(4)
        ensemble = Ensemble(n_trees_max=50)
        for _ in range(3000):
            z = inputs(rng)
            y = label(z, rng)
            ensemble.learn(z, 2.0, 1e6 if outliers.random() < share else y)
        predictions.append([ensemble.predict(inputs(rng), 2.0) for _ in range(200)])
    assert np.abs(np.subtract(*predictions)).mean() < 0.3


@pytest.mark.parametrize("size", [70, 150, 2500])
def test_saved_trees_go_on_to_the_last_bit(size: int) -> None:
    rng = np.random.default_rng(size)
    one = Ensemble(size)
    for _ in range(750):
        one.learn(inputs(rng), float(rng.normal()), float(rng.normal()))
    assert one.trees.n_fitted > 0
    other = one.restored()
    for _ in range(400):
        z, mixed, y = inputs(rng), float(rng.normal()), float(rng.normal())
        assert one.learn(z, mixed, y) == other.learn(z, mixed, y)
    for name, value in one.trees.save(one.ring).items():
        np.testing.assert_array_equal(value, other.trees.save(other.ring)[name])


def test_predicting_changes_nothing() -> None:
    rng = np.random.default_rng(6)
    ensemble = Ensemble()
    for _ in range(300):
        ensemble.learn(inputs(rng), 0.0, float(rng.normal()))
    before = ensemble.trees.save(ensemble.ring)
    for _ in range(10):
        ensemble.predict(inputs(rng), float(rng.normal()))
    for name, value in ensemble.trees.save(ensemble.ring).items():
        np.testing.assert_array_equal(value, before[name])


def broken(state: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    return {**state, f"trees.{name}": value}


@pytest.mark.parametrize(
    ("name", "change", "match"),
    [
        ("numbers", lambda array: array[:1], "2 numbers"),
        ("numbers", lambda array: array - 10_000, "2 numbers"),
        ("numbers", lambda array: array + np.array([0, 1_000_000]), "do not fit"),
        ("errors", lambda array: -array, "2 errors >= 0"),
        ("random", lambda array: array[:0], "1 random number"),
        ("slots", lambda array: array + 66, "inputs that do not exist"),
        ("slots", lambda array: array - 100, "inputs that do not exist"),
        ("slots", lambda array: array[:, :3], "must have 3 trees"),
        ("values", lambda array: array[:1], "must have 3 trees"),
        ("targets", lambda array: array[1:], "do not fit"),
        ("mixed", lambda array: array[:, :1], "do not fit"),
    ],
)
def test_an_inconsistent_state_is_refused(name: str, change: Any, match: str) -> None:
    rng = np.random.default_rng(5)
    ensemble = Ensemble()
    for _ in range(300):
        ensemble.learn(inputs(rng), 0.0, float(rng.normal()))
    state = ensemble.trees.save(ensemble.ring)
    with pytest.raises(ValueError, match=match):
        ensemble.trees.restore(broken(state, name, change(state[f"trees.{name}"])), ensemble.ring)


# --- In the automatic regressor ---------------------------------------------------------------------------------------


def of_steps(rng: random.Random) -> tuple[dict[str, Any], float]:
    """An event with a label that jumps where features cross a bound."""
    x = {f"f{i}": rng.random() for i in range(5)}
    y = 5.0 * (x["f0"] > 0.62) + 3.0 * (x["f1"] > 0.3) * (x["f2"] > 0.7) - 4.0 * (x["f3"] > 0.85) + rng.gauss(0, 0.1)
    return x, y


def error_of(trees: TreesSpec | None) -> float:
    class Chosen(AutoRegressor):
        @property
        def members(self) -> Any:
            return BUDGETS["tiny"]._replace(trees=trees)

    model, rng = Chosen(budget="tiny"), random.Random(4)
    errors = []
    for n in range(4000):
        x, y = of_steps(rng)
        prediction = model.predict_learn_one(x, y)
        if n >= 2000:
            errors.append(abs(prediction - y))
    return math.fsum(errors) / len(errors)


def test_a_mixture_is_corrected_where_the_label_jumps() -> None:
    assert error_of(TreesSpec(100, fit_every=100)) < 0.9 * error_of(None)


@pytest.mark.parametrize("budget", ["tiny", "default"])
def test_features_that_are_evicted_leave_the_trees(budget: Any) -> None:
    """The next feature in their place is another one; a restored learner agrees to the last bit."""
    model, rng = AutoRegressor(budget=budget, features_max=6), random.Random(5)
    for n in range(900):
        x, y = of_steps(rng)
        x[f"rare{n // 90}"] = rng.random()
        model.learn_one(x, y)
        if n in (430, 899):
            assert model.encoder.vocabulary.evicted > 0
            other = AutoRegressor(budget=budget, features_max=6)
            other.load_state_dict(model.state_dict())
            model = other if n == 430 else model
    for _ in range(250):
        x, y = of_steps(rng)
        x[f"rare{rng.randrange(12)}"] = rng.random()
        assert model.predict_learn_one(x, y) == other.predict_learn_one(x, y)
    saved, again = model.state_dict(), other.state_dict()
    for name, value in saved.items():
        if name.startswith(("trees.", "choice.")):
            np.testing.assert_array_equal(value, again[name])
