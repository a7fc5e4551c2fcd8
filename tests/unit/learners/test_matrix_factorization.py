"""What users of MatrixFactorization may rely on beyond the shared contract."""

from __future__ import annotations

import enum
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgedescent import MatrixFactorization
from edgedescent.losses import Loss
from edgedescent.optim import Adam, Optimizer
from edgedescent.testing.support import bits
from support.strategies import float_bits, losses, optimizers, ratings


@settings(max_examples=100)
@given(ratings(), optimizers, losses, st.sampled_from([1, 2, 100]), st.sampled_from(["evict", "share"]))
def test_learn_many_is_rating_by_rating_to_the_last_bit(
    events: list[tuple[Any, Any, Any]], optimizer: Optimizer, loss: Loss, ids_max: int, when_full: str
) -> None:
    one, many = (
        MatrixFactorization(
            n_factors=3, optimizer=optimizer, loss=loss, users_max=ids_max, items_max=ids_max, when_full=when_full
        )
        for _ in range(2)
    )
    expected = [one.predict_learn_one(*event) for event in events]
    users, items, targets = zip(*events, strict=True) if events else ((), (), ())
    got = many.learn_many(users, items, targets)
    assert [float_bits(p) for p in got] == [float_bits(p) for p in expected]
    assert bits(many) == bits(one)


class Level(enum.IntEnum):
    LOW = 3


class Name(enum.StrEnum):
    ANN = "ann"


@pytest.mark.parametrize(
    ("given", "equal"),
    [
        (3, "3"),
        (-3, "-3"),
        (2**70, str(2**70)),
        (np.int64(3), "3"),
        (np.uint8(3), "3"),
        (np.str_("ann"), "ann"),
        (Level.LOW, "3"),
        (Name.ANN, "ann"),
    ],
)
def test_an_id_is_the_text_of_its_value(given: Any, equal: str) -> None:
    one, two = MatrixFactorization(), MatrixFactorization()
    for _ in range(3):
        one.learn_one(given, given, 1.0)
        two.learn_one(equal, equal, 1.0)
        one.learn_one("other", given, 2.0)
        two.learn_one("other", equal, 2.0)
    assert bits(one) == bits(two)
    assert {type(key) for key in one.encoder.users.keys()} == {str}  # noqa: SIM118 - not a dict
    assert one.predict_one(given, given) == two.predict_one(equal, equal)


def test_ids_may_come_as_arrays() -> None:
    one, two = MatrixFactorization(), MatrixFactorization()
    users, items, y = np.array([1, 2, 1]), np.array(["a", "b", "b"]), np.array([1, 2, 3])
    one.learn_many(users, items, y)
    two.learn_many([1, 2, 1], ["a", "b", "b"], [1.0, 2.0, 3.0])
    assert bits(one) == bits(two)


@pytest.mark.parametrize(
    ("user", "item", "y", "message"),
    [
        (True, "new", 1.0, "The user id must be a string or an integer. Got True"),
        (np.True_, "new", 1.0, "The user id must be a string or an integer"),
        (1.5, "new", 1.0, "The user id must be a string or an integer. Got 1.5"),
        (None, "new", 1.0, "The user id must be a string or an integer. Got None"),
        ("new", b"item", 1.0, "The item id must be a string or an integer. Got b'item'"),
        ("new", ["item"], 1.0, "The item id must be a string or an integer"),
        ("new", np.array([1]), 1.0, "The item id must be a string or an integer"),
        ("new", "\ud800", 1.0, "The item id must be valid Unicode text"),
        ("\udfff", "new", 1.0, "The user id must be valid Unicode text"),
        ("new", "new", "4", "The rating must be a number. Got '4'"),
        ("new", "new", None, "The rating must be a number. Got None"),
    ],
)
def test_a_refused_rating_says_why_and_changes_nothing(user: Any, item: Any, y: Any, message: str) -> None:
    model = MatrixFactorization(users_max=2, items_max=2)
    for n in range(4):
        model.learn_one(n % 2, n % 2, float(n))
    before = bits(model)
    with pytest.raises(ValueError, match=message):
        model.learn_one(user, item, y)
    if y == 1.0:
        with pytest.raises(ValueError, match=message):
            model.learn_many([0, user], [0, item], [1.0, y])
    assert bits(model) == before


def test_an_integer_too_long_to_write_down_is_no_id() -> None:
    model = MatrixFactorization()
    with pytest.raises(ValueError, match="4300 digits"):
        model.learn_one("new", 10**5000, 1.0)
    assert model.encoder.users.keys() == []


def test_learn_many_refuses_what_does_not_pair_up() -> None:
    model = MatrixFactorization()
    with pytest.raises(ValueError, match="2 users, 1 items and 1 ratings do not pair up"):
        model.learn_many([1, 2], [1], [1.0])
    with pytest.raises(TypeError):
        model.learn_many(3, [1], [1.0])  # type: ignore[arg-type]
    assert model.n_events == 0


def test_an_evicted_id_starts_over_as_if_new() -> None:
    model = MatrixFactorization(n_factors=3, users_max=1, optimizer=Adam())
    model.learn_one("ann", "tea", 1.0)
    fresh = model.state_dict()["user_rows"][1]
    for n in range(50):
        model.learn_one("ann", "tea", float(n % 3))
    # Each has to come again and again.
    while "ann" in model.encoder.users:
        model.learn_one("bob", "tea", 1.0)
    assert model.encoder.users.keys() == ["bob"]
    assert model.predict_one("ann", "tea") == model.predict_one("nobody", "tea")
    while "bob" in model.encoder.users:
        model.learn_one("ann", "tea", 1.0)
    again: dict[str, Any] = dict(model.state_dict())
    assert again["user_rows.c1"][1] == pytest.approx(0.1)
    assert again["user_rows"][1] == pytest.approx(fresh, abs=0.05)
    assert model.encoder.users.evicted == 2


def test_where_rows_are_shared_unknown_ids_leave_no_trace() -> None:
    model = MatrixFactorization(n_factors=3, users_max=1, when_full="share")
    model.learn_one("ann", "tea", 1.0)
    for n in range(50):
        model.learn_one(f"user-{n}", "tea", float(n % 3))
    assert model.encoder.users.keys() == ["ann"]
    assert model.encoder.users.shared == 50
    # Their row has no factors; its bias is where a new user starts.
    assert not model.state_dict()["user_rows"][0, 1:].any()  # type: ignore[call-overload]


def test_predictions_stay_within_the_ratings_seen() -> None:
    model = MatrixFactorization()
    for n in range(500):
        model.learn_one(n % 7, n % 5, 5.0 if n % 2 else 1.0)
        model.learn_one(n % 7, "loved", 5.0)
    for user in range(8):
        for item in (*range(6), "loved"):
            assert 1.0 <= model.predict_one(user, item) <= 5.0


def test_a_subclass_that_forgets_to_initialize_does_not_crash() -> None:
    class Forgetful(MatrixFactorization):
        def __init__(self) -> None:
            pass

    model = Forgetful()
    for use in (
        lambda: model.learn_one("ann", "tea", 1.0),
        lambda: model.predict_one("ann", "beer"),
        lambda: model.recommend("ann"),
        lambda: model.scores("ann"),
        lambda: model.learn_many(["ann"], ["tea"], [1.0]),
        model.state_dict,
    ):
        with pytest.raises(TypeError, match="Forgetful must call the constructor"):
            use()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_factors": 0}, "`n_factors` of MatrixFactorization must be an integer >= 1"),
        ({"n_factors": True}, "`n_factors` of MatrixFactorization must be an integer >= 1"),
        ({"optimizer": None}, "`optimizer` of MatrixFactorization must be an instance of Optimizer"),
        ({"loss": "huber"}, "`loss` of MatrixFactorization must be an instance of Loss"),
        ({"l2_bias": -1}, "`l2_bias` of MatrixFactorization must be >= 0"),
        ({"l2_factors": math.inf}, "`l2_factors` of MatrixFactorization must be >= 0"),
        ({"init_scale": -0.1}, "`init_scale` of MatrixFactorization must be >= 0"),
        ({"forgetting": 0}, "`forgetting` of MatrixFactorization must be > 0 and < 1"),
        ({"users_max": 0}, "`users_max` of MatrixFactorization must be an integer >= 1"),
        ({"items_max": 10**8}, "`items_max` of MatrixFactorization must be an integer >= 1 and <= 10000000"),
        ({"when_full": ""}, "`when_full` of MatrixFactorization must be one of 'evict', 'share'"),
        ({"seed": -1}, "`seed` of MatrixFactorization must be an integer >= 0"),
    ],
)
def test_parameters_out_of_range_are_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MatrixFactorization(**parameters)
