"""What gets into a full table, and what stays there: names in long use, newcomers, floods, and drift."""

from __future__ import annotations

import random
from typing import Any

import pytest

from edgedescent import LinearRegressor, MatrixFactorization


def full(features_max: int = 100, uses: int = 20) -> LinearRegressor:
    """A model whose table is full of names that were used often."""
    model = LinearRegressor(features_max=features_max)
    for _ in range(uses):
        model.learn_one({f"used-{i}": float(i) for i in range(features_max)}, 1.0)
    return model


def names(model: Any) -> set[str]:
    return set(model.encoder.vocabulary.keys())


class TestNewcomers:
    def test_any_number_that_come_once_leave_what_is_in_use(self) -> None:
        model = full()
        before = names(model)
        model.learn_one({f"wide-{i}": 1.0 for i in range(5000)}, 1.0)
        for i in range(5000):
            model.learn_one({f"junk-{i}": 1.0}, 1.0)
        # Hashes collide, so that a few seem to come again; not often enough.
        assert names(model) == before
        assert model.counts()["features_evicted"] == 0
        assert model.counts()["features_shared"] == 10_000

    def test_one_gets_in_once_it_came_more_often_than_the_least_used(self) -> None:
        model = full(uses=3)
        gone = "used-7"
        for _ in range(5):
            model.learn_one({f"used-{i}": 1.0 for i in range(100) if i != 7}, 1.0)
        for n in range(4):
            assert gone in names(model)
            assert ("new" in names(model)) is False, n
            model.learn_one({"new": 1.0}, 1.0)
        assert names(model) == {"new", *(f"used-{i}" for i in range(100))} - {gone}

    def test_one_that_came_once_makes_room_at_once(self) -> None:
        model = LinearRegressor(features_max=100)
        for _ in range(20):
            model.learn_one({f"used-{i}": 1.0 for i in range(99)}, 1.0)
        before = names(model)
        for i in range(3000):
            model.learn_one({f"junk-{i}": 1.0}, 1.0)
            assert names(model) == {*before, f"junk-{i}"}

    def test_a_sensor_replaced_in_a_table_in_use_gets_in_within_sixteen_events(self) -> None:
        model = full(features_max=24)
        present = {f"used-{i}": 1.0 for i in range(19)}
        for _ in range(16):
            model.learn_one({**present, **{f"new-{i}": 1.0 for i in range(5)}}, 1.0)
        assert names(model) == {*present, *(f"new-{i}" for i in range(5))}

    def test_names_that_are_too_many_for_the_table_do_not_take_turns(self) -> None:
        model = LinearRegressor(features_max=1000)
        evicted = []
        for _ in range(60):
            model.learn_one({f"even-{i}": 1.0 for i in range(700)}, 1.0)
            model.learn_one({f"odd-{i}": 1.0 for i in range(700)}, 1.0)
            evicted.append(model.counts()["features_evicted"])
        assert evicted[-1] == evicted[30]


class TestDrift:
    def test_everything_can_be_replaced(self) -> None:
        model = full()
        for _ in range(300):
            model.learn_one({f"next-{i}": 1.0 for i in range(100)}, 1.0)
        assert names(model) == {f"next-{i}" for i in range(100)}

    def test_categories_that_follow_each_other_are_learned(self) -> None:
        # Each is there for a thousand events, a hundred at a time, in a table of three hundred.
        rng = random.Random(1)
        model = LinearRegressor(features_max=300, categories=("part",))
        known = []
        for n in range(60_000):
            part = f"part={n // 10 + rng.randrange(100)}"
            known.append(part in model.encoder.vocabulary)
            model.learn_one({"part": part[5:]}, 1.0)
        # It was known before that: of ten times, the first cannot be.
        assert sum(known[30_000:]) / 30_000 > 0.55

    def test_users_that_pass_through_are_learned_from_their_fourth_event(self) -> None:
        # Each rates twenty items and never comes again; a hundred at a time.
        rng = random.Random(2)
        model = MatrixFactorization(n_factors=1, users_max=1000)
        active = [f"user-{i}" for i in range(100)]
        left = [20] * 100
        n_users, learned, total = 100, 0, 0
        for n in range(200_000):
            place = rng.randrange(100)
            if left[place] == 0:
                active[place], left[place] = f"user-{n_users}", 20
                n_users += 1
            left[place] -= 1
            if n > 100_000:
                total += 1
                learned += active[place] in model.encoder.users
            model.learn_one(active[place], f"item-{rng.randrange(30)}", 1.0)
        assert n_users > 9000
        assert learned / total > 0.75

    def test_ids_that_come_twice_leave_those_in_use(self) -> None:
        model = MatrixFactorization(n_factors=1, users_max=1000)
        for n in range(10_000):
            model.learn_one(f"user-{n % 500}", "item", 1.0)
        for n in range(2000):
            for _ in range(2):
                model.learn_one(f"junk-{n}", "item", 1.0)
        assert all(f"user-{n}" in model.encoder.users for n in range(500))


@pytest.mark.parametrize("which", ["features", "ids"])
def test_the_counts_are_part_of_the_state(which: str) -> None:
    def learn(model: Any, n: int) -> None:
        if which == "features":
            model.learn_one({f"f{n * n % 97}": 1.0, f"g{n % 7}": 1.0}, float(n % 3))
        else:
            model.learn_one(f"u{n * n % 97}", f"i{n * n % 43}", float(n % 3))

    kind: Any = (
        LinearRegressor(features_max=20) if which == "features" else MatrixFactorization(users_max=20, items_max=9)
    )
    whole, first = kind.clone(), kind.clone()
    for n in range(700):
        learn(first, n)
    second = first.clone(include_attributes=True)
    for n in range(700, 1500):
        learn(second, n)
    for n in range(1500):
        learn(whole, n)
    one, other = whole.state_dict(), second.state_dict()
    assert {name: str(value) for name, value in one.items()} == {name: str(value) for name, value in other.items()}
