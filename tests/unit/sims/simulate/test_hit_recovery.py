"""The recovery of hit rates: by hand, and in a run whose recovery is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgedescent import AutoRanker
from edgedescent.evaluation import hit_recovery
from edgedescent_sims.scenarios import library
from edgedescent_sims.simulate.ranked import RankedLists, hits_recovered
from edgedescent_sims.sources.batch import Batch


@pytest.mark.parametrize(
    ("run", "twin", "window", "expected"),
    [
        ([1, 1, 1, 1], [1, 1, 1, 1], 2, 0),
        ([0, 0, 1, 1], [1, 1, 1, 1], 2, 2),
        # It falls back at the end.
        ([0, 1, 1, 0], [1, 1, 1, 1], 2, None),
        # 0.9 times the twin's rate is enough, and nothing is to be reached where the twin finds nothing.
        ([1] * 9 + [0], [1] * 10, 10, 0),
        ([1] * 8 + [0] * 2, [1] * 10, 10, None),
        ([0, 0], [0, 0], 1, 0),
    ],
)
def test_by_hand(run: list[int], twin: list[int], window: int, expected: int | None) -> None:
    assert hit_recovery(run, twin, window=window) == expected


@pytest.mark.parametrize(("run", "twin", "window"), [([1, 0], [1], 1), ([1], [1], 2), ([-1], [1], 1)])
def test_what_does_not_fit_is_refused(run: list[int], twin: list[int], window: int) -> None:
    with pytest.raises(ValueError, match=r"must (have the shape|be)|window"):
        hit_recovery(run, twin, window=window)


def lists(hits: dict[int, bool]) -> RankedLists:
    model: Any = type("Model", (), {"recommend": lambda *_args, **_options: []})()
    made = RankedLists(library.load("choices-shift"), model, drift_at=1000)
    made.hits = hits
    return made


def test_it_is_a_number_of_events_after_the_shift() -> None:
    # Of the twin's lists, those for events that the run made none for do not count, nor do those before the shift.
    run = {n: n > 3000 for n in range(1000, 9000, 10)}
    twin = dict.fromkeys(range(1000, 9000, 5), True)
    scored = hits_recovered(lists(run), lists(twin), 1000, 9000)
    assert scored["hit_recovery"] == pytest.approx(2000, abs=200)
    assert hits_recovered(lists(run), lists(twin), 8000, 9000) == {}
    never = hits_recovered(lists(dict.fromkeys(run, False)), lists(twin), 1000, 9000)
    assert never == {"hit_recovery": None}


@pytest.mark.parametrize("is_twin", [False, True])
def test_a_run_and_its_twin_are_asked_the_same_of_all_items(is_twin: bool) -> None:
    # What a user had is in the lists behind the drift, and a repeated choice counts there.
    model = AutoRanker()
    ranked = RankedLists(library.load("choices-turnover"), model, drift_at=20, is_twin=is_twin)
    users, items = np.array(["ann"] * 40, dtype=object), np.array(["tea", "tea", "milk", "tea"] * 10, dtype=object)
    ranked.learn(model, Batch.of({"user": users, "item": items}, np.ones(40)))
    assert ranked.hits == dict.fromkeys(range(22, 41, 2), True)
    # Before every second event she chose what she had: a list without it says nothing.
    assert ranked.scores.summary() == RankedLists(library.load("choices-turnover"), model, drift_at=20).scores.summary()
