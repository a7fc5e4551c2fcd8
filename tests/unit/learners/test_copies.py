"""Clones and copies of learners: what they share with the original, and what they do not."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from edgedescent import LinearRegressor, MatrixFactorization
from edgedescent.learners import Learner
from edgedescent.optim import SGD
from support.waiting import PATIENCE_S


def trained_regressor() -> LinearRegressor:
    model = LinearRegressor(optimizer=SGD(lr=0.02), l2=0.001)
    for i in range(200):
        model.learn_one({"a": i % 7, "b": i % 5, f"c{i % 40}": 1.0}, 3.0 * (i % 7) - i % 5)
    return model


def trained_recommender() -> MatrixFactorization:
    ranker = MatrixFactorization(n_factors=3, seed=5)
    for i in range(200):
        ranker.learn_one(f"user-{i % 30}", i % 17, float(i % 5))
    return ranker


def through_pickle(learner: Learner) -> Learner:
    return pickle.loads(pickle.dumps(learner))  # type: ignore[no-any-return]  # noqa: S301


def same_state(a: Learner, b: Learner) -> bool:
    left, right = a.state_dict(), b.state_dict()
    return left.keys() == right.keys() and all(np.array_equal(left[name], right[name]) for name in left)


TRAINED = [trained_regressor, trained_recommender]


@pytest.mark.parametrize("train", TRAINED)
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, through_pickle])
class TestCopies:
    def test_a_copy_knows_the_same(self, train: Callable[[], Learner], copied: Callable[[Learner], Learner]) -> None:
        learner = train()
        twin = copied(learner)
        assert type(twin) is type(learner)
        assert twin.get_params() == learner.get_params()
        assert same_state(twin, learner)

    def test_a_copy_learns_the_same_and_leaves_the_original_alone(
        self, train: Callable[[], Learner], copied: Callable[[Learner], Learner]
    ) -> None:
        learner, other = train(), train()
        twin = copied(learner)
        event = ({"a": 1.0, "new": 2.0}, 4.0) if learner.input_kind == "features" else ("new", "item", 4.0)
        twin.learn_one(*event)  # type: ignore[attr-defined]
        assert same_state(learner, other)
        learner.learn_one(*event)  # type: ignore[attr-defined]
        assert same_state(twin, learner)


@pytest.mark.parametrize("train", TRAINED)
class TestClones:
    def test_a_clone_has_learned_nothing(self, train: Callable[[], Learner]) -> None:
        learner = train()
        clone = learner.clone()
        assert clone.get_params() == learner.get_params()
        assert same_state(clone, type(learner)(**learner.get_params()))

    def test_a_clone_takes_new_parameters(self, train: Callable[[], Learner]) -> None:
        learner = train()
        clone = learner.clone({"forgetting": 0.01})
        assert clone.get_params() == {**learner.get_params(), "forgetting": 0.01}

    def test_a_clone_can_keep_what_was_learned(self, train: Callable[[], Learner]) -> None:
        learner = train()
        assert same_state(learner.clone({"forgetting": 0.01}, include_attributes=True), learner)

    def test_an_unknown_parameter_is_refused(self, train: Callable[[], Learner]) -> None:
        with pytest.raises(TypeError, match="forgeting"):
            train().clone({"forgeting": 0.01})

    def test_a_parameter_out_of_range_is_refused(self, train: Callable[[], Learner]) -> None:
        with pytest.raises(ValueError, match="`forgetting` of"):
            train().clone({"forgetting": 2.0})


def test_what_was_learned_must_fit_the_new_parameters() -> None:
    with pytest.raises(ValueError, match="width 5 has"):
        trained_recommender().clone({"n_factors": 4}, include_attributes=True)


def test_a_learner_travels_to_another_process() -> None:
    learner = trained_regressor()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        answer = pool.submit(learner.predict_one, {"a": 2.0, "b": 1.0}).result(timeout=PATIENCE_S)
    assert answer == learner.predict_one({"a": 2.0, "b": 1.0})
