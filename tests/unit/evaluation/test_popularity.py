"""The hit rate of popularity is that of lists that are made in full."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from edgedescent.evaluation import popularity
from edgedescent.evaluation.popularity import HORIZON, PopularityBaseline


class Twin:
    """Popularity with a list for every choice, from its definition."""

    def __init__(self, k: int) -> None:
        self.k, self.counts = k, dict[str, float]()

    def hit(self, item: str, withheld: set[str]) -> bool:
        # Sorting keeps those that count as much in the order in which they came.
        ranked = sorted(self.counts, key=lambda name: -self.counts[name])
        return item in [name for name in ranked if name not in withheld][: self.k]

    def learn(self, item: str) -> None:
        self.counts = {name: count * (1.0 - 1.0 / HORIZON) for name, count in self.counts.items()}
        self.counts[item] = self.counts.get(item, 0.0) + 1.0


@pytest.mark.parametrize("k", [1, 3, 20])
def test_a_hit_is_what_a_list_would_hold(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(popularity, "CHUNK_MIN", 2)
    # So that the weights are scaled down on the way.
    monkeypatch.setattr(popularity, "_RESCALE_AT", 1.05)
    numbers, baseline, twin = random.Random(7), PopularityBaseline(k), Twin(k)
    n_hits = 0
    for n in range(800):
        item = f"i{int(numbers.paretovariate(0.5)) % 40}"
        withheld = {f"i{numbers.randrange(40)}" for _ in range(numbers.randrange(8))} - {item}
        hit = baseline.is_hit(item, lambda items, out=withheld: len(set(items) - out))
        assert hit == twin.hit(item, withheld), n
        baseline.score(hit)
        n_hits += hit
        baseline.learn(item)
        twin.learn(item)
    assert 0 < n_hits < 800
    assert baseline.summary() == {"hit_rate_at_k_popularity": n_hits / 800}


def test_a_full_table_lets_the_least_popular_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(popularity, "ITEMS_MAX", 2)
    baseline = PopularityBaseline(1)
    for item in ("a", "a", "b", "c"):
        baseline.learn(item)
    assert baseline.save()["items"] == ["a", "c"]
    assert not PopularityBaseline(5).is_hit("never")


def test_a_state_goes_on_with_the_same_bits() -> None:
    one, other = PopularityBaseline(2), PopularityBaseline(2)
    for n in range(100):
        one.score(one.is_hit(f"i{n * n % 7}"))
        one.learn(f"i{n * n % 7}")
    other.restore(one.save())
    for baseline in (one, other):
        for n in range(50):
            baseline.score(baseline.is_hit(f"i{n % 9}"))
            baseline.learn(f"i{n % 9}")
    left, right = one.save(), other.save()
    assert left["items"] == right["items"]
    assert [left[name].tobytes() for name in ("counts", "scores")] == [
        right[name].tobytes() for name in ("counts", "scores")
    ]


@pytest.mark.parametrize(
    "damage",
    [
        {"items": ["a", "a"]},
        {"items": ["a"]},
        {"items": ["a", 7]},
        {"counts": np.array([1.0, np.nan])},
        {"counts": np.array([1.0, -1.0])},
        {"scores": np.array([1.0, 2.0])},
        {"scores": np.array([0.5, 2.0, 1.0])},
        {"scores": np.array([1.0, 2.0, 3.0])},
    ],
)
def test_a_damaged_state_is_refused(damage: dict[str, Any]) -> None:
    baseline = PopularityBaseline(2)
    baseline.learn("a")
    baseline.learn("b")
    with pytest.raises(ValueError, match="popularity"):
        PopularityBaseline(2).restore({**baseline.save(), **damage})
