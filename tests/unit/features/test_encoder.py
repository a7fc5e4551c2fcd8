"""Reading events: what was found for the keys of the event before must never change what is learned."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgedescent import LinearRegressor

names = st.sampled_from(["a", "b", "c", "d", "e", "site", "ward", "größe"])
values = st.one_of(
    st.floats(-5, 5),
    st.floats(allow_nan=True, allow_infinity=True),
    st.integers(-3, 3),
    st.booleans(),
    st.none(),
    st.sampled_from(["x", "y"]),
    st.fixed_dictionaries({"in": st.floats(-5, 5)}),
)
events = st.lists(st.tuples(st.dictionaries(names, values, max_size=6), st.floats(-5, 5)), min_size=1, max_size=25)


def same_state(one: LinearRegressor, other: LinearRegressor) -> bool:
    first, second = one.state_dict(), other.state_dict()
    return all(np.array_equal(first[name], second[name]) for name in first)


def without_floats(x: dict[str, Any]) -> dict[str, Any]:
    """A named category takes strings and integers, and a float is an error that another test looks at."""
    return {key: 1 if key == "ward" and isinstance(value, float | dict) else value for key, value in x.items()}


@settings(max_examples=150, deadline=None)
@given(events, st.sampled_from([2, 4, 50]))
def test_a_learner_with_no_memory_of_the_event_before_learns_the_same(
    stream: list[tuple[dict[str, Any], float]], features_max: int
) -> None:
    model = LinearRegressor(features_max=features_max, categories=("ward",))
    forgetful = model.clone()
    for x, y in ((without_floats(x), y) for x, y in stream):
        # A copy has read nothing yet; its keys and values are other objects, as a decoder makes them.
        forgetful = forgetful.clone(include_attributes=True)
        foreign = json.loads(json.dumps(x))
        assert model.predict_one(x) == model.predict_one(foreign) == forgetful.predict_one(x)
        model.learn_one(x, y)
        forgetful.learn_one(foreign, y)
    assert same_state(model, forgetful)


def test_a_key_may_change_its_kind() -> None:
    model, twin = LinearRegressor(), LinearRegressor()
    keys = ("a", "b")
    stream = [(1.0, 2.0), ("up", 2.0), (1.5, "down"), (None, 3.0), (True, 4), (2.0, float("nan")), (2.5, 1.0)] * 9
    for i, pair in enumerate(stream):
        model.learn_one(dict(zip(keys, pair, strict=True)), float(i))
        twin = twin.clone(include_attributes=True)
        twin.learn_one(dict(zip(keys, pair, strict=True)), float(i))
    assert same_state(model, twin)
    assert set(model.encoder.vocabulary.keys()) == {"a", "b", "a=up", "b=down"}


def test_a_row_that_went_to_another_name_is_not_used_for_the_old_one() -> None:
    model = LinearRegressor(features_max=2)
    model.learn_one({"a": 1.0, "b": 1.0}, 1.0)
    model.predict_one({"a": 1.0, "b": 1.0})
    # "c" takes the row of "a", which the next event has in the same place as before.
    model.learn_one({"b": 2.0, "c": 1.0}, 2.0)
    twin = model.clone(include_attributes=True)
    for learner in (model, twin):
        learner.learn_one({"a": 9.0, "b": 1.0}, 3.0)
    assert same_state(model, twin)
    assert set(model.encoder.vocabulary.keys()) == {"a", "b"}


def test_a_loaded_state_makes_it_forget() -> None:
    model, other = LinearRegressor(), LinearRegressor()
    other.learn_one({"z": 1.0, "a": 5.0}, 1.0)
    model.learn_one({"a": 1.0, "b": 2.0}, 1.0)
    model.load_state_dict(other.state_dict())
    for learner in (model, other):
        learner.learn_one({"a": 1.0, "b": 2.0}, 3.0)
    assert same_state(model, other)


def test_an_integer_key_is_the_same_name_as_its_digits() -> None:
    model, twin = LinearRegressor(), LinearRegressor()
    for i in range(20):
        model.learn_one({1: float(i), "2": 1.0} if i % 2 else {"1": float(i), 2: 1.0}, float(i))  # type: ignore[dict-item]
        twin.learn_one({"1": float(i), "2": 1.0}, float(i))
    assert same_state(model, twin)


def test_a_named_category_refuses_floats_whatever_came_before() -> None:
    model = LinearRegressor(categories=("ward",))
    for value in (3, None, "x"):
        model.learn_one({"ward": value}, 1.0)
        with pytest.raises(ValueError, match="The category 'ward' must be a string or an integer"):
            model.learn_one({"ward": 2.5}, 1.0)


@pytest.mark.parametrize("missing", [False, True])
def test_arrays_learn_as_dicts_do(missing: bool) -> None:
    random = np.random.default_rng(5)
    X, y = random.normal(size=(300, 7)), random.normal(size=300)
    if missing:
        X[random.uniform(size=X.shape) < 0.1] = np.nan
        y[random.uniform(size=300) < 0.1] = np.nan
    on_arrays, on_dicts = LinearRegressor(features_max=5), LinearRegressor(features_max=5)
    predictions = on_arrays.learn_many(X, y)
    names = [f"x{j}" for j in range(7)]
    expected = []
    for row, target in zip(X.tolist(), y.tolist(), strict=True):
        expected.append(on_dicts.predict_learn_one(dict(zip(names, row, strict=True)), target))
    # Where a name is new, a dict is answered by what was known before: the same sum, with terms of zero left out.
    assert predictions == pytest.approx(expected, rel=1e-9)
    assert same_state(on_arrays, on_dicts)
