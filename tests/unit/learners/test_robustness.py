"""Streams made to break a learner: poison, divergence, floods of names, and their cost in memory."""

from __future__ import annotations

import math
import random
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgedescent import LinearRegressor, MatrixFactorization
from edgedescent.losses import AdaptiveHuberLoss, SquaredLoss
from edgedescent.optim import SGD, Adam, CountedSGD
from edgedescent.testing.support import bits
from support.exported import LEARNERS, LOSSES, OPTIMIZERS, small
from support.strategies import all_finite, feature_events, ratings

poison = st.one_of(
    st.floats(),
    st.integers(-(10**320), 10**320),
    st.sampled_from([None, 1e99, -1e99, 9.9e99, 1e100, 5e-324, 1e-160, 1e30, True]),
)
poisoned_events = st.lists(
    st.tuples(st.dictionaries(st.sampled_from("abcd"), poison, max_size=4), poison.filter(lambda y: y is not None)),
    max_size=40,
)
poisoned_ratings = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 2), poison.filter(lambda y: y is not None)), max_size=40
)
# Losses for targets of a certain kind refuse the others, which is another matter.
LOSSES_OF_ALL_TARGETS = [loss for loss in LOSSES if math.isinf(loss.least)]
everything = [(optimizer, loss) for optimizer in OPTIMIZERS for loss in LOSSES_OF_ALL_TARGETS]


def is_lost(value: Any) -> bool:
    """Whether a value is none that a learner takes, though it is not simply missing."""
    return value is not None and not -1e100 < value < 1e100


@settings(max_examples=80)
@given(poisoned_events, st.sampled_from(everything))
def test_poison_leaves_a_regressor_finite_and_is_counted(events: list[tuple[Any, Any]], parts: tuple[Any, Any]) -> None:
    model = LinearRegressor(optimizer=parts[0](), loss=parts[1]())
    for x, y in events:
        assert math.isfinite(model.predict_learn_one(x, y))
    assert all_finite(model)
    assert model.n_skipped_targets == sum(is_lost(y) for _, y in events)
    assert model.encoder.n_skipped_values == sum(is_lost(v) for x, y in events if not is_lost(y) for v in x.values())
    assert model.n_events + model.n_skipped_targets == len(events)


@settings(max_examples=80)
@given(poisoned_ratings, st.sampled_from(everything))
def test_poison_leaves_a_recommender_finite_and_is_counted(
    events: list[tuple[Any, Any, Any]], parts: tuple[Any, Any]
) -> None:
    model = MatrixFactorization(n_factors=3, optimizer=parts[0](), loss=parts[1]())
    for event in events:
        assert math.isfinite(model.predict_learn_one(*event))
    assert all_finite(model)
    assert model.n_skipped_targets == sum(is_lost(y) for *_, y in events)
    assert model.n_events + model.n_skipped_targets == len(events)


@pytest.mark.parametrize("optimizer", [SGD(lr=5.0), Adam(lr=5.0)], ids=repr)
@pytest.mark.parametrize("loss", [SquaredLoss(), AdaptiveHuberLoss()], ids=repr)
def test_a_model_that_diverges_stays_finite(optimizer: Any, loss: Any) -> None:
    # A learning rate far too high for 20 features.
    rng = random.Random(1)
    model = LinearRegressor(optimizer=optimizer, loss=loss)
    ranker = MatrixFactorization(n_factors=5, optimizer=optimizer, loss=loss)
    for n in range(3000):
        assert math.isfinite(model.predict_learn_one({f"f{i}": rng.gauss(0, 1) for i in range(20)}, rng.gauss(0, 1)))
        assert math.isfinite(ranker.predict_learn_one(n % 7, n % 11, rng.gauss(0, 1)))
    assert all_finite(model)
    assert all_finite(ranker)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_one_absurd_reading_and_target_are_shrugged_off(optimizer: Any) -> None:
    def error(model: LinearRegressor) -> float:
        return sum(abs(model.predict_one({"a": float(a)}) - 2.0 * a) for a in range(10)) / 10

    model = LinearRegressor(optimizer=optimizer())
    for n in range(3000):
        model.learn_one({"a": float(n % 10)}, 2.0 * (n % 10))
    before = error(model)
    model.learn_one({"a": 1e99}, -1e99)
    assert error(model) < before + 1.0


# All but the one whose rate falls for good, which is made for ids.
@pytest.mark.parametrize("optimizer", [optimizer for optimizer in OPTIMIZERS if optimizer is not CountedSGD])
def test_a_target_that_moves_after_standing_still_for_ages_is_learned(optimizer: Any) -> None:
    model = LinearRegressor(optimizer=optimizer())
    for n in range(200_000):
        model.learn_one({"a": float(n % 5)}, 0.0)
    for n in range(10_000):
        model.learn_one({"a": float(n % 5)}, float(n % 5))
    assert model.predict_one({"a": 4.0}) == pytest.approx(4.0, abs=0.6)
    assert model.predict_one({"a": 0.0}) == pytest.approx(0.0, abs=0.6)


@given(feature_events(), feature_events(), st.integers(1, 3))
def test_predicting_leaves_a_regressor_as_it_is(learned: list[Any], predicted: list[Any], features_max: int) -> None:
    model, untouched = LinearRegressor(features_max=features_max), LinearRegressor(features_max=features_max)
    for event in learned:
        model.learn_one(*event)
        untouched.learn_one(*event)
        for x, _ in predicted:
            model.predict_one(x)
        model.predict_one({"never": 1.0, "seen": 2.0})
    assert bits(model) == bits(untouched)


@given(ratings(15), ratings(15), st.integers(1, 3))
def test_predicting_leaves_a_recommender_as_it_is(learned: list[Any], predicted: list[Any], users_max: int) -> None:
    model, untouched = (
        MatrixFactorization(n_factors=3, users_max=users_max),
        MatrixFactorization(n_factors=3, users_max=users_max),
    )
    for event in learned:
        model.learn_one(*event)
        untouched.learn_one(*event)
        for user, item, _ in predicted:
            model.predict_one(user, item)
            model.recommend(user, k=2)
        model.predict_one("never", "seen")
    assert bits(model) == bits(untouched)


@pytest.mark.parametrize("when_full", ["evict", "share"])
@pytest.mark.parametrize("learner", LEARNERS)
def test_memory_does_not_grow_with_the_names_that_come_by(learner: Any, when_full: str) -> None:
    default = small(learner)
    bounds = {name: 50 for name in default.get_params() if name.endswith("_max")}
    model = default.clone({**bounds, "when_full": when_full})

    def flood(start: int) -> None:
        for n in range(start, start + 1500):
            if model.input_kind == "features":
                model.learn_one({f"name-{n}": 1.0, f"other-{n}": 2.0, "always": 3.0}, float(n % 2))
            else:
                model.learn_one(f"user-{n}", f"item-{n}", float(n % 3 + 1))

    flood(0)
    tracemalloc.start()
    flood(1500)
    first = tracemalloc.get_traced_memory()[0]
    flood(3000)
    second = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert second - first < 10_000
