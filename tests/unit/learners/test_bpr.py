"""Ranking from interactions: what is learned from what was taken, and from nothing else."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest

from edgedescent import BPR
from edgedescent.optim import SGD
from edgedescent.testing.support import bits


def interactions(n: int, seed: int = 0, users: int = 60, items: int = 80) -> list[tuple[str, str]]:
    """Users of four groups take items of their group's kind, and popular ones a little more often."""
    rng = np.random.default_rng(seed)
    popularity = rng.pareto(1.5, size=items) + 0.2
    events = []
    for user in rng.integers(users, size=n):
        weights = popularity * np.where(np.arange(items) % 4 == user % 4, 20.0, 1.0)
        events.append((f"u{user}", f"i{rng.choice(items, p=weights / weights.sum())}"))
    return events


def learned(events: list[tuple[str, str]], **parameters: Any) -> BPR:
    model = BPR(**{"n_factors": 8, **parameters})
    for user, item in events:
        model.learn_one(user, item)
    return model


def area_under_curve(model: Any, events: list[tuple[str, str]], items: int = 80) -> float:
    rng = np.random.default_rng(9)
    return float(
        np.mean(
            [
                model.predict_one(user, item) > model.predict_one(user, f"i{rng.integers(items)}")
                for user, item in events
            ]
        )
    )


def test_taste_is_learned_beyond_popularity() -> None:
    events = interactions(12_000)
    model = learned(events)
    by_taste = area_under_curve(model, interactions(2000, seed=0)[1000:])
    by_popularity = area_under_curve(_Popularity(events), interactions(2000, seed=0)[1000:])
    assert by_taste > by_popularity + 0.05
    for user in range(8):
        own = [int(item[1:]) % 4 == user % 4 for item in model.recommend(f"u{user}", k=8)]
        assert np.mean(own) > 0.7


class _Popularity:
    def __init__(self, events: list[tuple[str, str]]) -> None:
        self.items = [item for _, item in events]
        self.counts = {item: self.items.count(item) for item in set(self.items)}

    def predict_one(self, _user: str, item: str) -> float:
        return self.counts.get(item, 0)


def test_a_new_user_gets_what_is_popular() -> None:
    events = interactions(8000)
    model, popular = learned(events), _Popularity(events)
    best = sorted(popular.counts, key=lambda item: -popular.counts[item])[:15]
    assert len(set(model.recommend("stranger", k=5)) & set(best)) >= 3


def test_what_nothing_is_known_about_counts_as_even() -> None:
    model = learned(interactions(2000))
    assert model.predict_one("u1", "unheard of") == model.predict_one("stranger", "unheard of") == 0.5
    assert BPR().predict_one("a", "b") == 0.5


def test_the_first_interactions_have_nothing_to_compare_with() -> None:
    model = BPR()
    model.learn_one("ann", "tea")
    assert model.predict_one("ann", "tea") == pytest.approx(0.5, abs=0.01)
    model.learn_one("ann", "tea")
    assert model.n_events == 2
    assert model.recommend("ann", exclude_seen=False) == ["tea"]


def test_a_step_follows_the_gradient_of_the_papers_loss() -> None:
    # With two items there is one to draw, so the step is known.
    model = BPR(
        n_factors=3, n_negatives=1, optimizer=SGD(lr=1e-3), init_scale=0.5, l2_bias=0.02, l2_factors=0.03, seed=3
    )
    for _ in range(5):
        model.learn_one("ann", "tea")
        model.learn_one("bob", "beer")
    before: Any = model.state_dict()
    model.learn_one("ann", "tea")
    after: Any = model.state_dict()
    p, q, r = before["user_rows"][1], before["item_rows"][1], before["item_rows"][2]
    difference = q[0] - r[0] + p[1:] @ (q[1:] - r[1:])
    slope = -1 / (1 + math.exp(difference))
    steps = {
        ("user_rows", 1): np.concatenate([[0.0], slope * (q[1:] - r[1:]) + 0.03 * p[1:]]),
        ("item_rows", 1): np.concatenate([[slope + 0.02 * q[0]], slope * p[1:] + 0.03 * q[1:]]),
        ("item_rows", 2): np.concatenate([[-slope + 0.02 * r[0]], -slope * p[1:] + 0.03 * r[1:]]),
    }
    for (table, row), gradient in steps.items():
        np.testing.assert_allclose(before[table][row] - after[table][row], 1e-3 * gradient, rtol=1e-9, atol=1e-15)
    assert not after["item_rows"][0].any()
    assert not after["user_rows"][0].any()


def test_it_goes_on_from_its_state_as_if_it_never_stopped() -> None:
    events = interactions(600)
    parameters = {"users_max": 20, "items_max": 30, "replay_steps": 2, "replay_size": 50}
    straight, half = learned(events, **parameters), learned(events[:300], **parameters)
    resumed = BPR(n_factors=8, **parameters)
    resumed.load_state_dict(half.state_dict())
    for model in (resumed, copy.deepcopy(half)):
        for user, item in events[300:]:
            model.learn_one(user, item)
        assert bits(model) == bits(straight)
    assert straight.encoder.users.evicted > 0
    assert bits(learned(events, **parameters, seed=2)) != bits(straight)
    with pytest.raises(ValueError, match="`draws` must have 1 number"):
        resumed.load_state_dict({**half.state_dict(), "draws": np.zeros(2, dtype=np.uint64)})


def test_predicting_and_recommending_leave_no_trace() -> None:
    model = learned(interactions(300))
    before = bits(model)
    model.predict_one("u1", "new")
    model.recommend("stranger", k=3)
    with pytest.raises(ValueError, match="must be a number"):
        model.learn_one("u1", "new", "yes")  # type: ignore[arg-type]
    assert bits(model) == before


def test_events_may_come_with_a_positive_number_and_in_arrays() -> None:
    events = interactions(300)
    plain = learned(events)
    numbered = BPR(n_factors=8)
    for i, (user, item) in enumerate(events):
        numbered.predict_learn_one(user, item, 1.0 + i % 3)
    assert numbered.predict_one("u1", "i1") == plain.predict_one("u1", "i1")
    many = BPR(n_factors=8)
    users, items = zip(*events, strict=True)
    predictions = many.learn_many(users, items)
    assert bits(many) == bits(plain)
    assert ((predictions > 0) & (predictions < 1)).all()


@pytest.mark.parametrize("y", [0.0, -1.0, False, math.nan, math.inf])
def test_what_was_not_taken_is_counted_and_teaches_nothing(y: float) -> None:
    model = learned(interactions(100))
    before = bits(model)
    assert model.predict_learn_one("u1", "new", y) == model.predict_one("u1", "new")
    after = bits(model)
    assert {name for name in after if after[name] != before[name]} == {"counts"}
    assert (model.n_events, model.n_skipped_targets) == (100, 1)


@pytest.mark.parametrize("lr", [1e3, 1e30, 1e300])
def test_an_absurd_learning_rate_leaves_everything_finite(lr: float) -> None:
    model = learned(interactions(500), optimizer=SGD(lr=lr))
    assert all(np.isfinite(v).all() for v in model.state_dict().values() if isinstance(v, np.ndarray))
    assert 0 <= model.predict_one("u1", "i1") <= 1


@pytest.mark.parametrize(
    ("name", "value"), [("n_negatives", 0), ("n_factors", 0), ("optimizer", "adam"), ("l2_bias", -1), ("seen_max", -1)]
)
def test_what_is_out_of_range_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"`{name}` of BPR must be"):
        BPR(**{name: value})
