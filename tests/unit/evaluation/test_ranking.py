"""Scores of recommended lists."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest

from edgedescent.evaluation import PrequentialRanking, RankingScores


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


def test_running_scores_are_those_of_all_lists() -> None:
    dice = random.Random(5)
    running, all_lists = PrequentialRanking(k=4), RankingScores(k=4, window=1000)
    fading = RankingScores(k=4, fading=0.999)
    items = [f"i{i}" for i in range(300)]
    for _ in range(1500):
        chosen, recommended = dice.choice(items[:40]), dice.sample(items, dice.randint(0, 6))
        if dice.random() < 0.5:
            recommended = [chosen, *(item for item in recommended if item != chosen)]
            dice.shuffle(recommended)
        running.update(recommended, chosen)
        all_lists.update(recommended, chosen)
        fading.update(recommended, chosen)
    found = running.summary(n_items=300)
    assert found["lists_scored"] == 1500
    recent = fading.summary()
    assert found["recall_at_k_recent"] == pytest.approx(recent["recall"])
    assert found["ndcg_at_k_recent"] == pytest.approx(recent["ndcg"])
    recommended_lately = {item for one in all_lists._last or () for item in one.recommended}
    assert found["catalogue_coverage"] == len(recommended_lately) / 300
    assert found["recall_at_k"] == found["hit_rate_at_k"] > found["ndcg_at_k"] > 0


def test_running_scores_go_on_from_their_state_and_refuse_others() -> None:
    one, other = PrequentialRanking(k=2), PrequentialRanking(k=2)
    for i in range(1100):
        one.update([f"{i}", f"{i + 1}"], f"{i + i % 3}")
    one.n_choices = 1100
    other.restore(one.save())
    for scores in (one, other):
        scores.update(["a", "b"], "b")
    assert one.summary(2000) == other.summary(2000)
    assert all((one.save()[name] == other.save()[name]).all() for name in one.save())
    saved = one.save()
    assert saved["lists"].nbytes == 1000 * 2 * 8
    one.n_choices = 0
    for change in (
        one.save(),
        {**saved, "sums": saved["sums"] * np.nan},
        {**saved, "sums": saved["sums"][:3]},
        {**saved, "lists": saved["lists"][:5]},
        {**saved, "lists": saved["lists"].astype(np.float64)},
        {**saved, "choices": saved["choices"][:1]},
    ):
        with pytest.raises(ValueError, match="ranking"):
            other.restore(change)
    with pytest.raises(ValueError, match="k of a ranking"):
        PrequentialRanking(k=0)


def test_long_lists_are_remembered_in_bounded_memory() -> None:
    scores = PrequentialRanking(k=1000)
    for start in range(150):
        scores.update([f"{start}-{i}" for i in range(1000)], "x")
    assert scores.save()["lists"].size == 100_000
    assert scores.summary(n_items=150_000)["catalogue_coverage"] == 100_000 / 150_000
    # Some of them have left.
    assert scores.summary(n_items=10)["catalogue_coverage"] == 1.0
    assert scores.summary(n_items=0)["catalogue_coverage"] == 0.0
