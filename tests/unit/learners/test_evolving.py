"""Evolution of the networks of the automatic regressor: its worth on a stream that keeps drifting, and its state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgedescent import AutoRegressor
from edgedescent.ensemble.members import ALL_LAGS, BUDGETS, LEVEL, EvolutionSpec, Members, NetworkSpec, squares_on_both
from edgedescent.testing.support import bits
from support.evolving import evolving_early


def drifting(n: int, every: int, seed: int) -> tuple[Any, Any]:
    """A small random network whose weights are drawn anew after each `every` events."""
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(n, 6)), np.zeros(n)
    for start in range(0, n, every):
        first, second = rng.normal(size=(6, 6)) / np.sqrt(6), rng.normal(size=6)
        part = slice(start, start + every)
        y[part] = np.tanh(1.5 * X[part] @ first) @ second
    return X, y + 0.1 * rng.normal(size=n)


def test_on_a_stream_that_keeps_drifting_evolution_lowers_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    networks = (NetworkSpec((16, 8), LEVEL, 7, on_change=False, takes_values=False),) * 4
    X, y = drifting(6000, every=300, seed=4)
    errors = []
    for evolution in (None, EvolutionSpec(150, first_events=150)):
        monkeypatch.setitem(BUDGETS, "default", Members(networks, squares_on_both(0.999), 0, None, evolution=evolution))
        errors.append(np.abs(AutoRegressor().learn_many(X, y) - y)[3000:].mean())
    assert errors[1] < 0.9 * errors[0]


def test_nothing_is_replaced_in_the_first_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = drifting(260, every=130, seed=2)
    found = []
    for evolution in (None, EvolutionSpec(20, first_events=200)):
        monkeypatch.setitem(BUDGETS, "large", BUDGETS["large"]._replace(evolution=evolution))
        model = AutoRegressor(budget="large")
        found.append(model.learn_many(X, y))
    # The first label only starts the statistics.
    np.testing.assert_array_equal(found[0][:201], found[1][:201])
    assert (found[0][201:] != found[1][201:]).any()
    assert model.model.evolution is not None
    assert model.model.evolution.n_generations == 1 + 59 // 20


def test_the_budget_with_pairs_of_networks_evolves_after_ten_thousand_events() -> None:
    evolution = AutoRegressor(budget="large").model.evolution
    assert evolution is not None
    assert (evolution.first_events, evolution.generation_events) == (10_000, 1000)


@pytest.mark.parametrize("budget", ["tiny", "small", "default"])
def test_budgets_whose_networks_differ_do_not(budget: Any) -> None:
    model = AutoRegressor(budget=budget)
    assert model.model.evolution is None
    assert model.present_members == BUDGETS[budget]
    assert "networks_replaced" not in model.counts()


def test_a_restored_one_evolves_as_it_would_have(monkeypatch: pytest.MonkeyPatch) -> None:
    evolving_early(monkeypatch, every=30)
    X, y = drifting(400, every=200, seed=3)
    model = AutoRegressor()
    model.learn_many(X[:200], y[:200])
    again = AutoRegressor()
    again.load_state_dict(model.state_dict())
    assert again.present_members == model.present_members != model.members
    np.testing.assert_array_equal(again.learn_many(X[200:], y[200:]), model.learn_many(X[200:], y[200:]))
    assert bits(again) == bits(model)
    assert model.counts()["networks_replaced"] == 399 // 30


def test_the_seed_decides_the_mutations(monkeypatch: pytest.MonkeyPatch) -> None:
    evolving_early(monkeypatch, every=50)
    X, y = drifting(300, every=300, seed=5)
    traits = []
    for seed in (1, 1, 2):
        model: Any = AutoRegressor(seed=seed)
        model.learn_many(X, y)
        traits.append(model.model.evolution.traits())
    np.testing.assert_array_equal(traits[0], traits[1])
    assert (traits[0] != traits[2]).any()


def test_the_summary_says_with_what_hyper_parameters_the_best_network_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    evolving_early(monkeypatch, every=100)
    X, y = drifting(500, every=250, seed=7)
    model: Any = AutoRegressor()
    model.learn_many(X[:90], y[:90])
    assert model.summary().splitlines()[-1] == "generations of networks: 0, the first of 100 events"
    model.learn_many(X[90:], y[90:])
    lines = model.summary().splitlines()
    evolution = model.model.evolution
    best = evolution.members[evolution.best]
    network = best.model
    assert lines[-3:-1] == [
        "generations of networks: 4, networks replaced: 4",
        f"best of the last generation: {best.names()[0]}",
    ]
    assert lines[-1] == (
        f"its rate: {network.rate:.3g}, decay: {network.decay:.3g}, "
        f"momentum: {network.momentum:.3g}, average: {network.average:.3g}"
    )
    assert {one.n_lags for one in model.present_members.networks} <= {LEVEL, ALL_LAGS}
