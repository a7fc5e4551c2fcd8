"""The runner: the same result however it is run, bars, comparison with a baseline."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import msgspec
import pytest

from edgedescent import LinearRegressor, MatrixFactorization
from edgedescent.errors import ConfigError
from edgedescent_sims.drift import SignFlip, TasteShift
from edgedescent_sims.faults import MissingValues
from edgedescent_sims.peers import LastValue, Popularity
from edgedescent_sims.result import Interval, SimulationResult, load_result
from edgedescent_sims.scenarios.scenario import Scenario
from edgedescent_sims.simulate.bars import FailIf, judge
from edgedescent_sims.simulate.comparison import compare
from edgedescent_sims.simulate.runner import interval, simulate
from edgedescent_sims.sources import LinearStream, TasteStream


def regression(**changes: object) -> Scenario:
    stream = MissingValues(SignFlip(LinearStream(n_events=1500, n_features=3), columns=("x1",), at=700), rate=0.1)
    scenario = Scenario(
        name="flip",
        stream=stream,
        candidates={"linear": LinearRegressor(), "slow": LinearRegressor(forgetting=0.001)},
        peers={"last": LastValue()},
        window=100,
    )
    return dataclasses.replace(scenario, **changes)


def recommending() -> Scenario:
    return Scenario(
        name="taste",
        stream=TasteShift(TasteStream(n_events=1500, n_users=60, n_items=80), at=800),
        candidates={"factors": MatrixFactorization()},
        peers={"popular": Popularity()},
        window=200,
    )


def run(*scenarios: Scenario, jobs: int = 1) -> list[SimulationResult]:
    return [result for result, _ in simulate(scenarios, jobs=jobs)]


def test_the_same_bytes_twice_and_in_other_processes() -> None:
    scenarios = (regression(n_seeds=2), recommending())
    here = [result.to_json() for result in run(*scenarios)]
    assert [result.to_json() for result in run(*scenarios)] == here
    assert [result.to_json() for result in run(*scenarios, jobs=2)] == here


def test_other_seeds_give_another_stream_and_several_give_intervals() -> None:
    (one,), (other,) = run(regression()), run(regression().with_seed(2))
    assert one.candidates[0].scores["mae"].value != other.candidates[0].scores["mae"].value
    (several,) = run(regression(n_seeds=3))
    mae = several.candidates[0].scores["mae"]
    assert mae.by_seed[0] == one.candidates[0].scores["mae"].value
    assert len(set(mae.by_seed)) == 3
    assert mae.low is not None
    assert mae.value is not None
    assert mae.high is not None
    assert mae.low <= mae.value <= mae.high
    pair = next(each for each in several.comparison if (each.first, each.second) == ("linear", "last"))
    assert pair.difference.value is not None
    assert pair.difference.value < 0
    # Three seeds cannot give less.
    assert pair.p_value == 0.25


def test_a_result_says_what_was_run(tmp_path: Path) -> None:
    (result,) = run(regression())
    assert result.scenario["source"] == {"type": "LinearStream", "n_events": 1500, "n_features": 3, "seed": 1}
    assert [mark.label for mark in result.marks if mark.kind == "drift"] == ["SignFlip x1"]
    assert [candidate.name for candidate in result.candidates] == ["linear", "slow", "last"]
    assert [candidate.is_peer for candidate in result.candidates] == [False, False, True]
    path = tmp_path / "flip.json"
    path.write_bytes(result.to_json())
    assert load_result(path) == result


def test_recommendations_are_scored() -> None:
    (result,) = run(recommending())
    for candidate in result.candidates:
        assert {"mae", "recall", "ndcg", "hit_rate", "coverage", "novelty"} <= candidate.scores.keys()
        recall = candidate.scores["recall"].value
        assert recall is not None
        assert 0 < recall < 1
    assert result.kind == "ratings"


def test_a_score_that_one_seed_does_not_have_does_not_exist() -> None:
    assert interval([1.0, None]) == Interval(None, by_seed=[1.0, None])
    assert interval([float("inf")]) == Interval(None, by_seed=[None])


# --- Bars ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["recovery", "recovery >", "> 5", "recovery = 5", "recovery > much", "a b > 3", ""])
def test_a_bar_that_cannot_be_read(text: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read: expected a score"):
        FailIf.parse(text)


@pytest.mark.parametrize(
    ("text", "value", "misses"),
    [("mae > 1", 1.0, False), ("mae >= 1", 1.0, True), ("r2 < 0.5", 0.4, True), ("r2 <= 0.4", 0.5, False)],
)
def test_a_bar_is_missed(text: str, value: float, misses: bool) -> None:
    assert FailIf.parse(text).misses(value) is misses


def test_a_bar_on_an_unknown_score_gets_the_near_match() -> None:
    with pytest.raises(ConfigError, match="names the score 'recovry'") as caught:
        judge(("recovry > 5",), "linear", {"recovery": Interval(3.0)})
    assert caught.value.hint == "Did you mean `recovery`?"


def test_bars_judge_candidates_alone_and_expected_failures_must_fail() -> None:
    (held,) = run(regression(fail_if=("mae > 100",)))
    assert [bar.candidate for bar in held.bars] == ["linear", "slow"]
    assert not held.failures
    (missed,) = run(regression(fail_if=("mae > 100", "mae > 0.001")))
    assert [(bar.candidate, bar.expression) for bar in missed.failures] == [
        ("linear", "mae > 0.001"),
        ("slow", "mae > 0.001"),
    ]
    expected = {"linear": "it is linear", "slow": "it is slow"}
    (as_expected,) = run(regression(fail_if=("mae > 100", "mae > 0.001"), expected_failures=expected))
    assert not as_expected.failures
    # A fault that is cured must lose its excuse.
    (cured,) = run(regression(fail_if=("mae > 100",), expected_failures={"slow": "it is slow"}))
    assert [bar.candidate for bar in cured.failures] == ["slow"]


# --- Comparison with a baseline -----------------------------------------------------------------------------------


def test_a_worse_score_is_found() -> None:
    (before,) = run(regression())
    assert not any(change.is_worse for change in compare(before, before, 0.0))
    (after,) = run(regression(candidates={"linear": LinearRegressor(l2=10.0), "new": LinearRegressor()}))
    changes = {(change.candidate, change.score): change for change in compare(after, before, 0.02)}
    assert changes["linear", "mae"].is_worse
    assert {candidate for candidate, _ in changes} == {"linear"}
    better = {(change.candidate, change.score): change for change in compare(before, after, 0.02)}
    assert not better["linear", "mae"].is_worse


def test_other_scenarios_and_candidates_cannot_be_compared() -> None:
    (one,), (other,) = run(regression()), run(regression(candidates={"third": LinearRegressor()}))
    with pytest.raises(ConfigError, match="has none of the candidates third"):
        compare(other, one, 0.0)
    with pytest.raises(ConfigError, match="is a result of 'flip', not of 'flop'"):
        compare(msgspec.structs.replace(one, name="flop"), one, 0.0)


def test_a_file_that_is_no_result(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"name": 3}')
    with pytest.raises(ConfigError, match="is no result of a simulation"):
        load_result(path)
    with pytest.raises(ConfigError, match="No such file"):
        load_result(tmp_path / "b.json")
