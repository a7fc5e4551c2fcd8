"""Withdrawn items: in no list, learned as before, part of the state, bounded."""

from __future__ import annotations

from typing import Any

import pytest

from edgedescent import BPR, AutoRanker, MatrixFactorization
from edgedescent.learners.recommender import Recommender
from edgedescent.state import codec

LEARNERS: list[type[Any]] = [MatrixFactorization, AutoRanker, BPR]


def learn(ranker: Recommender, n: int, start: int = 0) -> None:
    for i in range(start, start + n):
        ranker.learn_one(f"u{i % 7}", f"i{i * i % 23}", 1.0 + i % 4)


@pytest.mark.parametrize("kind", LEARNERS)
def test_a_withdrawn_item_is_in_no_list(kind: type[Any]) -> None:
    ranker = kind()
    learn(ranker, 200)
    before = ranker.recommend("u1", 50)
    ranker.set_available(before[0], False)
    ranker.set_available(before[3], False)
    assert not ranker.is_available(before[0])
    assert ranker.n_available == ranker.n_items - 2
    left = [item for item in before if item not in (before[0], before[3])]
    assert ranker.recommend("u1", 50) == left
    assert ranker.recommend("u1", 50, among=before) == left
    assert ranker.recommend("u1", 3, left[:1]) == left[1:4]
    # It is learned as before, and is there again once it may be.
    learn(ranker, 50, start=200)
    assert before[0] not in ranker.recommend("u1", 50)
    ranker.set_available(before[0])
    assert before[0] in ranker.recommend("u1", 50)


def test_what_is_learned_does_not_depend_on_it() -> None:
    one, other = AutoRanker(), AutoRanker()
    for i in range(150):
        one.set_available(f"i{i % 5}", i % 2 == 0)
        learn(one, 1, start=i)
        learn(other, 1, start=i)
    state = one.state_dict()
    assert state.pop("withdrawn")
    assert codec.encode(state) == codec.encode(other.state_dict())


def test_an_item_without_a_row_is_withdrawn_too() -> None:
    ranker = AutoRanker()
    learn(ranker, 100)
    ranker.set_available("new", False)
    assert ranker.recommend("u1", among=["new", "newer"]) == ["newer"]
    ranker.learn_one("u1", "new")
    assert "new" not in ranker.recommend("u1", 100)
    assert ranker.n_available == ranker.n_items - 1


def test_the_row_of_a_withdrawn_item_may_go_to_another() -> None:
    ranker = AutoRanker(items_max=4)
    for item in "abcd":
        ranker.learn_one("u", item)
        ranker.set_available(item, False)
    assert ranker.recommend("u", 9) == []
    for _ in range(9):
        ranker.learn_one("v", "e")
    assert ranker.encoder.items.row("e") > 0
    assert ranker.recommend("u", 9) == ["e"]
    # Whichever lost its row is still withdrawn.
    assert ranker.recommend("u", 9, among=list("abcde")) == ["e"]
    ranker.set_available("e", False)
    assert ranker.recommend("u", 9) == []
    assert ranker.n_available == 0


@pytest.mark.parametrize("kind", LEARNERS)
def test_it_is_part_of_the_state(kind: type[Any]) -> None:
    ranker = kind()
    learn(ranker, 100)
    untouched = ranker.state_dict()
    assert "withdrawn" not in untouched
    ranker.set_available("i2", False)
    ranker.set_available("unknown", False)
    state = codec.decode(codec.encode(ranker.state_dict()))
    restored = kind()
    restored.load_state_dict(state)
    assert restored.recommend("u1", 50, among=["i2", "unknown", "i1"]) == ["i1"]
    assert codec.encode(restored.state_dict()) == codec.encode(state)
    learn(ranker, 50, start=100)
    learn(restored, 50, start=100)
    assert codec.encode(restored.state_dict()) == codec.encode(ranker.state_dict())
    # A state without any, as all were before, ends it.
    restored.load_state_dict(untouched)
    assert "i2" in restored.recommend("u1", 50)
    assert ranker.clone(include_attributes=True).state_dict()["withdrawn"] == ["i2", "unknown"]


@pytest.mark.parametrize("ids", [["i1", "i1"], ["x" * 513], [7], "i1"])
def test_damaged_ids_are_refused_and_change_nothing(ids: Any) -> None:
    ranker = AutoRanker()
    learn(ranker, 50)
    ranker.set_available("i2", False)
    state, other = ranker.state_dict(), AutoRanker()
    other.set_available("i3", False)
    before = codec.encode(other.state_dict())
    with pytest.raises(ValueError, match="withdrawn"):
        other.load_state_dict({**state, "withdrawn": ids})
    assert codec.encode(other.state_dict()) == before


def test_a_state_that_is_refused_keeps_them() -> None:
    ranker = AutoRanker()
    learn(ranker, 50)
    ranker.set_available("i2", False)
    state = ranker.state_dict()
    before = codec.encode(state)
    broken = {**state, "withdrawn": ["i1"], "mean_weight": state["mean_weight"] * 0 - 1.0}
    with pytest.raises(ValueError, match="mean_weight"):
        ranker.load_state_dict(broken)
    assert codec.encode(ranker.state_dict()) == before
    assert not ranker.is_available("i2")
    assert "i1" in ranker.recommend("u1", 50)


def test_ids_are_checked() -> None:
    ranker = AutoRanker()
    for wrong in (1.5, True, None, "x" * 513):
        with pytest.raises(ValueError, match="item id"):
            ranker.set_available(wrong, False)  # type: ignore[arg-type]
    ranker.set_available(7, False)
    assert not ranker.is_available("7")


def test_the_oldest_without_a_row_are_forgotten_beyond_the_bound() -> None:
    ranker = AutoRanker(items_max=10)
    for i in range(10):
        ranker.learn_one("u", f"known{i}")
        ranker.set_available(f"known{i}", False)
    for i in range(10_000):
        ranker.set_available(f"new{i}", False)
        assert len(ranker.encoder.withdrawn) <= 20
    assert ranker.recommend("u", 20) == []
    assert not ranker.is_available("new9999")
    assert ranker.is_available("new0")


def test_they_go_on_with_other_parameters() -> None:
    ranker = AutoRanker()
    learn(ranker, 50)
    ranker.set_available("i2", False)
    ranker.set_available("unknown", False)
    ranker.set_params(items_max=100)
    assert "i2" not in ranker.recommend("u1", 50)
    assert ranker.state_dict()["withdrawn"] == ["i2", "unknown"]
