"""Which drifts, recommendations and bars count."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edgedescent.learners import LinearRegressor
from edgedescent_sims.drift import SignFlip
from edgedescent_sims.peers import Popularity
from edgedescent_sims.result import Interval
from edgedescent_sims.scenarios.scenario import Scenario
from edgedescent_sims.simulate.bars import judge
from edgedescent_sims.simulate.run import run_candidate
from edgedescent_sims.simulate.twins import changes
from edgedescent_sims.sources import LinearStream
from edgedescent_sims.sources.batch import Batch
from edgedescent_sims.sources.in_memory import InMemorySource


@pytest.mark.parametrize(("window", "starts"), [(20, [500, 530]), (30, [500, 530]), (31, [530])])
def test_a_blip_shorter_than_a_window_has_no_recovery_of_its_own(window: int, starts: list[int]) -> None:
    stream = LinearStream(weights=(1.0, 2.0), n_events=1000)
    blip = SignFlip(stream, columns=("x0",), at=500, shape="blip", width=30)
    scenario = Scenario(stream=blip, candidates={"linear": LinearRegressor()}, window=window)
    assert [change.mark.start for change in changes(scenario)] == starts


def recall(users: list[str], items: list[str], y: list[float], target: list[float] | None = None) -> float | None:
    columns: dict[str, NDArray[np.object_]] = {
        "user": np.array(users, dtype=object),
        "item": np.array(items, dtype=object),
    }
    batch = Batch.of(columns, np.array(y))
    if target is not None:
        batch = batch.replace(target=np.array(target))
    scenario = Scenario(stream=InMemorySource(batch), peers={"popular": Popularity()}, rank_every=1, liked_from=4.0)
    return run_candidate(scenario, "popular").scores["recall"]


def test_an_item_that_the_user_has_had_is_not_looked_for() -> None:
    # Nothing is known at the first event; tea is recommended at the second; at the third ann has had it.
    assert recall(["ann", "bob", "ann"], ["tea", "tea", "tea"], [5.0] * 3) == pytest.approx(0.5)


def test_a_question_is_not_yet_a_choice() -> None:
    assert recall(["ann", "bob", "bob"], ["tea", "tea", "tea"], [5.0, np.nan, 5.0], [5.0] * 3) == pytest.approx(0.5)


def test_what_was_chosen_is_the_truth_and_not_a_poisoned_label() -> None:
    users, items = ["ann", "bob", "cid"], ["tea", "tea", "milk"]
    assert recall(users, items, [5.0, 5.0, 5.0], target=[5.0, 5.0, 1.0]) == pytest.approx(0.5)
    assert recall(users, items, [5.0, 1.0, 5.0], target=[5.0, 5.0, 1.0]) == pytest.approx(0.5)


def test_the_reason_of_an_expected_failure_belongs_to_the_bars_that_are_missed() -> None:
    scores = {"mae": Interval(2.0), "rmse": Interval(3.0)}
    missed, held = judge(("mae > 1", "rmse > 9"), "a", scores, expected="why")
    assert (missed.failed, missed.expected, held.failed, held.expected) == (True, "why", False, "")
    # One that misses none is a surprise at all of them.
    assert [bar.expected for bar in judge(("mae > 9", "rmse > 9"), "a", scores, expected="why")] == ["why", "why"]
