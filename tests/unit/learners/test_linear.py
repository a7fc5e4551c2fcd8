"""What users of LinearRegressor may rely on beyond the shared contract."""

from __future__ import annotations

import math
import random
from collections import OrderedDict, defaultdict
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgedescent import LinearRegressor
from edgedescent.losses import Loss
from edgedescent.optim import SGD, Optimizer
from edgedescent.testing.support import bits
from support.strategies import (
    all_finite,
    feature_events,
    float_bits,
    good_targets,
    good_values,
    losses,
    optimizers,
    targets,
    values,
)

COLUMNS = ["a", "b", "c", "d"]
rows = st.lists(st.tuples(st.lists(values, min_size=4, max_size=4), targets), max_size=30)
bounds = st.sampled_from([1, 2, 3, 100])
policies = st.sampled_from(["evict", "share"])


@settings(max_examples=100)
@given(rows, optimizers, losses, bounds, policies)
def test_learn_many_is_event_by_event_to_the_last_bit(
    rows: list[tuple[list[Any], Any]], optimizer: Optimizer, loss: Loss, features_max: int, when_full: str
) -> None:
    one, many = (
        LinearRegressor(optimizer=optimizer, loss=loss, features_max=features_max, when_full=when_full)
        for _ in range(2)
    )
    events = [(dict(zip(COLUMNS, x, strict=True)), y) for x, y in rows]
    expected = [one.predict_learn_one(x, y) for x, y in events]
    got = many.learn_many([x for x, _ in rows], [y for _, y in rows], COLUMNS)
    assert [float_bits(p) for p in got] == [float_bits(p) for p in expected]
    assert bits(many) == bits(one)


def test_learn_many_names_columns_and_takes_nothing() -> None:
    model = LinearRegressor()
    assert model.learn_many(np.ones((3, 2)), [1.0, 2.0, 3.0]).shape == (3,)
    assert model.encoder.vocabulary.keys() == ["x0", "x1"]
    before = bits(model)
    assert model.learn_many([], []).shape == (0,)
    assert bits(model) == before
    assert LinearRegressor().learn_many(np.empty((2, 0)), [1.0, 2.0]).shape == (2,)


@pytest.mark.parametrize(
    ("X", "y", "names", "message"),
    [
        ([[1.0]], [1.0, 2.0], None, "X has 1 rows but y has 2"),
        ([1.0], [1.0], None, "`X` must be an array of 2 dimensions"),
        ([[1.0], [1.0, 2.0]], [1.0, 2.0], None, "`X` must be an array of 2 dimensions"),
        ([[1.0]], [[1.0]], None, "`y` must be an array of 1 dimensions"),
        ([[1j]], [1.0], None, "`X` must hold real numbers"),
        (np.array([["2020-01-01"]], dtype="datetime64[D]"), [1.0], None, "`X` must hold real numbers"),
        ([[1.0]], ["1.0"], None, "`y` must hold real numbers"),
        ([[1.0, 2.0]], [1.0], ["a"], "`names` must be 2 names, one for each column"),
        ([[1.0, 2.0]], [1.0], ["a", "a"], "`names` must be 2 distinct names"),
        ([[1.0, 2.0]], [1.0], ["a", 3.5], "name of a feature must be a string. Got 3.5"),
        ([[1.0]], [1.0], ["\ud800"], "name of a feature must be valid Unicode text"),
    ],
)
def test_learn_many_refuses_what_it_cannot_read(X: Any, y: Any, names: Any, message: str) -> None:
    model = LinearRegressor()
    model.learn_one({"a": 1.0}, 1.0)
    before = bits(model)
    with pytest.raises(ValueError, match=message):
        model.learn_many(X, y, names)
    assert bits(model) == before


@given(feature_events(), optimizers)
def test_missing_values_are_the_same_however_they_are_missing(
    events: list[tuple[dict[str, Any], Any]], optimizer: Optimizer
) -> None:
    absent, none, broken = (LinearRegressor(optimizer=optimizer) for _ in range(3))
    for x, y in events:
        usable = {k: v for k, v in x.items() if v is not None and -1e100 < v < 1e100}
        absent.learn_one(usable, y)
        none.learn_one({**dict.fromkeys(x), **usable}, y)
        broken.learn_one({**dict.fromkeys(x, math.nan), **usable}, y)
    expected = dict(absent.coefficients)
    assert none.coefficients == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert broken.coefficients == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert none.encoder.n_skipped_values == absent.encoder.n_skipped_values == 0


@given(
    st.lists(st.tuples(st.dictionaries(st.sampled_from("abcdef"), good_values), good_targets), max_size=25),
    optimizers,
    losses,
    st.randoms(use_true_random=False),
)
def test_the_order_of_keys_does_not_matter(
    events: list[tuple[dict[str, float], float]], optimizer: Optimizer, loss: Loss, rng: random.Random
) -> None:
    one, two = LinearRegressor(optimizer=optimizer, loss=loss), LinearRegressor(optimizer=optimizer, loss=loss)
    scale = max([1.0, *(abs(y) for _, y in events)])
    for x, y in events:
        shuffled = dict(rng.sample(list(x.items()), len(x)))
        # Sums are taken in the order of the event, so that rounding is all that may differ.
        expected = one.predict_learn_one(x, y)
        assert two.predict_learn_one(shuffled, y) == pytest.approx(expected, rel=1e-6, abs=1e-6 * scale)
    assert two.coefficients == pytest.approx(one.coefficients, rel=1e-5, abs=1e-5)


def test_whether_keys_are_the_same_objects_does_not_matter() -> None:
    # Equal keys take two ways through the kernel, one for objects seen at the same place before.
    same, fresh = LinearRegressor(features_max=5), LinearRegressor(features_max=5)
    rng = random.Random(3)
    for _ in range(2000):
        names = rng.sample("abcdefgh", rng.randrange(6))
        x = {name: rng.choice([None, math.nan, 1.0, rng.random()]) for name in names}
        y = rng.random()
        copied = {(name + "_")[:-1].encode().decode(): value for name, value in x.items()}
        assert float_bits(same.predict_learn_one(x, y)) == float_bits(fresh.predict_learn_one(copied, y))
        if rng.random() < 0.1:
            # A restart forgets which objects were seen.
            fresh.load_state_dict(fresh.state_dict())
    assert bits(same) == bits(fresh)


@pytest.mark.parametrize(
    ("value", "equal"),
    [
        (True, 1.0),
        (7, 7.0),
        (np.float64(1.5), 1.5),
        (np.float32(1.5), 1.5),
        (np.int8(-3), -3.0),
        (np.bool_(True), 1.0),
        (np.array(2.5), 2.5),
        (Decimal("2.5"), 2.5),
        (Fraction(5, 2), 2.5),
        (10**400, math.inf),
        (Fraction(10**400), math.inf),
        (Decimal("NaN"), math.nan),
    ],
)
def test_numbers_of_any_kind_are_taken(value: Any, equal: float) -> None:
    one, two = LinearRegressor(), LinearRegressor()
    for i in range(5):
        for number, model in ((value, one), (equal, two)):
            model.learn_one({"a": i, "b": number, "c": 1.0}, 1.0)
            model.learn_one({"a": i}, number)
    assert bits(one) == bits(two)


class OverflowingNumber:
    """A number whose conversion runs Python code, and uses it to change the very event that is being read."""

    def __init__(self, event: dict[str, Any], model: LinearRegressor) -> None:
        self.event = event
        self.model = model

    def __float__(self) -> float:
        self.event.clear()
        self.event.update({f"new-{i}": 1.0 for i in range(2000)})
        self.model.predict_one({f"other-{i}": 1.0 for i in range(3000)})
        return 1.0


def test_an_event_that_changes_while_it_is_read_does_no_harm() -> None:
    model = LinearRegressor()
    model.learn_one({"a": 1.0}, 1.0)
    event: dict[str, Any] = {f"old-{i}": 1.0 for i in range(50)}
    event["trap"] = OverflowingNumber(event, model)
    event.update({f"late-{i}": 1.0 for i in range(50)})
    model.learn_one(event, 1.0)
    assert model.n_events == 2
    assert all_finite(model)
    assert len(model.encoder.vocabulary) > 50


class OddName(str):
    """A string that hashes and compares in its own way, like some enumerations do."""

    __slots__ = ()

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        return False


def test_names_are_plain_strings_inside() -> None:
    model = LinearRegressor()
    for _ in range(5):
        model.learn_one({OddName("a"): 1.0, np.str_("b"): 2.0}, 1.0)
        model.learn_one({"a": 1.0, "b": 2.0}, 1.0)
    assert model.encoder.vocabulary.keys() == ["a", "b"]
    assert {type(name) for name in model.encoder.vocabulary.keys()} == {str}  # noqa: SIM118 - not a dict


@pytest.mark.parametrize("kind", [OrderedDict, lambda x: defaultdict(float, x), MappingProxyType])
def test_any_mapping_is_an_event(kind: Any) -> None:
    one, two = LinearRegressor(), LinearRegressor()
    one.learn_one({"a": 1.0}, 1.0)
    two.learn_one(kind({"a": 1.0}), 1.0)
    assert bits(one) == bits(two)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ({"a": 1.0, "b": b"bad"}, 1.0, "The feature 'b' must be a number. Got b'bad'"),
        ({"a": 1.0, "b": {"c": b"bad"}}, 1.0, "The feature 'b.c' must be a number. Got b'bad'"),
        ({"a": 1.0, "b": "\ud800"}, 1.0, "A category must be valid Unicode text"),
        ({"new": 1.0, "b": {1}}, 1.0, "The feature 'b' must be a number. Got {1}"),
        ({"new": 1.0, "b": np.array([1.0])}, 1.0, "The feature 'b' must be a number. Got array"),
        ({"new": 1.0, "b": np.datetime64("2020-01-01")}, 1.0, "The feature 'b' must be a number"),
        ({"new": 1.0, "b": np.timedelta64(1, "s")}, 1.0, "The feature 'b' must be a number"),
        ({"new": 1.0, "b": np.complex128(1)}, 1.0, "The feature 'b' must be a number"),
        ({"new": 1.0, "b": Decimal("sNaN")}, 1.0, "The feature 'b' must be a number"),
        ({"new": 1.0, 3.5: 1.0}, 1.0, "The name of a feature must be a string. Got 3.5"),
        ({"new": 1.0, "\ud800": 1.0}, 1.0, "The name of a feature must be valid Unicode text"),
        ({"new": 1.0}, "3", "The target must be a number. Got '3'"),
        ({"new": 1.0}, None, "The target must be a number. Got None"),
        ({"new": 1.0, "b": b"bad"}, math.nan, "The feature 'b' must be a number. Got b'bad'"),
        ({"new": 1.0, "b": b"x" * 10_000}, 1.0, "must be a number. Got b'.{78}.$"),
    ],
)
def test_a_refused_event_says_why_and_changes_nothing(x: Any, y: Any, message: str) -> None:
    model = LinearRegressor(features_max=2)
    model.learn_one({"a": 1.0, "c": 2.0}, 1.0)
    before = bits(model)
    with pytest.raises(ValueError, match=message):
        model.learn_one(x, y)
    assert bits(model) == before
    model.learn_one({"a": 1.0}, 1.0)


@pytest.mark.parametrize("x", [None, [1.0], "a", 3, {"a"}])
def test_what_is_not_a_dict_is_refused(x: Any) -> None:
    model = LinearRegressor()
    for call in (lambda: model.predict_one(x), lambda: model.learn_one(x, 1.0)):
        with pytest.raises(TypeError, match="The features x of an event must map names to numbers"):
            call()


def test_an_event_wider_than_the_table_learns_its_first_features() -> None:
    for when_full in ("evict", "share"):
        model = LinearRegressor(features_max=3, when_full=when_full)
        wide = {f"f{i}": float(i) for i in range(5000)}
        for n in range(5):
            model.learn_one(wide, float(n))
            assert model.encoder.vocabulary.keys() == ["f0", "f1", "f2"]
        assert (model.encoder.vocabulary.evicted, model.encoder.vocabulary.shared) == (0, 5 * 4997)
        assert model.predict_one(wide) == model.predict_one({f"f{i}": float(i) for i in range(3)})


def test_a_wide_event_and_then_narrow_ones() -> None:
    model = LinearRegressor(optimizer=SGD(lr=1e-4))
    wide = {f"f{i}": float(i % 13) for i in range(4000)}
    for n in range(20):
        model.learn_one(wide, float(n % 3))
        model.learn_one({"f17": 1.0, "g": float(n)}, 1.0)
        model.learn_one({}, 2.0)
    assert len(model.encoder.vocabulary) == 4001
    assert math.isfinite(model.predict_one(wide))


def test_one_row_for_all() -> None:
    model = LinearRegressor(features_max=1)
    for n in range(1000):
        model.learn_one({f"f{n % 7}": float(n)}, float(n % 5))
    assert model.encoder.vocabulary.keys() == [f"f{999 % 7}"]
    assert model.encoder.vocabulary.evicted == 999


def test_an_evicted_feature_starts_over() -> None:
    model = LinearRegressor(features_max=1)
    for n in range(100):
        model.learn_one({"a": float(n % 2)}, 10.0 * (n % 2))
    # It has to come again and again.
    n = 0
    while "b" not in model.encoder.vocabulary:
        model.learn_one({"b": 1.0}, 5.0)
        n += 1
    assert 1 < n <= 16
    state: dict[str, Any] = dict(model.state_dict())
    assert state["features"] == ["b"]
    # The row was cleared before its first step, and a first value is at its mean, so that the gradient is zero.
    assert state["weights"][1, 0] == 0.0
    assert state["inputs.count"][1] == 1.0


def test_a_subclass_that_forgets_to_initialize_does_not_crash() -> None:
    class Forgetful(LinearRegressor):
        def __init__(self) -> None:
            pass

    model = Forgetful()
    for use in (
        lambda: model.learn_one({"a": 1.0}, 1.0),
        lambda: model.predict_one({"a": 1.0}),
        lambda: model.learn_many([[1.0]], [1.0]),
        lambda: model.predict_many([[1.0]]),
        model.state_dict,
    ):
        with pytest.raises(TypeError, match="Forgetful must call the constructor"):
            use()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"optimizer": "adam"}, "`optimizer` of LinearRegressor must be an instance of Optimizer. Got 'adam'"),
        ({"optimizer": SGD}, "`optimizer` of LinearRegressor must be an instance of Optimizer"),
        ({"loss": None}, "`loss` of LinearRegressor must be an instance of Loss. Got None"),
        ({"l2": -1}, "`l2` of LinearRegressor must be >= 0. Got -1"),
        ({"clip": 0}, "`clip` of LinearRegressor must be > 0. Got 0"),
        ({"forgetting": 1}, "`forgetting` of LinearRegressor must be > 0 and < 1. Got 1"),
        ({"features_max": 0}, "`features_max` of LinearRegressor must be an integer >= 1"),
        ({"features_max": 2.0}, "`features_max` of LinearRegressor must be an integer >= 1"),
        ({"when_full": "drop"}, "`when_full` of LinearRegressor must be one of 'evict', 'share'. Got 'drop'"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LinearRegressor(**parameters)


def test_numpy_scalars_are_numbers_too() -> None:
    model = LinearRegressor(l2=np.float32(0.5), features_max=np.int64(3), optimizer=SGD(lr=np.float64(0.1)))
    model.learn_one({"a": 1.0}, 1.0)
    assert model.clone().get_params() == model.get_params()
