"""Saving and loading what was learned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent import LinearRegressor, MatrixFactorization
from edgedescent.losses import Loss
from edgedescent.optim import SGD, Adam, Optimizer
from edgedescent.testing.support import bits
from support.strategies import feature_events, float_bits, losses, optimizers, ratings

bounds = st.sampled_from([1, 2, 4, 100])
policies = st.sampled_from(["evict", "share"])


@given(feature_events(), feature_events(), optimizers, losses, bounds, policies)
def test_a_restored_regressor_goes_on_bit_for_bit(
    before: list[Any], after: list[Any], optimizer: Optimizer, loss: Loss, features_max: int, when_full: str
) -> None:
    model = LinearRegressor(optimizer=optimizer, loss=loss, features_max=features_max, when_full=when_full)
    for event in before:
        model.learn_one(*event)
    restored = model.clone()
    # What it learned before must leave no trace.
    restored.learn_one({"left": 1.0, "over": 2.0}, 3.0)
    restored.load_state_dict(model.state_dict())
    assert bits(restored) == bits(model)
    for x, y in after:
        assert float_bits(restored.predict_learn_one(x, y)) == float_bits(model.predict_learn_one(x, y))
        assert bits(restored) == bits(model)


@given(ratings(), ratings(), optimizers, losses, bounds, policies)
def test_a_restored_recommender_goes_on_bit_for_bit(
    before: list[Any], after: list[Any], optimizer: Optimizer, loss: Loss, ids_max: int, when_full: str
) -> None:
    model = MatrixFactorization(
        n_factors=3, optimizer=optimizer, loss=loss, users_max=ids_max, items_max=ids_max, when_full=when_full
    )
    for event in before:
        model.learn_one(*event)
    restored = model.clone()
    restored.learn_one("left", "over", 3.0)
    restored.load_state_dict(model.state_dict())
    assert bits(restored) == bits(model)
    for user, item, y in after:
        assert float_bits(restored.predict_learn_one(user, item, y)) == float_bits(
            model.predict_learn_one(user, item, y)
        )
        assert bits(restored) == bits(model)


@given(feature_events(), feature_events(), bounds, policies)
def test_a_learner_can_be_set_back(before: list[Any], after: list[Any], features_max: int, when_full: str) -> None:
    # As when a checkpoint is loaded and the events after it are learned again.
    model = LinearRegressor(features_max=features_max, when_full=when_full)
    for event in before:
        model.learn_one(*event)
    checkpoint = model.state_dict()
    for event in after:
        model.learn_one(*event)
    expected = bits(model)
    model.load_state_dict(checkpoint)
    for event in after:
        model.learn_one(*event)
    assert bits(model) == expected


def test_a_learner_set_back_evicts_for_the_same_event_again() -> None:
    model = LinearRegressor(features_max=2)
    model.learn_one({"a": 1.0, "b": 1.0}, 1.0)
    checkpoint = model.state_dict()
    # Three names for two rows: the third finds every row needed by this very event.
    model.learn_one({"c": 1.0, "d": 1.0, "e": 1.0}, 1.0)
    expected = bits(model)
    model.load_state_dict(checkpoint)
    model.learn_one({"c": 1.0, "d": 1.0, "e": 1.0}, 1.0)
    assert bits(model) == expected


def test_a_state_survives_a_file(tmp_path: Any) -> None:
    model = LinearRegressor()
    for n in range(100):
        model.learn_one({"a": n % 7, "µ": n % 3}, n % 5)
    state = model.state_dict()
    np.savez(tmp_path / "state.npz", **{name: np.array(value) for name, value in state.items()})
    with np.load(tmp_path / "state.npz", allow_pickle=False) as stored:
        loaded = {name: stored[name].tolist() if isinstance(state[name], list) else stored[name] for name in stored}
    restored = LinearRegressor()
    restored.load_state_dict(loaded)
    assert bits(restored) == bits(model)


def test_the_names_of_a_state_are_part_of_the_format() -> None:
    # Checkpoints and snapshots are read by these names: a change here needs a new schema version.
    model, ranker = LinearRegressor(), MatrixFactorization(optimizer=SGD())
    moments = ["count", "mean", "variance", "window_mean", "window_variance"]
    moments += ["block_count", "block_base", "block_sum", "block_squares", "block_far", "block_variance"]
    moments += ["streak", "burst"]
    ring = [f"replay_buffer.{part}" for part in ("rows", "values", "targets", "lengths", "times", "draws")]
    assert list(model.state_dict()) == [
        *("features", "stamps", "born", "uses", "newcomers", "aging", "kinds"),
        *(f"inputs.{part}" for part in moments),
        *("watched", "watch", "left_out", "counts", "errors"),
        *(f"target.{part}" for part in moments),
        *("stepper", "loss", "agreement", *ring),
        *("weights", "weights.variance", "weights.gradient", "weights.agreement", "weights.power"),
        *("weights.recent", "weights.covariance"),
    ]
    assert list(ranker.state_dict()) == [
        "users",
        *(f"user_{part}" for part in ("stamps", "born", "uses", "newcomers", "aging")),
        "items",
        *(f"item_{part}" for part in ("stamps", "born", "uses", "newcomers", "aging")),
        *("seen.counts", "seen.entries"),
        *("counts", "user_rows", "item_rows"),
        *(f"target.{part}" for part in moments),
        *("stepper", "loss", *ring),
    ]


def regressor() -> LinearRegressor:
    model = LinearRegressor(features_max=3)
    for n in range(50):
        model.learn_one({"a": n % 7, "b": n % 3}, n % 5)
    return model


def recommender() -> MatrixFactorization:
    ranker = MatrixFactorization(n_factors=2)
    for n in range(50):
        ranker.learn_one(n % 7, n % 3, n % 5)
    return ranker


def changed(array: Any, at: Any, value: float) -> Any:
    array = array.copy()
    array[at] = value
    return array


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: {k: v for k, v in s.items() if k != "weights.power"}, "of LinearRegressor lacks weights.power"),
        (lambda s: {**s, "velocity": s["loss"]}, "LinearRegressor has no state named velocity"),
        (lambda s: {**s, 3: s["loss"]}, "LinearRegressor has no state named 3"),
        (lambda s: {**s, "features": ("a", "b")}, "features must be a list of names. Got tuple"),
        (lambda s: {**s, "features": ["a", 3]}, "features must be a list of names"),
        (lambda s: {**s, "features": ["a", "a"]}, "distinct"),
        (lambda s: {**s, "features": ["a"]}, "1 features but 3 moments"),
        (lambda s: {**s, "weights": s["weights"].astype("f4")}, "weights must be float64 with 2 dim.*Got float32"),
        (lambda s: {**s, "weights": s["weights"].ravel()}, "weights must be float64 with 2 dimensions. Got .* 1"),
        (lambda s: {**s, "weights": changed(s["weights"], 1, np.nan)}, "weights holds a value that is not finite"),
        (lambda s: {**s, "weights.power": changed(s["weights.power"], 1, np.inf)}, "weights.power holds .* not finite"),
        (lambda s: {**s, "weights.power": s["weights.power"][:-1]}, "equally many rows"),
        (lambda s: {**s, "weights.covariance": s["weights.covariance"][:-1]}, "covariance must have 6 numbers"),
        (lambda s: {**s, "weights.covariance": 2.0 * s["weights.covariance"]}, "the diagonal of the covariance"),
        (lambda s: {**s, "weights.variance": -s["weights.variance"]}, "variances must be >= 0"),
        (lambda s: {**s, "inputs.mean": s["inputs.mean"][:-1]}, "unequal length"),
        (lambda s: {**s, "inputs.variance": -s["inputs.variance"]}, "count or a variance in the state is negative"),
        (lambda s: {**s, "inputs.count": -s["inputs.count"]}, "count or a variance in the state is negative"),
        (lambda s: {**s, "target.mean": np.zeros(2)}, "unequal length"),
        (lambda s: {**s, **{k: np.ones(2) for k in s if k.startswith("target")}}, "1 `target`"),
        (lambda s: {**s, "loss": np.ones(3)}, "2 numbers in `loss`"),
        (lambda s: {**s, "loss": -np.ones(2)}, "scale and a count >= 0"),
        (lambda s: {**s, "counts": s["counts"][:-1]}, "`counts` must be 5 numbers"),
        (lambda s: {**s, "counts": -s["counts"]}, "`counts` must be 5 numbers >= 0"),
        (lambda s: {**s, "stamps": s["stamps"] + 50}, "stamps or counts do not fit its 50 events"),
        (lambda s: {**s, "stamps": s["stamps"] - 50}, "stamps or counts do not fit its 50 events"),
        (lambda s: {**s, "stamps": s["stamps"][:-1]}, "cannot take 2 keys"),
        (lambda s: {**s, "stamps": s["stamps"].astype(float)}, "stamps must be int64"),
        (lambda s: {**s, "born": s["born"] + 50}, "stamps or counts do not fit its 50 events"),
        (lambda s: {**s, "stepper": s["stepper"][:-1]}, "`stepper` must be 9 numbers"),
        (lambda s: {**s, "stepper": -np.ones(9)}, "the first 4 >= 0"),
        (lambda _: {}, "lacks features"),
    ],
)
def test_a_wrong_state_of_a_regressor_is_refused(change: Any, message: str) -> None:
    model = regressor()
    before = bits(model)
    with pytest.raises(ValueError, match=message):
        model.load_state_dict(change(dict(model.state_dict())))
    assert bits(model) == before
    # It goes on as if nothing had been asked of it.
    other = regressor()
    model.learn_one({"a": 1.0, "c": 2.0}, 3.0)
    other.learn_one({"a": 1.0, "c": 2.0}, 3.0)
    assert bits(model) == bits(other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: {**s, "users": s["users"][:-1]}, "entries in the state's `seen` do not fit 7 users' rows"),
        (lambda s: {**s, "item_rows": s["item_rows"][:-1]}, "7 users and 3 items but 8 and 3 rows"),
        (lambda s: {**s, "user_rows": s["user_rows"][:, :-1]}, "A table of width 3"),
        (lambda s: {**s, "item_stamps": s["item_stamps"] + 50}, "stamps or counts do not fit"),
        (lambda s: {**s, "loss": changed(s["loss"], 2, 9.0)}, "ratings from 9.0 to 4.0"),
        (lambda s: {**s, "loss": s["loss"][:2]}, "4 numbers in `loss`"),
        (lambda s: {**s, "items": [*s["items"][:-1], s["items"][0]]}, "distinct"),
    ],
)
def test_a_wrong_state_of_a_recommender_is_refused(change: Any, message: str) -> None:
    ranker = recommender()
    before = bits(ranker)
    with pytest.raises(ValueError, match=message):
        ranker.load_state_dict(change(dict(ranker.state_dict())))
    assert bits(ranker) == before


def test_a_state_for_more_names_than_there_are_rows_is_refused() -> None:
    narrow = LinearRegressor(features_max=1)
    narrow.learn_one({"z": 1.0}, 1.0)
    before = bits(narrow)
    with pytest.raises(ValueError, match="at most 1 keys cannot take 2 keys"):
        narrow.load_state_dict(regressor().state_dict())
    assert bits(narrow) == before


def test_the_state_of_another_optimizer_is_refused() -> None:
    model = LinearRegressor(optimizer=SGD())
    with pytest.raises(ValueError, match=r"has no state named weights\.c1, weights\.c2, weights\.m, weights\.v"):
        model.load_state_dict(LinearRegressor(optimizer=Adam()).state_dict())


def test_a_wider_learner_takes_the_state_of_a_narrower_one() -> None:
    model = regressor()
    wide = LinearRegressor(features_max=1000)
    wide.load_state_dict(model.state_dict())
    for n in range(100):
        wide.learn_one({f"f{n}": 1.0}, 1.0)
    assert len(wide.encoder.vocabulary) == 102
    assert wide.encoder.vocabulary.keys()[:2] == ["a", "b"]
