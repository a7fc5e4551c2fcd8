"""The kernel of matrix factorization against its specification, and its gradients against finite differences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgedescent import MatrixFactorization
from edgedescent.losses import AdaptiveHuberLoss, Loss, SquaredLoss
from edgedescent.optim import SGD, Optimizer
from reference.learners import Factors as Specified
from reference.numerics import is_usable
from support.strategies import all_finite, losses, optimizers, ratings


@settings(max_examples=120)
@given(
    events=ratings(),
    optimizer=optimizers,
    loss=losses,
    n_factors=st.sampled_from([1, 3]),
    penalties=st.sampled_from([(0.0, 0.0), (0.5, 0.2)]),
    users_max=st.sampled_from([1, 3, 25_000]),
    items_max=st.sampled_from([1, 3, 25_000]),
    when_full=st.sampled_from(["evict", "share"]),
    seed=st.sampled_from([0, 1, 2**62]),
)
def test_agrees_with_the_specification(
    events: list[tuple[Any, Any, Any]],
    optimizer: Optimizer,
    loss: Loss,
    n_factors: int,
    penalties: tuple[float, float],
    users_max: int,
    items_max: int,
    when_full: str,
    seed: int,
) -> None:
    others: dict[str, Any] = {
        "n_factors": n_factors,
        "l2_bias": penalties[0],
        "l2_factors": penalties[1],
        "init_scale": 0.1,
        "users_max": users_max,
        "items_max": items_max,
        "when_full": when_full,
        "seed": seed,
    }
    model = MatrixFactorization(optimizer=optimizer, loss=loss, **others)
    specified = Specified(optimizer.rule, (optimizer.rate, *optimizer.hyper), loss.rule, loss.hyper, **others)
    scale = 1.0
    for user, item, y in events:
        scale = max(scale, abs(y)) if is_usable(y) else scale
        expected = specified.predict_one(user, item)
        assert model.predict_one(user, item) == pytest.approx(expected, rel=1e-6, abs=1e-6 * scale)
        assert model.predict_learn_one(user, item, y) == pytest.approx(expected, rel=1e-6, abs=1e-6 * scale)
        specified.learn_one(user, item, y)
        if specified.largest() > 1e6:
            # The squared loss can diverge. From there on, rounding decides.
            assert all_finite(model)
            return
    state: dict[str, Any] = dict(model.state_dict())
    counts = [specified.n_events, specified.n_skipped_targets]
    for side, (ids, stamps, table) in enumerate(
        (("users", "user_stamps", "user_rows"), ("items", "item_stamps", "item_rows"))
    ):
        vocabulary, rows = specified.vocabularies[side], specified.rows[side]
        keys = vocabulary.keys()
        assert state[ids] == keys
        assert list(state[stamps]) == [vocabulary.stamp_of[key] for key in keys]
        assert state[table][0, 0] == pytest.approx(specified.cold[side].w, rel=1e-6, abs=1e-6)
        assert (state[table][0, 1:] == 0).all()
        expected_rows = [[rows[key].bias.w, *(c.w for c in rows[key].factors)] for key in keys]
        flat = [w for row in expected_rows for w in row]
        assert np.ravel(state[table][1:]) == pytest.approx(flat, rel=1e-6, abs=1e-6)
        counts += [vocabulary.evicted, vocabulary.shared]
    assert list(state["counts"]) == counts
    assert list(state["loss"][2:]) == [specified.y_min, specified.y_max]


def test_first_factors_depend_on_the_id_and_the_seed_alone() -> None:
    def first(user: str, seed: int, *before: str) -> list[float]:
        model = MatrixFactorization(n_factors=4, optimizer=SGD(lr=1e-300), seed=seed)
        for other in (*before, user):
            model.learn_one(other, "item", 1.0)
        return list(model.state_dict()["user_rows"][-1][1:])

    assert first("ann", 1) == first("ann", 1, "bob", "cyd")
    assert first("ann", 1) != first("bob", 1)
    assert first("ann", 1) != first("ann", 2)


def test_first_factors_are_normal_with_the_given_deviation() -> None:
    model = MatrixFactorization(n_factors=10, optimizer=SGD(lr=1e-300), init_scale=0.3)
    for user in range(1000):
        model.learn_one(user, "item", 1.0)
    factors = model.state_dict()["user_rows"][1:, 1:]
    assert abs(factors.mean()) < 0.01
    assert factors.std() == pytest.approx(0.3, rel=0.03)
    assert np.mean(np.abs(factors) < 0.3) == pytest.approx(0.6827, abs=0.02)


@given(
    events=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 10).map(lambda n: n / 2)),
        min_size=5,
        max_size=20,
    ),
    loss=st.sampled_from([SquaredLoss(), AdaptiveHuberLoss(k=1e6)]),
    penalties=st.sampled_from([(0.0, 0.0), (0.1, 0.3)]),
)
def test_a_step_follows_the_gradient_of_the_loss_of_the_whole_prediction(
    events: list[tuple[int, int, float]], loss: Loss, penalties: tuple[float, float]
) -> None:
    lr = 1e-3
    l2_bias, l2_factors = penalties
    model = MatrixFactorization(
        n_factors=3, optimizer=SGD(lr=lr), loss=loss, l2_bias=l2_bias, l2_factors=l2_factors, init_scale=0.5
    )
    for event in events:
        model.learn_one(*event)
    user, item, y = events[-1]
    state: dict[str, Any] = dict(model.state_dict())
    variance = state["target.variance"][0]
    if variance < 1e-6:
        return
    # Predictions are clipped to the ratings seen; out of the way, or there is nothing to differentiate.
    state["loss"][2:] = -1e9, 1e9
    sd = math.sqrt(variance)
    rows = {
        "user_rows": 1 + state["users"].index(str(user)),
        "item_rows": 1 + state["items"].index(str(item)),
    }

    def penalized_loss(tables: dict[str, Any]) -> float:
        twin = model.clone()
        twin.load_state_dict({**state, **tables})
        total = ((twin.predict_one(user, item) - y) / sd) ** 2 / 2
        for name, row in rows.items():
            bias, *factors = tables[name][row]
            total += l2_bias * (bias - tables[name][0, 0]) ** 2 / 2 + l2_factors * sum(w * w for w in factors) / 2
        return float(total)

    model.learn_one(user, item, y)
    after = model.state_dict()
    before = {name: state[name] for name in rows}
    for name, touched in rows.items():
        stepped = (state[name] - after[name]) / lr
        for row, column in np.ndindex(stepped.shape):
            if row != touched:
                assert stepped[row, column] == 0.0
                continue
            tables = []
            for change in (1e-4, -1e-4):
                table = state[name].copy()
                table[row, column] += change
                tables.append({**before, name: table})
            slope = (penalized_loss(tables[0]) - penalized_loss(tables[1])) / 2e-4
            assert stepped[row, column] == pytest.approx(slope, rel=1e-4, abs=1e-5)


def test_scores_are_the_predictions_of_all_items() -> None:
    model = MatrixFactorization(n_factors=3)
    for i in range(300):
        model.learn_one(i % 11, f"item-{i % 7}", float(i % 5))
    items = model.encoder.items.keys()
    for user in (0, 10, "nobody"):
        scores = model.scores(user)
        assert scores.tolist() == [model.predict_one(user, item) for item in items]
    best = model.recommend(3, k=3, exclude=["item-0"])
    assert len(best) == 3
    assert "item-0" not in best
    order = sorted(items, key=lambda item: -model.predict_one(3, item))
    assert model.recommend(3, k=7) == order
    assert model.recommend(3, k=100, exclude=["unheard of"]) == order


def test_recommends_nothing_before_the_first_rating() -> None:
    model = MatrixFactorization()
    assert model.recommend("ann") == []
    assert model.predict_one("ann", "tea") == 0.0
    with pytest.raises(ValueError, match="`k` of recommend must be an integer >= 1"):
        model.recommend("ann", k=0)
