"""Scores of recommended lists."""

from __future__ import annotations

import math
from typing import Any

import pytest

from edgedescent.evaluation import RankingScores


def test_accuracy_by_hand() -> None:
    scores = RankingScores(k=3)
    # Ranks 1 and 3 of the three chosen ones, and one that is not within the first 3.
    scores.update(["a", "b", "c", "d"], "a", "c", "d")
    ideal = 1 + 1 / math.log2(3) + 1 / 2
    assert scores.summary()["recall"] == pytest.approx(2 / 3)
    assert scores.summary()["ndcg"] == pytest.approx((1 + 1 / 2) / ideal)
    assert scores.summary()["hit_rate"] == 1.0
    scores.update(["a", "b", "c", "d"], "d")
    assert scores.summary()["recall"] == pytest.approx(1 / 3)
    assert scores.summary()["hit_rate"] == 0.5


def test_a_chosen_item_counts_by_its_rank() -> None:
    for rank, item in enumerate("abcde", start=1):
        scores = RankingScores(k=5)
        scores.update(list("abcde"), item)
        assert scores.summary()["ndcg"] == pytest.approx(1 / math.log2(rank + 1))


def test_coverage_counts_items_of_the_catalogue_once() -> None:
    scores = RankingScores(k=2, catalogue="abcd")
    scores.update(["a", "b"], "z")
    scores.update(["b", "z"], "a")
    assert scores.summary()["coverage"] == 0.5
    # Without a catalogue: of a, b, z and y, which were seen.
    scores = RankingScores(k=2)
    scores.update(["a", "b"], "z")
    scores.update(["b", "z"], "y")
    assert scores.summary()["coverage"] == 0.75


def test_novelty_is_the_information_of_choices_before_the_event() -> None:
    scores = RankingScores(k=1, catalogue="ab")
    scores.update(["a"], "a")
    assert scores.summary()["novelty"] == 1.0
    # One choice and two items: p(a) = 2/3, p(b) = 1/3.
    scores.update(["b"], "a")
    assert scores.summary()["novelty"] == pytest.approx((1 + math.log2(3)) / 2)


def test_a_window_holds_the_last_lists() -> None:
    scores = RankingScores(k=1, window=2, catalogue="abcd")
    for item, chosen in (("a", "a"), ("b", "c"), ("c", "c"), ("d", "c")):
        scores.update([item], chosen)
    assert scores.summary()["recall"] == 0.5
    assert scores.summary()["coverage"] == 0.5


def test_fading_weighs_the_latest_most() -> None:
    scores = RankingScores(k=1, fading=0.5)
    for item in ("a", "b", "a"):
        scores.update([item], "a")
    assert scores.summary()["hit_rate"] == pytest.approx((1 + 0 + 0.25) / 1.75)


def test_an_empty_list_recommends_nothing() -> None:
    for scores in (RankingScores(), RankingScores(window=3)):
        assert scores.summary() == {}
        scores.update([], "a")
        assert scores.summary() == {"recall": 0.0, "ndcg": 0.0, "hit_rate": 0.0, "coverage": 0.0}


def test_wrong_lists_and_options_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one chosen item"):
        RankingScores().update(["a"])
    with pytest.raises(ValueError, match="distinct"):
        RankingScores().update(["a", "a"], "a")
    options: list[dict[str, Any]] = [{"k": 0}, {"window": 0}, {"fading": 0.0}, {"window": 1, "fading": 0.5}]
    for option in options:
        with pytest.raises(ValueError, match=r"Got|Choose"):
            RankingScores(**option)
