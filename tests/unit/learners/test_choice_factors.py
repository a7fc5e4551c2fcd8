"""The factors of `AutoRanker`: what they compute, what they add, and what their state must be."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from edgedescent import AutoRanker
from edgedescent.evaluation.ranking import RankingScores
from reference.choice_factors import ChoiceFactors


def choices(n: int, seed: int = 1) -> list[tuple[str, str]]:
    """Choices of users of five tastes: three in four are among the 20 items of the user's own."""
    rng = random.Random(seed)
    drawn = []
    for _ in range(n):
        user = rng.randrange(40)
        taste = user % 5 if rng.random() < 0.75 else rng.randrange(5)
        drawn.append((f"u{user}", f"i{taste + 5 * rng.randrange(20)}"))
    return drawn


def taught(n_factors: int, events: list[tuple[str, str]]) -> AutoRanker:
    model = AutoRanker(n_factors=n_factors)
    for user, item in events:
        model.learn_one(user, item)
    return model


@pytest.mark.parametrize("n_factors", [3, 16])
def test_it_computes_what_the_twin_computes(n_factors: int) -> None:
    events = choices(1500)
    model, twin = taught(n_factors, events), ChoiceFactors(n_factors)
    for user, item in events:
        is_new = item not in twin.items
        twin.start(user, item)
        if not is_new:
            twin.learn(user, item)
    state: dict[str, Any] = dict(model.state_dict())
    for role, table in (("users", twin.users), ("items", twin.items)):
        # Row 0 is that of unknown ids; places beyond the factors fill a vector register.
        expected = np.array([table[name] for name in state[role]])
        assert state[f"factors.{role}"][1:, :n_factors] == pytest.approx(expected, abs=2e-3)
        assert not state[f"factors.{role}"][0].any()
        assert not state[f"factors.{role}"][:, n_factors:].any()
    biases = [twin.biases[name] for name in state["items"]]
    assert state["factors.biases"][1:] == pytest.approx(biases, abs=2e-3)


def test_they_find_more_where_tastes_are_steady() -> None:
    events = choices(4000)
    found = {}
    for n_factors in (0, 16):
        model, scores, had = AutoRanker(n_factors=n_factors, latest=2), RankingScores(k=10), set()
        for n, (user, item) in enumerate(events):
            if n >= 2000 and n % 2 and (user, item) not in had:
                scores.update(model.recommend(user, k=10, exclude_seen=True), item)
            model.learn_one(user, item)
            had.add((user, item))
        found[n_factors] = scores.summary()["recall"]
    assert found[16] > 1.1 * found[0], found


def test_an_item_that_only_the_factors_favour_is_recommended() -> None:
    # More than 100 items are more popular, and the item is no neighbour of any that the user had.
    model = AutoRanker()
    for n in range(900):
        model.learn_one(f"u{n}", f"i{n % 300}")
    model.learn_one("ann", "rare")
    state: dict[str, Any] = dict(model.state_dict())
    row = 1 + list(state["items"]).index("rare")
    assert "rare" not in model.recommend("u7", k=150)
    biases = changed(state["factors.biases"], (row,), 16.0)
    model.load_state_dict({**state, "factors.biases": biases})
    assert model.recommend("u7", k=1) == ["rare"]


def test_a_flood_of_new_ids_leaves_the_factors_of_others_as_they_are() -> None:
    model = taught(16, choices(500))
    before: dict[str, Any] = dict(model.state_dict())
    for n in range(1500):
        model.learn_one(f"flood-{n}", f"junk-{n}")
    after: dict[str, Any] = dict(model.state_dict())
    for name in ("users", "items", "biases"):
        n_rows = len(before[f"factors.{name}"])
        assert np.array_equal(after[f"factors.{name}"][:n_rows], before[f"factors.{name}"])
    assert np.array_equal(after["factors.recent"], before["factors.recent"])


def test_a_row_that_goes_to_another_item_starts_anew() -> None:
    model = AutoRanker(items_max=2, users_max=50)
    for n in range(30):
        for item in ("tea", "scones"):
            model.learn_one(f"u{n}", item)
    recent = set(model.state_dict()["factors.recent"].tolist())
    for n in range(100):
        model.learn_one(f"v{n}", "beer")
        if "beer" in model.state_dict()["items"]:
            break
    state: dict[str, Any] = dict(model.state_dict())
    row = 1 + list(state["items"]).index("beer")
    assert row in recent
    assert row not in state["factors.recent"]
    assert state["factors.biases"][row] == state["factors.item_steps"][row] == 0.0
    alone = AutoRanker()
    alone.learn_one("ann", "beer")
    assert np.array_equal(state["factors.items"][row], alone.state_dict()["factors.items"][1])


def changed(array: Any, place: tuple[int, ...], value: float) -> Any:
    array = array.copy()
    array[place] = value
    return array


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("users", lambda array: array[1:]),
        ("users", lambda array: changed(array, (0, 0), 0.1)),
        ("items", lambda array: changed(array, (1, 3), 0.1)),
        ("items", lambda array: changed(array, (1, 0), 17.0)),
        ("biases", lambda array: changed(array, (1,), -17.0)),
        ("item_steps", lambda array: changed(array, (1,), -1.0)),
        ("recent", lambda array: changed(array, (0,), len(array) + 5)),
        ("n_recent", lambda array: array + 2000),
    ],
)
def test_a_state_that_does_not_fit_is_refused(name: str, change: Any) -> None:
    model = taught(3, choices(50))
    state: dict[str, Any] = dict(model.state_dict())
    with pytest.raises(ValueError, match=rf"`factors\.{name}`"):
        AutoRanker(n_factors=3).load_state_dict({**state, f"factors.{name}": change(state[f"factors.{name}"])})


def test_without_factors_the_state_has_none() -> None:
    assert not [name for name in taught(0, choices(50)).state_dict() if name.startswith("factors")]
    with pytest.raises(ValueError, match="n_factors"):
        AutoRanker(n_factors=-1)
