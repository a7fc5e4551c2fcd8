"""The factorization machine: interactions, and what side information is good for."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from edgedescent import FactorizationMachine, LinearRegressor
from edgedescent.losses import LogisticLoss, SquaredLoss
from edgedescent.optim import SGD, Adam


def test_the_score_is_the_sum_over_all_pairs() -> None:
    rng = np.random.default_rng(0)
    model = FactorizationMachine(n_factors=3, init_scale=0.5, loss=SquaredLoss())
    for _ in range(300):
        a, b = rng.normal(size=2)
        model.learn_one({"a": a, "b": b, "c": "xy"[rng.integers(2)]}, a * b)
    state: Any = model.state_dict()
    x = {"a": 0.3, "b": -1.2, "c": "y"}
    z = {}
    for name, value in (("a", 0.3), ("b", -1.2)):
        row = 1 + state["features"].index(name)
        z[row] = (value - state["inputs.mean"][row]) / np.sqrt(state["inputs.variance"][row])
    z[1 + state["features"].index("c=y")] = 1.0
    w, v = state["weights"][:, 0], state["weights"][:, 1:]
    score = w[0] + sum(w[i] * z[i] for i in z)
    score += sum(v[i] @ v[j] * z[i] * z[j] for i, j in itertools.combinations(z, 2))
    expected = state["target.mean"][0] + np.sqrt(state["target.variance"][0]) * score
    assert model.predict_one(x) == pytest.approx(expected, rel=1e-12)


def test_products_of_numbers_are_learned() -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(4000, 3))
    y = X[:, 0] * X[:, 1] + X[:, 2]
    machine, linear = (
        np.abs(m.learn_many(X, y) - y)[2000:].mean() for m in (FactorizationMachine(), LinearRegressor())
    )
    assert machine < 0.15 * linear


def world(seed: int) -> tuple[Any, Any]:
    """Ratings that follow the user's taste in genres; users and items come for the first time all the while."""
    rng = np.random.default_rng(seed)
    taste = rng.normal(size=(4, 5))

    def rating(i: int) -> tuple[dict[str, Any], float]:
        newest = 5 + i // 8
        user, item = int(rng.integers(max(newest - 60, 0), newest)), int(rng.integers(max(newest - 60, 0), newest))
        group, genre = user % 4, item * 7 % 5
        x = {"user": f"u{user}", "item": f"i{item}", "group": f"g{group}", "genre": f"k{genre}"}
        return x, float(3 + taste[group, genre] + 0.1 * rng.normal())

    return rating, rng


def test_side_information_cures_cold_starts() -> None:
    def cold_error(names: list[str]) -> float:
        rating, _ = world(2)
        model, known, errors = FactorizationMachine(), set(), []
        for i in range(6000):
            x, y = rating(i)
            event = {name: x[name] for name in names}
            prediction = model.predict_learn_one(event, y)
            if i > 2000 and (x["user"] not in known or x["item"] not in known):
                errors.append(abs(prediction - y))
            known.update((x["user"], x["item"]))
        assert len(errors) > 500
        return float(np.mean(errors))

    assert cold_error(["user", "item", "group", "genre"]) < 0.5 * cold_error(["user", "item"])


def test_clicks_are_learned_under_a_logistic_loss() -> None:
    rng = np.random.default_rng(3)
    model, right = FactorizationMachine(n_factors=4, loss=LogisticLoss()), []
    for _ in range(4000):
        user, ad = "abcd"[rng.integers(4)], "wxyz"[rng.integers(4)]
        clicked = (ord(user) + ord(ad)) % 2 == 0
        probability = model.predict_learn_one({"user": user, "ad": ad}, clicked)
        assert 0 <= probability <= 1
        right.append((probability > 0.5) == clicked)
    assert np.mean(right[2000:]) > 0.98
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        model.learn_one({"user": "a"}, 2.0)


def test_factors_shrink_under_their_penalty_alone() -> None:
    def sizes(**parameters: float) -> tuple[float, float]:
        model = FactorizationMachine(n_factors=4, optimizer=SGD(lr=0.05), **parameters)  # type: ignore[arg-type]
        rng = np.random.default_rng(4)
        for _ in range(2000):
            a, b = rng.normal(size=2)
            model.learn_one({"a": a, "b": b}, a * b + a)
        weights: Any = model.state_dict()["weights"]
        return float(np.abs(weights[1:, 0]).max()), float(np.abs(weights[1:, 1:]).max())

    free, held = sizes(), sizes(l2_factors=1.0)
    assert held[1] < 0.1 * free[1]
    assert held[0] > 0.5 * free[0]


def test_first_factors_depend_on_the_name_and_the_seed_alone() -> None:
    def factors(order: str, seed: int) -> dict[str, bytes]:
        model = FactorizationMachine(n_factors=3, optimizer=Adam(lr=1e-300), seed=seed)
        for name in order:
            model.learn_one({"user": name}, 1.0)
        state: Any = model.state_dict()
        return {name: state["weights"][i + 1].tobytes() for i, name in enumerate(state["features"])}

    assert factors("abc", 1) == factors("cba", 1)
    assert factors("abc", 1) != factors("abc", 2)
