"""The rankers: what they compute, what they forget, and what they rank first."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from edgedescent import AutoRanker, DecayedPopularity, ItemNeighbours, SessionCooccurrence
from edgedescent.evaluation.ranking import RankingScores
from edgedescent.state.codec import decode, encode
from reference.ranking import Ranking

RANKERS = [AutoRanker, DecayedPopularity, ItemNeighbours, SessionCooccurrence]


def choices(n: int, n_users: int = 12, n_items: int = 30, seed: int = 1) -> Iterator[tuple[str, str]]:
    """Choices of users with tastes: each prefers one half of the items, and some items follow others."""
    rng = random.Random(seed)
    last: dict[int, int] = {}
    for _ in range(n):
        user = rng.randrange(n_users)
        item = int(rng.random() * rng.random() * n_items)
        if user in last and rng.random() < 0.4:
            item = (last[user] + 1) % n_items
        last[user] = item
        yield f"u{user}", f"i{item}"


def twin_of(model: Any) -> Ranking:
    latest, shrinkage = getattr(model, "latest", 0), getattr(model, "shrinkage", 0.0)
    n_factors = getattr(model, "n_factors", 0)
    return Ranking(model.horizons(), model.first_weights(), model.learning_rate(), latest, shrinkage, n_factors)


@pytest.mark.parametrize("kind", RANKERS)
def test_it_computes_what_the_twin_computes(kind: Any) -> None:
    model = kind(n_neighbours=64) if kind is not DecayedPopularity else kind(horizon=50)
    twin = twin_of(model)
    for user, item in choices(400):
        model.learn_one(user, item)
        twin.learn(user, item)
    # One is in single precision: their weights drift apart a little.
    assert model.model.choice.weights() == pytest.approx(twin.weights, abs=0.01)
    for user in ("u0", "u5", "nobody"):
        for item in ("i0", "i7", "i12"):
            odds = model.predict_one(user, item) / (1 - model.predict_one(user, item))
            assert math.log(odds) == pytest.approx(twin.log_odds(user, item), rel=0.01, abs=0.02)
        ours, theirs = model.recommend(user, k=5), twin.recommend(user)
        if kind is AutoRanker:
            assert len(set(ours) & set(theirs[:6])) >= 4
        else:
            assert ours == theirs[:5]


def test_choices_are_learned_among_the_items_that_were_popular_lately() -> None:
    # With more than 255 items, scores of popularity are a few events old.
    model = AutoRanker()
    twin = twin_of(model)
    for user, item in [*((f"u{n % 90}", f"i{n}") for n in range(300)), *choices(60, n_users=90, n_items=300)]:
        model.learn_one(user, item)
        twin.learn(user, item)
    assert np.abs(twin.weights - np.array(model.first_weights()) * (np.arange(9) == 0)[:, None]).max() > 0.1
    assert model.model.choice.weights() == pytest.approx(twin.weights, abs=0.02)


@pytest.mark.parametrize("kind", RANKERS)
def test_what_is_not_chosen_any_more_is_forgotten(kind: Any) -> None:
    model = kind() if kind is AutoRanker else kind(horizon=100)
    for n in range(600):
        model.learn_one(f"u{n}", ("old", "older")[n % 2])
    for n in range(600):
        model.learn_one(f"v{n}", ("new", "newer")[n % 2])
    assert sorted(model.recommend("w", k=2)) == ["new", "newer"]


def test_an_item_that_never_came_lets_nothing_be_forgotten() -> None:
    model = DecayedPopularity(horizon=10)
    for _ in range(20):
        model.learn_one("ann", "tea")
    before = model.predict_one("bob", "tea")
    for n in range(1000):
        model.learn_one("bob", f"junk-{n}")
    assert model.predict_one("bob", "tea") == before


@pytest.mark.parametrize("kind", [AutoRanker, ItemNeighbours])
def test_neighbours_of_the_users_items_come_first(kind: Any) -> None:
    model = kind()
    for n in range(400):
        for item in (("tea", "scones"), ("beer", "crisps"))[n % 2]:
            model.learn_one(f"u{n}", item)
    for user, item, expected in (("ann", "tea", "scones"), ("bob", "beer", "crisps")):
        model.learn_one(user, item)
        assert model.recommend(user, k=1, exclude_seen=True) == [expected]


@pytest.mark.parametrize("kind", [AutoRanker, SessionCooccurrence])
def test_the_order_in_a_session_counts(kind: Any) -> None:
    model = kind()
    for n in range(400):
        for page in ("start", "prices", "order"):
            model.learn_one(f"u{n}", page)
    model.learn_one("ann", "prices")
    assert model.recommend("ann", k=2, exclude_seen=True)[0] == "order"


def test_the_mixture_is_better_than_each_part() -> None:
    models = {"auto": AutoRanker(), "popularity": DecayedPopularity(), "neighbours": ItemNeighbours()}
    models["sessions"] = SessionCooccurrence()
    scores = {name: RankingScores(k=10) for name in models}
    for n, (user, item) in enumerate(choices(6000, n_users=300, n_items=300, seed=3)):
        for name, model in models.items():
            if n >= 3000 and n % 3 == 0:
                scores[name].update(model.recommend(user, k=10), item)
            model.learn_one(user, item)
    ndcg = {name: one.summary()["ndcg"] for name, one in scores.items()}
    assert ndcg["auto"] > 1.05 * max(value for name, value in ndcg.items() if name != "auto"), ndcg


@pytest.mark.parametrize("kind", RANKERS)
def test_a_row_that_goes_to_another_item_takes_nothing_along(kind: Any) -> None:
    model = kind(items_max=2, users_max=50)
    for n in range(30):
        model.learn_one(f"u{n}", "tea")
        model.learn_one(f"u{n}", "scones")
    for n in range(100):
        model.learn_one(f"v{n}", "beer")
    assert model.counts()["items_evicted"] == 1
    assert "beer" in model.recommend("w", k=5)
    assert set(model.recommend("u29", k=5)) == set(model.encoder.items.keys())


def test_a_choice_counts_by_its_weight_relative_to_the_mean() -> None:
    model, thousandfold = DecayedPopularity(), DecayedPopularity()
    for n in range(200):
        item, weight = (("album", 3.0), ("song", 1.0))[n % 2]
        model.learn_one(f"u{n}", item, weight)
        thousandfold.learn_one(f"u{n}", item, 1000.0 * weight)
    assert model.recommend("w", k=2) == ["album", "song"]
    assert thousandfold.predict_one("w", "song") == pytest.approx(model.predict_one("w", "song"))


@pytest.mark.parametrize("y", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("kind", RANKERS)
def test_what_was_not_taken_is_counted_and_not_learned(kind: Any, y: float) -> None:
    model = kind()
    model.learn_one("ann", "tea", y)
    assert model.n_skipped_targets == 1
    assert model.recommend("ann") == []


@pytest.mark.parametrize("kind", RANKERS)
def test_what_is_asked_wrongly_is_told_in_one_line(kind: Any) -> None:
    model = kind()
    model.learn_one("ann", "tea")
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"exclude": "tea"}, r"`exclude` of recommend must be a list of item ids\. Got the string 'tea'\."),
        ({"among": "tea"}, r"`among` of recommend must be a list of item ids\. Got the string 'tea'\."),
        ({"exclude": [None]}, "An item id must be a string or an integer. Got None"),
        ({"k": 0}, "`k`"),
    ]
    for arguments, message in wrong:
        with pytest.raises(ValueError, match=message):
            model.recommend("ann", **arguments)
    with pytest.raises(ValueError, match="may have 512 bytes at most"):
        model.recommend("a" * 513)
    assert model.recommend("nobody", k=1000) == ["tea"]
    assert model.recommend("nobody", exclude=["unknown"]) == ["tea"]


@pytest.mark.parametrize("weight", [1e-15, 1e-60, 1e-300])
def test_a_tiny_weight_leaves_a_state_that_can_be_restored(weight: float) -> None:
    ranker = AutoRanker()
    for n in range(50):
        ranker.learn_one(n % 5, f"i{n % 7}")
    for item in ("new1", "new2"):
        ranker.learn_one("z", item, weight)
    state = decode(encode(ranker.state_dict()))
    floats = [array for array in state.values() if isinstance(array, np.ndarray) and array.dtype.kind == "f"]
    assert all(np.isfinite(array).all() for array in floats)
    AutoRanker().load_state_dict(state)


def test_weights_that_are_learned_are_restored() -> None:
    model = AutoRanker()
    for user, item in choices(500):
        model.learn_one(user, item)
    twin = model.clone(include_attributes=True)
    for user, item in choices(300, seed=2):
        assert twin.predict_learn_one(user, item) == model.predict_learn_one(user, item)
    assert np.array_equal(twin.model.choice.weights(), model.model.choice.weights())


def test_a_checkpoint_between_two_renewals_goes_on_with_the_same_bits() -> None:
    model = AutoRanker()
    for user, item in choices(3001, n_users=100, n_items=1500):
        model.learn_one(user, item)
    assert model.n_items > 512
    twin = AutoRanker()
    twin.load_state_dict(decode(encode(model.state_dict())))
    for user, item in choices(50, n_users=100, n_items=1500, seed=2):
        model.learn_one(user, item)
        twin.learn_one(user, item)
    assert encode(twin.state_dict()) == encode(model.state_dict())


def test_scores_of_popularity_that_do_not_fit_are_refused() -> None:
    model = AutoRanker()
    for user, item in choices(50):
        model.learn_one(user, item)
    state = model.state_dict()
    for bad in (state["popular.scores"][1:], state["popular.scores"] * np.float32(1e9)):
        with pytest.raises(ValueError, match="popular scores"):
            AutoRanker().load_state_dict({**state, "popular.scores": bad})


@pytest.mark.parametrize("kind", RANKERS)
def test_learning_without_a_prediction_leaves_the_same_state(kind: Any) -> None:
    model, twin = kind(), kind()
    for user, item in choices(300):
        model.learn_one(user, item)
        twin.predict_learn_one(user, item)
    assert encode(twin.state_dict()) == encode(model.state_dict())


def test_a_repeated_item_becomes_the_users_latest() -> None:
    model = SessionCooccurrence(seen_max=3)
    for item in ("tea", "scones", "jam", "tea", "jam", "milk"):
        model.learn_one("ann", item)
    rows = model.encoder.latest_items()[model.encoder.users.row("ann")]
    assert rows.tolist() == [model.encoder.items.row(item) for item in ("milk", "jam", "tea")]


@pytest.mark.parametrize("kind", RANKERS)
def test_a_checkpoint_goes_on_with_the_same_bits(kind: Any) -> None:
    model = kind()
    for user, item in choices(200):
        model.learn_one(user, item)
    twin = kind()
    twin.load_state_dict(decode(encode(model.state_dict())))
    for user, item in choices(100, seed=2):
        assert twin.predict_learn_one(user, item) == model.predict_learn_one(user, item)
    assert twin.recommend("u1", k=9) == model.recommend("u1", k=9)
