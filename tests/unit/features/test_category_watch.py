"""Features whose categories never come again are left out, and nothing else is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgedescent import LinearRegressor, MLPRegressor


def stamp(i: int) -> str:
    return f"2026-11-29T{i // 3600:02}:{i // 60 % 60:02}:{i % 60:02}"


def test_a_time_stamp_is_left_out_before_it_uses_up_the_table() -> None:
    model, without = LinearRegressor(), LinearRegressor()
    for i in range(6000):
        x: dict[str, Any] = {"site": ("north", "south")[i % 2], "temp": float(i % 10)}
        model.learn_one({"at": stamp(i), **x}, float(i % 10))
        without.learn_one(x, float(i % 10))
    assert model.left_out() == ["at"]
    assert model.counts()["features_evicted"] == 0
    assert model.counts()["features_left_out"] == 1
    assert model.counts()["categories_left_out"] == 6000 - 1024
    assert len(model.state_dict()["features"]) == 1024 + 3
    assert model.predict_one({**x, "at": "new"}) == pytest.approx(without.predict_one(x), abs=0.2)


@pytest.mark.parametrize("categories", [200, 1000, 4000])
def test_categories_that_come_again_are_learned(categories: int) -> None:
    # In turn, so that each of them is new until all have been there.
    model = LinearRegressor()
    for i in range(5 * categories):
        model.learn_one({"site": f"site {i % categories}"}, float(i % 2))
    if categories <= 1024:
        assert model.counts()["categories_left_out"] == 0
        assert len(model.state_dict()["features"]) == categories
    assert model.left_out() == []


def test_random_categories_as_many_as_the_table_has_rows_are_learned() -> None:
    rng = np.random.default_rng(1)
    model = LinearRegressor()
    for number in rng.integers(4096, size=20_000):
        model.learn_one({"user": f"u{number}"}, 1.0)
    assert model.left_out() == []
    assert model.counts()["categories_left_out"] == 0


def test_named_categories_are_never_left_out() -> None:
    model = LinearRegressor(features_max=300, categories=("at",))
    for i in range(2000):
        model.learn_one({"at": stamp(i)}, 1.0)
    assert model.left_out() == []
    assert model.counts()["features_evicted"] == 1700


def test_a_feature_whose_categories_come_again_after_all_is_let_in_again() -> None:
    model = LinearRegressor()
    for i in range(1500):
        model.learn_one({"part": f"p{i}"}, 1.0)
    assert model.left_out() == ["part"]
    for i in range(500):
        model.learn_one({"part": f"p{i}"}, 1.0)
    for i in range(2000, 4000):
        model.learn_one({"part": f"p{i}"}, 1.0)
    assert model.left_out() == []


def test_a_full_table_that_shares_leaves_nothing_out() -> None:
    model = LinearRegressor(features_max=100, when_full="share")
    for i in range(1000):
        model.learn_one({"at": stamp(i)}, 1.0)
    assert model.left_out() == []


def test_it_is_part_of_the_state() -> None:
    whole, first = MLPRegressor(), MLPRegressor()
    stream = [({"at": stamp(i), "run": f"r{i}", "temp": float(i % 5)}, float(i % 5)) for i in range(2600)]
    for x, y in stream[:1030]:
        first.learn_one(x, y)
    second = first.clone(include_attributes=True)
    for x, y in stream:
        whole.learn_one(x, y)
    for x, y in stream[1030:]:
        second.learn_one(x, y)
    assert whole.left_out() == second.left_out() == ["at", "run"]
    one, other = whole.state_dict(), second.state_dict()
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_the_watched_features_are_bounded() -> None:
    model = LinearRegressor()
    for i in range(3000):
        model.learn_one({"at": stamp(i), f"f{i}": "once", "temp": 1.0}, 1.0)
    assert len(model.state_dict()["watched"]) == 256
    assert model.left_out() == ["at"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("watched", ["a", "b"]),
        ("watched", ["a", "a"]),
        ("watch", np.array([[-1, 0, 0, 1]])),
        ("watch", np.array([[1, 99, 0, 1]])),
        ("watch", np.array([[1, 0, 2, 1]])),
        ("watch", np.array([[1, 0, 1, 0]])),
        ("left_out", np.array([-1])),
    ],
)
def test_a_state_that_cannot_be_is_refused(name: str, value: Any) -> None:
    model = LinearRegressor()
    model.learn_one({"at": "now"}, 1.0)
    state = model.state_dict()
    with pytest.raises(ValueError, match=r"watche|stamps"):
        LinearRegressor().load_state_dict({**state, name: value})
