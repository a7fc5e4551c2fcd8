"""Diversity of a list of items: maximal marginal relevance, and a cap per category."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

Categories = Mapping[str, str | Iterable[str]]
"""Category, or categories, by item id; an item that is not in it has none."""


def diversified(
    items: Sequence[str],
    k: int,
    categories: Categories,
    *,
    per_category: int | None = None,
    diversity: float = 0.0,
    head: int | None = None,
) -> list[str]:
    """Return up to `k` of ranked items, each chosen by its place and by how much it differs from those before it.

    Maximal marginal relevance: of the items left, the next one is the first with the greatest ::

        (1 - diversity) relevance(i) - diversity max_j similarity(i, j)        over the items j chosen so far

    The relevance falls from 1 at the first of the `items` to 0 behind the last of the `head`, since scores of learners
    have units of their own. The similarity of two items is the share of their categories that both have (Jaccard
    index).

    Args:
        items: Items, the best first.
        k: Largest number of items of the list.
        categories: Category or categories by item.
        per_category: Largest number of items that have a category in common; None for no cap.
        diversity: Weight of the similarity, from 0 to 1.
        head: Number of the best items among which the relevance falls; None for all. Those behind them follow.

    Example:
        >>> kinds = {"tea": "drinks", "milk": "drinks", "beer": "drinks", "jam": "spreads"}
        >>> diversified(["tea", "milk", "beer", "jam"], 3, kinds, per_category=2)
        ['tea', 'milk', 'jam']
        >>> diversified(["tea", "milk", "beer", "jam"], 3, kinds, diversity=0.5)
        ['tea', 'jam', 'milk']

    References:
        Carbonell and Goldstein 1998, "The use of MMR, diversity-based reranking for reordering documents and producing
        summaries", SIGIR.
    """
    of = [_categories_of(categories, item) for item in items]
    relevance = [1.0 - place / (head or len(items)) for place in range(len(items))]
    likeness = [0.0] * len(items)
    left, chosen = list(range(len(items))), list[str]()
    used: Counter[str] = Counter()
    while left and len(chosen) < k:
        if per_category is not None:
            left = [place for place in left if all(used[name] < per_category for name in of[place])]
            if not left:
                break
        best = max(left, key=lambda place: (1.0 - diversity) * relevance[place] - diversity * likeness[place])
        left.remove(best)
        chosen.append(items[best])
        used.update(of[best])
        if diversity:
            for place in left:
                likeness[place] = max(likeness[place], _jaccard(of[place], of[best]))
    return chosen


def _categories_of(categories: Categories, item: str) -> frozenset[str]:
    found = categories.get(item, ())
    return frozenset((found,)) if isinstance(found, str) else frozenset(found)


def _jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    either = len(a | b)
    return len(a & b) / either if either else 0.0
