"""What holds for the lists of every recommender: caps, diversity, reasons."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import numpy as np
import pytest

from edgedescent.ranking.diversity import diversified
from support.exported import LEARNERS, small

RECOMMENDERS = [kind for kind in LEARNERS if kind.input_kind == "ratings"]
KINDS = {f"i{n}": ("hot", "cold", "sweet")[n % 3] for n in range(25)}
"""The last items have none."""

every_recommender = pytest.mark.parametrize("kind", RECOMMENDERS)


def taught(kind: Any) -> Any:
    dice, learner = random.Random(1), small(kind)
    for _ in range(400):
        user, item = dice.randrange(15), int(30 * dice.random() ** 2)
        learner.learn_one(f"u{user}", f"i{item}", float(1 + (user + item) % 5))
    return learner


@every_recommender
def test_a_cap_holds_and_takes_the_best_that_it_allows(kind: Any) -> None:
    learner = taught(kind)
    for user in ("u1", "nobody"):
        capped = learner.recommend(user, 12, categories=KINDS, per_category=2)
        assert max(Counter(KINDS[item] for item in capped if item in KINDS).values()) <= 2
        used, expected = Counter[str](), []
        for item in learner.recommend(user, learner.n_items):
            if item not in KINDS or used[KINDS[item]] < 2:
                expected.append(item)
                used.update([KINDS[item]] if item in KINDS else [])
        assert capped == expected[:12]


@every_recommender
def test_diversity_trades_places_for_other_categories(kind: Any) -> None:
    learner = taught(kind)
    plain = learner.recommend("u1", 6)
    assert learner.recommend("u1", 6, categories=KINDS) == plain
    assert learner.recommend("u1", 6, categories=KINDS, diversity=1e-9) == plain
    diverse = learner.recommend("u1", 3, categories=dict.fromkeys(KINDS, "same") | {plain[5]: "other"}, diversity=0.9)
    assert diverse[0] == plain[0]
    assert plain[5] in diverse


@every_recommender
def test_what_is_left_out_stays_so(kind: Any) -> None:
    learner = taught(kind)
    best = learner.recommend("u1", 2)
    learner.set_available(best[0], False)
    among = learner.recommend("u1", 5, best[1:], among=list(KINDS), categories=KINDS, diversity=0.3)
    assert among
    assert not set(best) & set(among)
    assert set(among) <= set(KINDS)


@every_recommender
def test_reasons_are_items_of_the_user_and_leave_the_state(kind: Any) -> None:
    learner = taught(kind)
    before = {name: np.array(value).tobytes() for name, value in learner.state_dict().items()}
    found = 0
    for user in ("u1", "u7", "nobody"):
        had = {row for row in learner.encoder.latest_items()[learner.encoder.users.row(user)].tolist() if row}
        for item in [*learner.recommend(user, 8), "unknown"]:
            reasons = learner.reasons(user, item, n=2)
            assert len(reasons) <= 2
            assert item not in reasons
            assert {learner.encoder.items.row(reason) for reason in reasons} <= had
            assert list(reasons.values()) == sorted(reasons.values(), reverse=True)
            assert all(part > 0.0 for part in reasons.values())
            found += len(reasons)
    assert (found > 0) == (kind.__name__ in ("AutoRanker", "ItemNeighbours", "SessionCooccurrence"))
    assert {name: np.array(value).tobytes() for name, value in learner.state_dict().items()} == before


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"per_category": 0, "categories": KINDS}, r"`per_category` of recommend must be an integer >= 1\. Got 0"),
        ({"per_category": 1.5, "categories": KINDS}, r"`per_category` of recommend must be an integer >= 1\. Got 1\.5"),
        ({"diversity": 1.1, "categories": KINDS}, r"`diversity` of recommend must be >= 0 and <= 1\. Got 1\.1"),
        ({"diversity": float("nan"), "categories": KINDS}, r"`diversity` of recommend must be >= 0 and <= 1\. Got nan"),
        ({"diversity": 0.5}, "need `categories`: expected a category by item id"),
        ({"per_category": 2}, "need `categories`: expected a category by item id"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        taught(RECOMMENDERS[0]).recommend("u1", **given)


def test_a_cap_fills_the_list_from_far_behind() -> None:
    from edgedescent import DecayedPopularity

    learner = DecayedPopularity()
    for n in range(500):
        for _ in range(1 + (n < 450)):
            learner.learn_one("ann", f"i{n}")
    categories = {f"i{n}": "common" for n in range(450)}
    listed = learner.recommend("bob", 5, categories=categories, per_category=1)
    assert len(listed) == 5
    assert sum(item in categories for item in listed) == 1


def test_relevance_and_likeness_are_weighed_as_defined() -> None:
    kinds = {"a": ["x", "y"], "b": ["x"], "c": ["z"], "d": ["x", "y"]}
    # After a: b has 0.75 - w / 2, c has 0.5, d has 0.25 - w; with weights 1 - w for relevance.
    assert diversified("abcd", 4, kinds, diversity=0.3) == ["a", "b", "c", "d"]
    assert diversified("abcd", 4, kinds, diversity=0.5) == ["a", "c", "b", "d"]
    assert diversified("abcd", 2, kinds, per_category=1) == ["a", "c"]
