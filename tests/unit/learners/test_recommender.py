"""`recommend`: exact, filtered as asked, and with a bounded memory of what each user has met."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgedescent import BPR, MatrixFactorization


def ranker(n_events: int = 600, n_users: int = 12, n_items: int = 40, **parameters: object) -> MatrixFactorization:
    model = MatrixFactorization(n_factors=5, **parameters)  # type: ignore[arg-type]
    random = np.random.default_rng(3)
    for user, item, y in zip(
        random.integers(n_users, size=n_events),
        random.integers(n_items, size=n_events),
        random.uniform(0, 5, n_events),
        strict=True,
    ):
        model.learn_one(f"u{user}", f"i{item}", float(y))
    return model


def sorted_items(model: MatrixFactorization, user: str) -> list[str]:
    """All items by a full sort of their scores before clipping, ties in order of appearance."""
    p = model.model.user_rows.serving[model.encoder.users.row(user)]
    q = model.model.item_rows.serving[1 : len(model.encoder.items) + 1]
    scores = p[0] + q[:, 0] + q[:, 1:] @ p[1:]
    return [model.encoder.items.keys()[i] for i in np.argsort(-scores, kind="stable")]


class TestRanking:
    @pytest.mark.parametrize("user", ["u0", "u7", "nobody"])
    def test_it_agrees_with_a_full_sort(self, user: str) -> None:
        model = ranker()
        expected = sorted_items(model, user)
        for k in (1, 2, 3, 10, 39, 40, 1000):
            assert model.recommend(user, k) == expected[:k]

    def test_ties_come_in_order_of_appearance(self) -> None:
        model = MatrixFactorization(init_scale=0.0)
        for i in range(50):
            model.learn_one(f"u{i}", f"i{i}", 3.0)
        assert model.recommend("u3", 7) == [f"i{i}" for i in range(7)]
        assert model.recommend("u3", among=["i9", "i4", "i9"]) == ["i9", "i4"]

    @given(st.lists(st.integers(-3, 3), min_size=1, max_size=40), st.integers(1, 45))
    def test_any_scores_and_any_k(self, biases: list[int], k: int) -> None:
        model = MatrixFactorization(n_factors=1, init_scale=0.0)
        for i in range(len(biases)):
            model.learn_one("u", f"i{i}", 1.0)
        state = model.state_dict()
        rows = np.zeros_like(state["item_rows"])
        rows[1:, 0] = biases
        model.load_state_dict({**state, "item_rows": rows})
        order = sorted(range(len(biases)), key=lambda i: (-biases[i], i))
        assert model.recommend("u", k) == [f"i{i}" for i in order[:k]]

    def test_nothing_learned_means_nothing_to_recommend(self) -> None:
        assert MatrixFactorization().recommend("u", 5) == []

    def test_it_leaves_the_state_as_it_was(self) -> None:
        model = ranker()
        before = model.state_dict()
        model.recommend("u1", exclude_seen=True)
        model.recommend("stranger", exclude=["i1"], among=["i1", "unknown"])
        after = model.state_dict()
        assert all(np.array_equal(before[name], after[name]) for name in before)

    @pytest.mark.parametrize("k", [0, -1, 2.5, True])
    def test_k_is_checked(self, k: object) -> None:
        with pytest.raises(ValueError, match="The `k` of recommend must"):
            ranker(10).recommend("u0", k)  # type: ignore[arg-type]

    def test_ids_are_checked(self) -> None:
        model = ranker(10)
        with pytest.raises(ValueError, match="The user id must be a string or an integer"):
            model.recommend(None)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="An item id must be a string or an integer"):
            model.recommend("u0", exclude=[1.5])  # type: ignore[list-item]


class TestFilters:
    def test_excluded_items_are_left_out(self) -> None:
        model = ranker()
        expected = sorted_items(model, "u2")
        assert model.recommend("u2", 5, exclude=[*expected[:3], "unknown"]) == expected[3:8]

    def test_an_integer_is_the_same_id_as_its_digits(self) -> None:
        model = MatrixFactorization()
        for _ in range(20):
            model.learn_one(1, 7, 5.0)
            model.learn_one(1, 8, 1.0)
        assert model.recommend(1) == model.recommend("1") == ["7", "8"]
        assert model.recommend(1, exclude=[7], among=[7, 8]) == ["8"]

    def test_only_candidates_are_ranked(self) -> None:
        model = ranker()
        expected = [item for item in sorted_items(model, "u2") if item in {"i3", "i30", "i11"}]
        assert model.recommend("u2", 10, among=["i3", "i30", "i11"]) == expected
        assert model.recommend("u2", 10, among=["i3", "i30", "i11"], exclude=[expected[0]]) == expected[1:]
        assert model.recommend("u2", 10, among=[]) == []

    def test_unknown_candidates_stand_where_the_cold_start_puts_them(self) -> None:
        model = ranker()
        best, worst = (sorted_items(model, "u2")[i] for i in (0, -1))
        ranked = model.recommend("u2", among=[worst, "cold-1", best, "cold-2"])
        assert sorted(ranked) == sorted([worst, "cold-1", best, "cold-2"])
        predictions = [model.predict_one("u2", item) for item in ranked]
        assert predictions == sorted(predictions, reverse=True)
        assert model.recommend("u2", among=["cold-1", "cold-2"], exclude=["cold-1"]) == ["cold-2"]


class TestSeen:
    def test_what_a_user_met_is_left_out_for_that_user_alone(self) -> None:
        model = ranker(n_events=0)
        for item in ("a", "b", "c", "d"):
            model.learn_one("ann", item, 3.0)
        model.learn_one("bob", "b", 3.0)
        model.learn_one("ann", "b", 4.0)
        assert model.recommend("ann", exclude_seen=True) == []
        assert set(model.recommend("bob", exclude_seen=True)) == {"a", "c", "d"}
        assert len(model.recommend("stranger", exclude_seen=True)) == 4
        assert model.recommend("ann", among=["a", "new"], exclude_seen=True) == ["new"]

    def test_the_oldest_gives_way_and_repeats_count_once(self) -> None:
        model = MatrixFactorization(seen_max=3)
        for item in ("a", "b", "b", "b", "c", "d", "d"):
            model.learn_one("ann", item, 3.0)
        assert model.recommend("ann", exclude_seen=True) == ["a"]

    def test_without_a_memory_nothing_is_left_out(self) -> None:
        model = MatrixFactorization(seen_max=0)
        model.learn_one("ann", "a", 3.0)
        assert model.recommend("ann", exclude_seen=True) == ["a"]
        assert model.clone(include_attributes=True).recommend("ann") == ["a"]

    def test_a_row_that_went_to_another_item_is_not_taken_for_the_one_met(self) -> None:
        model = MatrixFactorization(items_max=3)
        for item in ("a", "b", "c"):
            model.learn_one("ann", item, 3.0)
        # "d" takes the row of "a", the least recently learned.
        model.learn_one("bob", "d", 3.0)
        assert model.recommend("ann", exclude_seen=True) == ["d"]

    def test_a_user_who_takes_over_a_row_starts_with_nothing_met(self) -> None:
        model = MatrixFactorization(users_max=1)
        model.learn_one("ann", "a", 3.0)
        model.learn_one("bob", "b", 3.0)
        assert model.recommend("bob", exclude_seen=True) == ["a"]

    def test_it_is_part_of_the_state(self) -> None:
        model = ranker(seen_max=4)
        copy = model.clone(include_attributes=True)
        for user in list(model.encoder.users.keys()):
            assert copy.recommend(user, 99, exclude_seen=True) == model.recommend(user, 99, exclude_seen=True)
        for learner in (model, copy):
            for i in range(7):
                learner.learn_one("u1", f"i{i}", 2.0)
        state, same = model.state_dict(), copy.state_dict()
        assert all(np.array_equal(state[name], same[name]) for name in state)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("seen.counts", np.array([0, 1])),
            ("seen.counts", np.array([0, -1, 1])),
            ("seen.entries", np.array([(1 << 24) | 9])),
            ("seen.entries", np.array([(99 << 24) | 1])),
            ("seen.entries", np.array([-1])),
        ],
    )
    def test_a_state_that_does_not_fit_is_refused(self, name: str, value: object) -> None:
        model = MatrixFactorization()
        model.learn_one("ann", "a", 3.0)
        model.learn_one("bob", "a", 3.0)
        before = model.state_dict()
        with pytest.raises(ValueError, match="seen"):
            model.load_state_dict({**before, name: value})
        assert model.recommend("ann", exclude_seen=True) == []


def test_an_implicit_ranker_recommends_what_was_not_taken_yet() -> None:
    model = BPR(n_factors=4)
    for _ in range(200):
        for user, item in (("ann", "tea"), ("ann", "milk"), ("bob", "tea"), ("cat", "beer")):
            model.learn_one(user, item)
    assert model.recommend("bob", k=1) == ["tea"]
    assert model.recommend("bob", exclude_seen=True)[0] == "milk"
