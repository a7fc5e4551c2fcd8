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

WINDOWS = 8
"""Number of windows of hits after a change, where there are lists enough."""
LISTS_MIN = 100
"""Least number of lists in a window."""


class RankedLists:
    """Scores of the recommendations: at every n-th chosen item, it is looked for among those recommended before.

    Items that a user has had are not recommended again, so an event about one of them says nothing and is left out.

    For the recovery from a drift, lists of all items are made too. A run and its twin are then asked the same: lists
    without what a user had are other questions where that differs, and a twin has had more of what its users like now.

    Args:
        scenario: The scenario.
        model: What recommends.
        is_twin: Whether lists are only made for the recovery from a drift.
        drift_at: Number of the event behind which they are made; None for none.
    """

    def __init__(self, scenario: Scenario, model: Model, *, drift_at: int | None, is_twin: bool = False) -> None:
        self.scores = RankingScores(k=scenario.k)
        self.hits: dict[int, bool] = {}
        """Whether the list of all items before an event contained its item, by the event's number."""
        self._k = scenario.k
        self._every = scenario.rank_every
        self._liked_from = scenario.liked_from
        self._recommend: Any = getattr(model, "recommend")  # noqa: B009 - not all models have it
        self._is_twin = is_twin
        self._drift_at = drift_at
        self._had: set[tuple[str, str]] = set()

    def learn(self, model: Model, batch: Batch) -> NDArray[np.float64]:
        """Predict and learn a batch as `predict_learn` does, and rank before some of its events."""
        assert is_ratings(batch)  # noqa: S101
        # What was chosen is the target: a label may be poisoned.
        is_chosen = (batch.target >= self._liked_from) & ~np.isnan(batch.y)
        is_ranked = (batch.number % self._every == 0) & is_chosen
        edges = [0, *np.flatnonzero(is_ranked).tolist(), len(batch)]
        predictions = np.empty(len(batch))
        for start, end in itertools.pairwise(edges):
            if start == end:
                continue
            part = batch.take(slice(start, end))
            users, items = (part.columns[name].tolist() for name in ("user", "item"))
            if is_ranked[start]:
                self._rank(users[0], items[0], int(part.number[0]))
            predictions[start:end] = predict_learn(model, part)
            labelled = (~np.isnan(part.y)).tolist()
            self._had.update(itertools.compress(zip(users, items, strict=True), labelled))
        return predictions

    def _rank(self, user: str, item: str, number: int) -> None:
        """Make the lists before an event."""
        if not self._is_twin and (user, item) not in self._had:
            self.scores.update(self._recommend(user, k=self._k, exclude_seen=True), item)
        if self._drift_at is not None and number > self._drift_at:
            self.hits[number] = item in self._recommend(user, k=self._k, exclude_seen=False)


def hits_recovered(run: RankedLists, new_twin: RankedLists, start: int, last: int) -> dict[str, float | None]:
    """Score ``hit_recovery`` of the lists that a run and its twin made for the same events: a number of events.

    A window holds an eighth of the lists, `LISTS_MIN` at least; there is no score where a quarter is fewer than that.

    Args:
        run: Lists of the run.
        new_twin: Lists of the twin that only ever saw the new regime.
        start: Number of the last event before the change.
        last: Number of the last event that counts.
    """
    numbers = sorted(number for number in run.hits.keys() & new_twin.hits.keys() if start < number <= last)
    if len(numbers) < 4 * LISTS_MIN:
        return {}
    window = max(LISTS_MIN, len(numbers) // WINDOWS)
    after = hit_recovery(
        [run.hits[number] for number in numbers], [new_twin.hits[number] for number in numbers], window=window
    )
    return {"hit_recovery": after and float(numbers[after] - start)}
