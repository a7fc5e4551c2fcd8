"""Last labels by the value of a feature, seen through a learner: which feature is the key, and what is remembered."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgedescent import AutoRegressor

Stream = list[tuple[dict[str, Any], float]]


def walks(n: int, sites: int, site: str = "number", seed: int = 1) -> Stream:
    """Readings of many sites in turn, each a random walk of its own at a level of its own."""
    rng = np.random.default_rng(seed)
    levels = 100.0 * rng.permutation(sites).astype(float)
    events: Stream = []
    for i in rng.integers(0, sites, n):
        levels[i] += rng.normal()
        name: float | str = float(i) if site == "number" else f"site-{i}"
        events.append(({"noise": float(rng.normal()), "site": name}, float(levels[i])))
    return events


def errors(model: AutoRegressor, stream: Stream) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([abs(model.predict_learn_one(x, y) - y) for x, y in stream])


@pytest.mark.parametrize("site", ["number", "text"])
def test_many_sites_are_told_apart(site: str) -> None:
    stream = walks(3000, 20, site)
    model = AutoRegressor(budget="tiny")
    # The error of the last value of the same site is 0.8, that of the last value of all is 700.
    assert errors(model, stream)[2000:].mean() < 1.5
    if site == "number":
        assert "lags of their own: site" in model.summary()


def test_the_table_holds_the_last_two_labels_of_each_value() -> None:
    stream = walks(500, 20)
    model = AutoRegressor(budget="tiny")
    errors(model, stream)
    state: dict[str, Any] = dict(model.state_dict())
    row = 1 + state["features"].index("site")
    places = np.flatnonzero(state["keys.features"] == row)
    values, last, before = state["keys.labels"][:, places]
    expected: dict[float, list[float]] = {}
    for x, y in stream:
        expected.setdefault(x["site"], []).append(y)
    assert len(places) == 20
    replaced = model.counts()["labels_replaced"]
    agreed = [(a, b) == tuple(reversed(expected[v][-2:])) for v, a, b in zip(values, last, before, strict=True)]
    assert agreed.count(False) <= replaced


def test_what_moves_a_site_is_learned_beside_its_level() -> None:
    rng = np.random.default_rng(4)
    levels, stream = 100.0 * rng.permutation(20).astype(float), []
    for i in rng.integers(0, 20, 4000):
        push = float(rng.normal())
        levels[i] += push + 0.1 * rng.normal()
        stream.append(({"site": float(i), "push": push}, float(levels[i])))
    # The error of the last value of the same site is 0.8.
    assert errors(AutoRegressor(budget="tiny"), stream)[3000:].mean() < 0.4


def test_more_values_than_places_are_bounded_and_the_latest_stay() -> None:
    model = AutoRegressor(budget="tiny")
    for n in range(5000):
        model.learn_one({"site": float(n % 2), "many": float(n // 2 % 2400)}, float(n % 2))
    state: dict[str, Any] = dict(model.state_dict())
    rows = state["keys.features"]
    assert set(state["keys.labels"][0][rows == 1 + state["features"].index("site")]) == {0.0, 1.0}
    assert (rows > 0).sum() <= 2048


def test_a_stream_without_a_key_has_none() -> None:
    rng = np.random.default_rng(2)
    model = AutoRegressor(budget="tiny")
    y = 0.0
    for _ in range(600):
        y = 0.99 * y + rng.normal()
        model.learn_one({"a": float(rng.integers(5)), "b": float(rng.normal())}, y)
    assert "lags of their own: none" in model.summary()


def test_values_that_never_come_again_take_no_places_after_a_while() -> None:
    model = AutoRegressor(budget="tiny")
    rng = np.random.default_rng(3)
    for n in range(1500):
        model.learn_one({"serial": float(n)}, float(rng.normal()))
    state: dict[str, Any] = dict(model.state_dict())
    assert state["keys.labels"][0].max() == 999.0
    assert state["keys.gains"][0].tolist() == [0.0, 1000.0]


def test_the_row_of_an_evicted_feature_forgets_its_labels() -> None:
    model = AutoRegressor(budget="tiny", features_max=2)
    for n in range(300):
        model.learn_one({"a": float(n % 3), "b": float(n % 2)}, float(n % 5))
    for n in range(300):
        model.learn_one({"c": float(n % 3), "d": 7.0}, float(n % 5))
    state: dict[str, Any] = dict(model.state_dict())
    assert state["features"] == ["c", "d"] or state["features"] == ["d", "c"]
    rows = state["keys.features"]
    values = {name: set(state["keys.labels"][0][rows == 1 + i]) for i, name in enumerate(state["features"])}
    assert values == {"c": {0.0, 1.0, 2.0}, "d": {7.0}}


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("keys.features", lambda array: array + 99, "features that do not exist"),
        ("keys.labels", lambda array: array[:2], "2048 places"),
        ("keys.stored_at", lambda array: array - 5000, "numbers of labels"),
        ("keys.gains", lambda array: array - 9.0, "out of range"),
    ],
)
def test_an_inconsistent_state_is_refused(name: str, change: Any, message: str) -> None:
    model = AutoRegressor(budget="tiny")
    errors(model, walks(50, 3))
    state: dict[str, Any] = dict(model.state_dict())
    with pytest.raises(ValueError, match=message):
        model.load_state_dict({**state, name: change(state[name])})
