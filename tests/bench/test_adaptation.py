"""The benchmark of errors on drifting streams: what it reads, scores, judges and prints."""

from __future__ import annotations

import gzip
import importlib
import importlib.util
import json
import math
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from support.waiting import PATIENCE_S

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("river") is None, reason="The peers are extras: pip install 'edgedescent[bench]'"
)

BIKE = "bike-sharing/hour.csv.gz"
BUDGETS = ["AutoRegressor, default", "AutoRegressor, small", "AutoRegressor, tiny"]

# The interpreter of a checkout that holds a network which predicts a constant; -S hides what is installed.
PYTHON = """#!/bin/sh
exec env PYTHONPATH={folder} {python} -S "$@"
"""
NETWORK = """
class MLPRegressor:
    def predict_learn_one(self, x, y):
        return 7.0
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "bench/adaptation.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the scripts import each other the way they do when they are started."""
    monkeypatch.syspath_prepend(str(ROOT / "bench"))


def module(name: str) -> ModuleType:
    return importlib.import_module(name)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Recordings of a few days, in the files that are looked for."""
    days = [f"2012-01-{day:02} {hour:02}:00:00" for day in range(1, 9) for hour in range(24)]
    files = {
        BIKE: ["instant,dteday,hr,temp,casual,registered,cnt"]
        + [f"{i},x,{i % 24},{i % 7},1,{i % 24 * 9 - 1},{i % 24 * 9}" for i in range(300)],
        "metro-traffic/Metro_Interstate_Traffic_Volume.csv.gz": [
            "holiday,temp,rain_1h,snow_1h,clouds_all,weather_main,date_time,traffic_volume"
        ]
        + [f"None,280,0,0,{i % 5},Rain,{time},{i % 24 * 100}" for i, time in enumerate(days)],
        "movietweetings-100k/ratings.dat.gz": [f"{i % 9}::{i % 7}::{i % 9}::{1000 - i}" for i in range(300)],
    }
    for name, lines in files.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(gzip.compress("\n".join(lines).encode()))
    (tmp_path / "nab/realKnownCause").mkdir(parents=True)
    # Not gzipped, as the benchmark's own repository has it.
    rows = ["timestamp,value", *(f"{time},{i % 24}" for i, time in enumerate(days))]
    (tmp_path / "nab/realKnownCause/nyc_taxi.csv").write_text("\n".join(rows))
    (tmp_path / "samlb").mkdir()
    X, y = np.arange(60, dtype=np.float32).reshape(20, 3), np.arange(20, dtype=np.float32)
    np.savez(tmp_path / "samlb/bike.npz", X=X, y=y, feature_names=np.array(["a", "b", "c"]))
    return tmp_path


def score(learner: str, mae: float, role: str = "peer", rmse: float | None = None) -> Any:
    return module("trials").Score(learner, role, mae, mae if rmse is None else rmse, 100, 1.0)


def outcome(stream: str, **ours: float) -> Any:
    """A stream on which the best peer has an error of 1 by MAE, and another one by RMSE."""
    recordings, bars = module("recordings"), module("bars")
    scores = [score("VW", 1.0, rmse=3.0), score("SGBR", 2.0, rmse=2.0)]
    scores += [score(f"AutoRegressor, {name}", mae, "budget") for name, mae in ours.items()]
    return bars.Outcome(recordings.Recording(stream, lambda _: iter([])), 100, scores)


class TestRuns:
    def test_a_quick_run_prints_every_stream_that_is_there(self, data: Path) -> None:
        curves = data / "curves"
        done = run("--quick", "--json", "--data", str(data), "--only", "b", "--outliers", "--curves", str(curves))
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        assert answer["passed"]
        assert answer["bars"] == []
        assert answer["skipped"]["ambient temperature"].startswith("there is no ")
        by_name = {stream["stream"]: stream for stream in answer["streams"]}
        assert set(by_name) == {"bike sharing", "samlb bike"}
        bike = {learner["name"]: learner for learner in by_name["bike sharing"]["learners"]}
        peers = {"last value", "seasonal last value", "River linear, SGD 0.01", "River linear, Adam 0.1"}
        assert {*BUDGETS, "MLPRegressor", "LinearRegressor", *peers} <= set(bike)
        # The recording repeats itself after a day, so that its season is all there is to know after the first one.
        assert bike["seasonal last value"]["mae_over_best_peer"] == 1.0
        assert by_name["bike sharing"]["left_out"]["River ARF"] == "it is slow"
        assert {one["name"] for one in by_name["bike sharing"]["outlying_labels"]} == {
            *BUDGETS,
            "MLPRegressor",
            "LinearRegressor",
        }
        assert (curves / "bike-sharing.svg").read_text(encoding="utf-8").startswith("<svg")

    def test_the_tables_name_what_is_left_out_and_the_command(self, data: Path) -> None:
        done = run("--quick", "--data", str(data), "--only", "samlb bike", "--jobs", "2")
        assert done.returncode == 0, done.stderr
        assert "samlb bike, 20 events (* ours)" in done.stdout
        assert "left out: SGBR, because it is slow\n" in done.stdout
        assert "* AutoRegressor, default" in done.stdout
        assert f"again: python bench/adaptation.py --quick --data {data} --only 'samlb bike' --jobs 2" in done.stdout

    def test_a_checkout_of_the_version_before_runs_beside(self, data: Path) -> None:
        checkout = data / "before"
        (checkout / ".venv/bin").mkdir(parents=True)
        python = checkout / ".venv/bin/python"
        python.write_text(PYTHON.format(folder=checkout, python=sys.executable))
        python.chmod(0o755)
        (checkout / "edgedescent.py").write_text(NETWORK)
        done = run("--quick", "--json", "--data", str(data), "--only", "samlb bike", "--baseline", str(checkout))
        assert done.returncode == 0, done.stderr
        (stream,) = json.loads(done.stdout)["streams"]
        (before,) = [learner for learner in stream["learners"] if learner["role"] == "before"]
        assert before["name"] == "MLPRegressor 0.1.0"
        assert before["mae"] == pytest.approx(np.abs(np.arange(1, 20) - 7.0).mean(), rel=1e-4)

    def test_a_checkout_without_an_interpreter_is_one_line(self, data: Path) -> None:
        done = run("--quick", "--baseline", str(data))
        assert done.returncode == 1
        assert done.stderr == f"Error: {data} has no .venv/bin/python. Run `make .venv/.installed` there once.\n"

    def test_an_unknown_stream_is_one_line(self) -> None:
        done = run("--only", "no such stream")
        assert done.returncode == 1
        assert done.stderr.startswith("Error: No stream holds 'no such stream'. There are: bike sharing; metro")


@pytest.mark.usefixtures("bench")
class TestStreams:
    def test_nothing_that_gives_the_target_away_is_among_the_features(self, data: Path) -> None:
        recordings = {one.name: one for one in module("recordings").RECORDINGS}
        names = ("bike sharing", "metro traffic", "taxi", "samlb bike")
        firsts = [recordings[name].events(data, 1)[0][0] for name in names]
        assert all("previous" in x for x in firsts)
        assert not {"casual", "registered", "cnt", "traffic_volume", "value"} & {name for x in firsts for name in x}
        first, second = recordings["metro traffic"].events(data, 2)
        assert second[0]["previous"] == first[1]
        # The file has the latest rating first.
        assert recordings["MovieTweetings"].events(data, 300)[0] == ("2", "5", 2.0)

    def test_there_are_those_of_the_bars(self) -> None:
        names = [one.name for one in module("recordings").RECORDINGS]
        assert len(set(names)) == len(names)
        assert sum(one.length == 5 for one in module("recordings").RECORDINGS) == 2
        assert {"taxi", "CPU", "WaterFlow", "FriedmanDrift gsg", "samlb fifa"} <= set(names)

    def test_the_long_stream_meets_its_changes_later(self) -> None:
        recordings = {one.name: one for one in module("recordings").RECORDINGS}
        short, long = (recordings[name].events(None, 2500) for name in ("FriedmanDrift lea", "FriedmanDrift lea, long"))
        assert [x for x, _ in short] == [x for x, _ in long]
        assert short[:2000] == long[:2000]
        assert short != long


@pytest.mark.usefixtures("bench")
class TestTrials:
    def test_errors_are_those_of_predictions_made_before_learning(self) -> None:
        found = module("trials").score("one", "peer", np.array([0.0, 5.0, 7.0]), np.array([5.0, 7.0, 4.0]), 1.0)
        assert (found.mae, found.rmse) == (2.5, math.sqrt(6.5))
        assert found.curve == [2.0, 3.0]

    def test_the_automatic_regressor_gets_no_previous_label_and_the_others_do(
        self, data: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trials, contestants = module("trials"), module("contestants")
        seen: list[dict[str, float]] = []

        def step(x: dict[str, float], _y: float) -> float:
            seen.append(x)
            return 0.0

        for own_lags in (True, False):
            one = contestants.Contestant("one", lambda _: step, "budget", own_lags=own_lags)
            monkeypatch.setattr(trials, "contestant_named", lambda _, one=one: one)
            trials.run(trials.Trial("samlb bike", "one", data, 10))
        assert all(x.keys() == {"a", "b", "c"} for x in seen[:10])
        assert [x["previous"] for x in seen[10:]] == [0.0, *range(9)]

    def test_outlying_labels_are_rare_far_off_and_what_the_next_event_knows(self) -> None:
        trials = module("trials")
        y = np.sin(np.arange(1000.0))
        labels = trials.outlying(y)
        changed = np.flatnonzero(labels != y)
        assert len(changed) == 10
        assert changed[0] > 0
        np.testing.assert_allclose(np.abs(labels - y)[changed], 20.0 * y.std())
        events = [({"a": 1.0, "previous": before}, label) for before, label in zip([0.0, *y[:-1]], y, strict=True)]
        arrived = trials.with_labels(events, labels)
        assert [label for _, label in arrived] == labels.tolist()
        assert [x["previous"] for x, _ in arrived] == [0.0, *labels[:-1].tolist()]
        assert trials.with_labels([({"a": 1.0}, 3.0)], np.array([4.0])) == [({"a": 1.0}, 4.0)]

    def test_errors_are_to_the_true_labels(self, data: Path) -> None:
        trials = module("trials")
        clean, other = (
            trials.run(trials.Trial("samlb bike", "last value", data, 20, outliers=outliers))
            for outliers in (False, True)
        )
        # One label is off by 20 deviations, and the last value hands it on once.
        assert other.mae - clean.mae == pytest.approx(20 * np.arange(20.0).std() / 19, abs=2 / 19)

    def test_results_of_peers_are_kept_and_ours_are_not(self, data: Path) -> None:
        trials = module("trials")
        path = data / "cache.json"
        trial, ours = (trials.Trial("samlb bike", name, data, 20) for name in ("last value", "LinearRegressor"))
        cache = trials.Cache(path)
        for one in (trial, ours):
            cache.add(one, trials.run(one))
        again = trials.Cache(path)
        assert again.find(ours) is None
        known = again.find(trial)
        assert trials.run(trials.Trial("samlb bike", "last value", data, 20, known=known)).from_cache
        # The same stream with other events.
        known.fingerprint = known.fingerprint.replace(known.fingerprint[:4], "----", 1)
        assert not trials.run(trials.Trial("samlb bike", "last value", data, 20, known=known)).from_cache


@pytest.mark.usefixtures("bench")
class TestBars:
    def test_ratios_are_to_the_best_peer_by_each_measure(self) -> None:
        found = outcome("one", default=0.5)
        assert found.best_peer("mae").learner == "VW"
        assert found.best_peer("rmse").learner == "SGBR"
        assert found.ratio(BUDGETS[0], "mae") == 0.5
        assert found.ratio(BUDGETS[0], "rmse") == 0.25
        assert found.ratio("absent", "mae") is None

    def test_a_peer_that_diverged_is_not_the_best(self) -> None:
        found = outcome("one", default=0.5)
        found.scores += [score("ASML", math.nan), score("River ARF", math.inf)]
        assert found.best_peer("mae").learner == "VW"
        assert found.ratio("ASML", "mae") == math.inf

    @pytest.mark.parametrize(
        ("first", "second", "mean_passes", "worst_passes"),
        [(0.6, 1.0, True, True), (0.61, 1.0, False, True), (0.5, 1.01, True, False)],
    )
    def test_the_default_budget_is_held_to_its_bars(
        self, first: float, second: float, mean_passes: bool, worst_passes: bool
    ) -> None:
        bars = {
            bar.name: bar
            for bar in module("bars").bars([outcome("one", default=first), outcome("two", default=second)])
        }
        mean, worst = (bars[f"{BUDGETS[0]}, MAE over the best peer's, {kind}"] for kind in ("geometric mean", "worst"))
        assert mean.reached == pytest.approx(math.sqrt(first * second))
        assert (mean.passed, mean.at_most) == (mean_passes, 0.78)
        assert (worst.passed, worst.reached, worst.where) == (worst_passes, second, "two")
        assert ("FAIL" in str(worst)) is not worst_passes

    def test_the_bars_are_those_of_each_budget(self) -> None:
        found = module("bars").bars([outcome("one", default=0.5, small=0.5, tiny=0.5)])
        assert {bar.name: bar.at_most for bar in found if "AutoRegressor" in bar.name} == {
            f"{BUDGETS[0]}, MAE over the best peer's, geometric mean": 0.78,
            f"{BUDGETS[0]}, MAE over the best peer's, worst": 1.00,
            f"{BUDGETS[1]}, MAE over the best peer's, geometric mean": 0.82,
            f"{BUDGETS[1]}, MAE over the best peer's, worst": 1.02,
            f"{BUDGETS[2]}, MAE over the best peer's, geometric mean": 0.85,
            f"{BUDGETS[2]}, MAE over the best peer's, worst": 1.10,
            f"{BUDGETS[0]}, RMSE over the best peer's, geometric mean": 0.85,
            f"{BUDGETS[0]}, RMSE over the best peer's, worst": 1.02,
        }

    def test_outlying_labels_are_compared_with_clean_ones(self) -> None:
        found = outcome("one", default=0.5)
        found.outlying = [score(BUDGETS[0], 0.6, "budget")]
        (bar,) = [bar for bar in module("bars").bars([found]) if "outlying" in bar.name]
        assert (bar.reached, bar.at_most, bar.passed) == (pytest.approx(1.2), 1.15, False)

    def test_ours_are_compared_with_linear_peers_and_with_the_version_before(self) -> None:
        found = outcome("one")
        found.scores += [score("LinearRegressor", 1.5, "ours"), score("MLPRegressor", 0.9, "ours")]
        found.scores += [score("SGBR", 0.1), score("MLPRegressor 0.1.0", 1.0, "before")]
        bars = {bar.name: bar for bar in module("bars").bars([found])}
        linear = bars["LinearRegressor, MAE over the best linear peer's, worst"]
        assert (linear.reached, linear.passed) == (1.5, False)
        assert bars["MLPRegressor, MAE over that of version 0.1.0, worst"].passed
        assert bars["MLPRegressor, MAE over that of version 0.1.0, geometric mean"].reached == pytest.approx(0.9)

    def test_two_perfect_errors_are_equal_and_nan_passes_no_bar(self) -> None:
        bars = module("bars")
        assert bars.over(0.0, 0.0) == 1.0
        assert bars.over(1.0, 0.0) == math.inf
        assert not bars.Bar("one", math.nan, 1.0).passed


@pytest.mark.usefixtures("bench")
class TestCosts:
    def test_each_ratio_is_judged_at_the_stream_with_the_largest(self) -> None:
        costs = module("costs")
        stream = {
            "AutoRegressor, default": 150.0,
            "AutoRegressor, tiny": 10.0,
            "MLPRegressor 0.1.0": 100.0,
            "SGBR": 900.0,
        }
        found = costs.Costs({"one": stream, "two": {**stream, "AutoRegressor, tiny": 16.0}}, "MLPRegressor 0.1.0")
        bars = {bar.name: bar for bar in found.bars()}
        assert bars["AutoRegressor, default, cost over MLPRegressor 0.1.0's, worst"].passed
        tiny = bars["AutoRegressor, tiny, cost over MLPRegressor 0.1.0's, worst"]
        assert (tiny.reached, tiny.where, tiny.passed) == (0.16, "two", False)
        assert bars["AutoRegressor, default, cost over SGBR's, worst"].passed

    def test_learners_run_in_turn_on_the_streams_that_are_there(
        self, data: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        costs = module("costs")
        order, times = list[tuple[str, int]](), iter([*range(1, 19), *range(101, 119)])

        def us_per_event(one: Any, events: list[Any]) -> float:
            order.append((one.name, len(events)))
            return float(next(times))

        monkeypatch.setattr(costs.Timed, "us_per_event", us_per_event)
        monkeypatch.setattr(costs, "STREAMS", ("taxi", "CPU"))
        n_learners, told = len(costs.timed(data)), list[str]()
        found = costs.measure(data, data, runs=3, n_events=20, on_run=told.append)
        assert order == [(one.name, 20) for one in costs.timed(data)] * 3
        assert found.base == "MLPRegressor 0.1.0"
        # The CPU recording is absent; the median is that of the second run.
        assert found.us_per_event == {
            "taxi": {name: n_learners + 1.0 + i for i, (name, _) in enumerate(order[:n_learners])}
        }
        assert told == [f"cost on taxi, run {run} of 3" for run in (1, 2, 3)]
        assert costs.measure(None, None, 1, 20, told.append).base == "MLPRegressor"

    def test_a_learner_is_timed_in_a_process_of_its_own(self) -> None:
        events = [({"a": 1.0, "previous": 0.0}, 2.0)] * 3
        assert module("costs").Timed("one", "edgedescent", "LinearRegressor").us_per_event(events) > 0

    def test_a_learner_that_fails_is_told(self) -> None:
        with pytest.raises(RuntimeError, match="NoSuchLearner failed in this checkout"):
            module("costs").Timed("one", "edgedescent", "NoSuchLearner").us_per_event([({"a": 1.0}, 2.0)])
