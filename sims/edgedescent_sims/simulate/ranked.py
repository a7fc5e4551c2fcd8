"""Lists of recommended items in a simulation: their scores, and which of them contained what was chosen next."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedescent.evaluation import RankingScores, hit_recovery
from edgedescent_sims.scenarios.scenario import Scenario
from edgedescent_sims.simulate.progressive import Model, is_ratings, predict_learn
from edgedescent_sims.sources.batch import Batch

LISTS_MIN = 100
"""Least number of lists in a window of hits."""


class RankedLists:
    """Scores of the recommendations: at every n-th chosen item, it is looked for among those recommended before.

    Items that a user has had are not recommended again, so an event about one of them says nothing and is left out.

    Args:
        scenario: The scenario.
        model: What recommends.
        after: Number of the event behind which lists are made.
    """

    def __init__(self, scenario: Scenario, model: Model, after: int = 0) -> None:
        self.scores = RankingScores(k=scenario.k)
        self.hits: dict[int, bool] = {}
        """Whether the list before an event contained its item, by the event's number."""
        self._k = scenario.k
        self._every = scenario.rank_every
        self._liked_from = scenario.liked_from
        self._recommend: Any = getattr(model, "recommend")  # noqa: B009 - not all models have it
        self._after = after
        self._had: set[tuple[str, str]] = set()

    def learn(self, model: Model, batch: Batch) -> NDArray[np.float64]:
        """Predict and learn a batch as `predict_learn` does, and rank before some of its events."""
        assert is_ratings(batch)  # noqa: S101
        # What was chosen is the target: a label may be poisoned.
        is_chosen = (batch.target >= self._liked_from) & ~np.isnan(batch.y)
        is_ranked = (batch.number % self._every == 0) & is_chosen & (batch.number > self._after)
        edges = [0, *np.flatnonzero(is_ranked).tolist(), len(batch)]
        predictions = np.empty(len(batch))
        for start, end in itertools.pairwise(edges):
            if start == end:
                continue
            part = batch.take(slice(start, end))
            users, items = (part.columns[name].tolist() for name in ("user", "item"))
            if is_ranked[start] and (users[0], items[0]) not in self._had:
                recommended: list[str] = self._recommend(users[0], k=self._k, exclude_seen=True)
                self.scores.update(recommended, items[0])
                self.hits[int(part.number[0])] = items[0] in recommended
            predictions[start:end] = predict_learn(model, part)
            labelled = (~np.isnan(part.y)).tolist()
            self._had.update(itertools.compress(zip(users, items, strict=True), labelled))
        return predictions


def hits_recovered(run: RankedLists, new_twin: RankedLists, start: int, last: int) -> dict[str, float | None]:
    """Score ``hit_recovery`` of the lists that a run and its twin made for the same events: a number of events.

    A window holds a quarter of the lists; there is no score where these are fewer than `LISTS_MIN`.

    Args:
        run: Lists of the run.
        new_twin: Lists of the twin that only ever saw the new regime.
        start: Number of the last event before the change.
        last: Number of the last event that counts.
    """
    numbers = sorted(number for number in run.hits.keys() & new_twin.hits.keys() if start < number <= last)
    window = len(numbers) // 4
    if window < LISTS_MIN:
        return {}
    after = hit_recovery(
        [run.hits[number] for number in numbers], [new_twin.hits[number] for number in numbers], window=window
    )
    return {"hit_recovery": after and float(numbers[after] - start)}
