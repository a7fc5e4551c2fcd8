"""The ensemble for ratings: what it computes, and that it is better than its parts."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest

from edgedescent import AutoRecommender, MatrixFactorization
from edgedescent.learners.migration import migrate
from edgedescent.state.codec import decode, encode
from reference.ratings import Ensemble

Rating = tuple[str, str, float]


def ratings(n: int, n_users: int = 25, n_items: int = 40, seed: int = 1, taste: float = 1.0) -> list[Rating]:
    """Ratings of 1 to 10 by users of two tastes, of different strictness and spread, whose mood drifts."""
    rng = random.Random(seed)
    level = [rng.gauss(0.0, 1.0) for _ in range(n_users)]
    spread = [rng.choice((0.4, 1.5)) for _ in range(n_users)]
    quality = [rng.gauss(0.0, 1.0) for _ in range(n_items)]
    mood = [0.0] * n_users
    found = []
    for _ in range(n):
        u, i = int(rng.random() ** 2 * n_users), int(rng.random() ** 2 * n_items)
        mood[u] = 0.9 * mood[u] + rng.gauss(0.0, 0.4)
        shared = taste * (1 if u % 2 == i % 2 else -1)
        y = 6.5 + level[u] + mood[u] + spread[u] * (quality[i] + shared + rng.gauss(0.0, 0.5))
        found.append((f"u{u}", f"i{i}", float(min(max(round(y), 1), 10))))
    return found


def errors(model: Any, events: list[Rating]) -> tuple[float, float]:
    """MAE and RMSE of the predictions before each event."""
    users, items, y = zip(*events, strict=True)
    missed = model.learn_many(users, items, np.array(y)) - np.array(y)
    return float(np.abs(missed).mean()), float(np.sqrt((missed**2).mean()))


@pytest.mark.parametrize(("n_factors", "init_scale", "seed"), [(1, 0.5, 1), (5, 0.05, 7), (3, 0.0, 0)])
def test_it_computes_what_the_twin_computes(n_factors: int, init_scale: float, seed: int) -> None:
    model = AutoRecommender(n_factors=n_factors, init_scale=init_scale, seed=seed)
    twin = Ensemble(n_factors, init_scale, seed)
    for user, item, y in ratings(600, seed=seed):
        expected = twin.predict(user, item)
        assert model.predict_learn_one(user, item, y) == pytest.approx(expected, rel=1e-5, abs=1e-5)
        twin.learn(user, item, y)
    for user, item in (("nobody", "i1"), ("u1", "nothing"), ("nobody", "nothing"), ("u0", "i0")):
        assert model.predict_one(user, item) == pytest.approx(twin.predict(user, item), rel=1e-5)


def test_it_is_better_than_matrix_factorization() -> None:
    events = ratings(6000)
    ours, plain = errors(AutoRecommender(), events), errors(MatrixFactorization(), events)
    assert ours[0] < 0.95 * plain[0]
    assert ours[1] < 0.95 * plain[1]


def test_factors_matter_where_tastes_differ() -> None:
    events = ratings(6000, taste=2.0)
    none, some = (errors(AutoRecommender(n_factors=8, init_scale=scale), events) for scale in (0.0, 0.05))
    assert some[0] < 0.95 * none[0]
    assert some[1] < 0.95 * none[1]


def test_where_ratings_have_no_structure_it_is_no_worse_than_their_mean() -> None:
    rng = random.Random(3)
    events = [(f"u{rng.randrange(50)}", f"i{rng.randrange(50)}", float(rng.randint(1, 5))) for _ in range(6000)]
    _, rmse = errors(AutoRecommender(), events)
    assert rmse < 1.03 * math.sqrt(2.0)


def test_recommend_sorts_by_what_predict_one_says() -> None:
    model = AutoRecommender(n_factors=6)
    events = ratings(1500)
    errors(model, events)
    items = model.encoder.items.keys()
    for user in ("u0", "u3", "nobody"):
        predictions = {item: model.predict_one(user, item) for item in items}
        best = [predictions[item] for item in model.recommend(user, k=20)]
        assert best == sorted(predictions.values(), reverse=True)[:20]


@pytest.mark.parametrize("parameters", [{"n_factors": 1024}, {"n_factors": 64, "init_scale": 1e6}])
def test_however_many_and_large_the_factors_nothing_runs_away(parameters: dict[str, Any]) -> None:
    model = AutoRecommender(**parameters)
    mae, _ = errors(model, ratings(3000))
    assert mae < 3.0
    state: dict[str, Any] = dict(model.state_dict())
    assert max(np.abs(state[name]).max() for name in ("user_estimates", "item_estimates")) <= 40.0


def test_outliers_do_not_break_it() -> None:
    model, usual = AutoRecommender(), ratings(3000)
    spoiled = [(u, i, 1e9 if n % 300 == 299 else y) for n, (u, i, y) in enumerate(usual)]
    users, items, y = zip(*spoiled, strict=True)
    model.learn_many(users, items, np.array(y))
    mae, _ = errors(model, usual[:300])
    assert mae < 1.6


def test_new_ids_leave_the_factors_of_known_ones_as_they_are() -> None:
    model = AutoRecommender(n_factors=4)
    errors(model, ratings(900))
    row = model.encoder.users.row("u1")
    before = np.array(model.state_dict()["user_estimates"][row])
    for n in range(50):
        model.learn_one("u1", f"new-{n}", 1.0)
    after = model.state_dict()["user_estimates"][row]
    assert np.array_equal(after[-4:], before[-4:])
    assert after[1] != before[1]
    model.learn_one("u1", "new-1", 1.0)
    assert not np.array_equal(model.state_dict()["user_estimates"][row, -4:], before[-4:])


def test_a_row_that_goes_to_another_id_takes_nothing_along() -> None:
    model, fresh = AutoRecommender(users_max=1), AutoRecommender(users_max=1)
    for n in range(200):
        model.learn_one("ann", f"i{n % 7}", float(1 + n % 5))
    while model.encoder.users.keys() != ["bob"]:
        model.learn_one("bob", "i1", 5.0)
    state: dict[str, Any] = dict(model.state_dict())
    assert 1 <= state["user_numbers"][1, 0] < 10
    fresh.load_state_dict(model.state_dict())
    assert fresh.predict_one("bob", "i2") == model.predict_one("bob", "i2")


def test_a_checkpoint_goes_on_with_the_same_bits() -> None:
    model, twin = AutoRecommender(), AutoRecommender()
    events = ratings(900)
    errors(model, events[:600])
    twin.load_state_dict(decode(encode(model.state_dict())))
    for event in events[600:]:
        assert twin.predict_learn_one(*event) == model.predict_learn_one(*event)
    assert twin.recommend("u1", k=9) == model.recommend("u1", k=9)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("user_numbers", lambda a: a[:-1], "must have 26 estimates and 5 numbers in each of"),
        ("item_numbers", lambda a: -a - 1.0, "The estimates of the state's items are out of their range"),
        ("user_estimates", lambda a: a + 1e9, "The estimates of the state's users are out of their range"),
        ("loss", lambda a: np.array([*a[:2], 5.0, 1.0]), "the last two ascending"),
    ],
)
def test_an_inconsistent_state_is_refused(name: str, change: Any, message: str) -> None:
    model = AutoRecommender()
    errors(model, ratings(50))
    state = dict(model.state_dict())
    with pytest.raises(ValueError, match=message):
        model.load_state_dict({**state, name: change(state[name])})
    assert model.predict_one("u1", "i1") == model.clone(include_attributes=True).predict_one("u1", "i1")


def test_larger_tables_keep_what_was_learned_and_other_factors_do_not() -> None:
    before = AutoRecommender(users_max=50)
    errors(before, ratings(300))
    after = AutoRecommender(users_max=80, init_scale=0.1, seen_max=4)
    assert all(note.outcome == "kept" for note in migrate(before, after, before.state_dict()).notes)
    assert after.predict_one("u1", "i1") == before.predict_one("u1", "i1")
    notes = migrate(before, AutoRecommender(users_max=50, n_factors=7), before.state_dict()).notes
    assert [note.outcome for note in notes] == ["impossible"]


def test_the_summary_names_the_experts() -> None:
    model = AutoRecommender()
    errors(model, ratings(400))
    assert "weights of the experts: biases " in model.summary()
