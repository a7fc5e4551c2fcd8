"""The benchmarks themselves: that they measure fairly, judge rightly, and print what they promise."""

from __future__ import annotations

import gc
import importlib.util
import json
import math
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from edgedescent.optim import SGD, Adam
from support.waiting import PATIENCE_S

ROOT = Path(__file__).parents[2]

needs_peers = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("river", "sklearn")),
    reason="The peers are extras: pip install 'edgedescent[bench]'",
)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The harness, found the way the scripts beside it find it."""
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    return importlib.import_module("harness")


SHORT = ("--runs", "1", "--events", "1000")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )


def invoke(script: str, *arguments: str) -> Any:
    """Run a script's command in this process, which has imported what takes seconds, and needs the fixture `bench`."""
    return CliRunner().invoke(importlib.import_module(script).main, arguments)


class Recorder:
    """Makes peers that record what they are given and take as long as the test says, on a clock of its own."""

    def __init__(self, harness: ModuleType) -> None:
        self.harness = harness
        self.calls: list[tuple[str, list[float]]] = []
        self.collector_was_on = False
        self.now_ns = 0

    def perf_counter_ns(self) -> int:
        """Stand in for the function of this name in `time`."""
        return self.now_ns

    def peer(self, name: str, ns_per_event: int = 0, **options: Any) -> Any:
        def start() -> Any:
            def learn(events: Sequence[Any]) -> None:
                self.calls.append((name, [event[-1] for event in events]))
                self.collector_was_on |= gc.isenabled() and len(events) != self.harness.WARM_UP_EVENTS
                self.now_ns += ns_per_event * len(events)

            return self.harness.Driver(learn, lambda event: event[-1])

        return self.harness.Peer(name, start, **options)

    def row(self, *peers: Any, at_least: float = 15) -> Any:
        target = self.harness.Target("peer", at_least)
        return self.harness.Row("task", lambda n: [(i, float(i)) for i in range(n)], peers, target)


class TestHarness:
    def test_runs_are_interleaved_and_everyone_gets_the_same_events(self, bench: ModuleType) -> None:
        recorder = Recorder(bench)
        row = recorder.row(recorder.peer("ours"), recorder.peer("peer"), recorder.peer("slow", share=0.5))
        bench.measure(row, runs=2, events=1000)
        names = [name for name, _ in recorder.calls]
        assert names == ["ours", "ours", "peer", "peer", "slow", "slow"] * 2
        # Warm-up first, then what is timed; a slow peer gets the first part of the very same events.
        warm_up, timed = recorder.calls[0][1], recorder.calls[1][1]
        assert warm_up + timed == [float(i) for i in range(1100)]
        assert recorder.calls[3][1] == timed
        assert recorder.calls[5][1] == timed[:500]

    def test_the_garbage_collector_is_off_only_while_timing(self, bench: ModuleType) -> None:
        recorder = Recorder(bench)
        bench.measure(recorder.row(recorder.peer("ours"), recorder.peer("peer")), runs=1, events=1000)
        assert not recorder.collector_was_on
        assert gc.isenabled()

    def test_a_peer_may_take_the_stream_in_another_form(self, bench: ModuleType) -> None:
        recorder = Recorder(bench)
        other = recorder.peer("peer", stream=lambda n: [(str(i), -float(i)) for i in range(n)])
        bench.measure(recorder.row(recorder.peer("ours"), other), runs=1, events=1000)
        assert [-y for y in recorder.calls[3][1]] == recorder.calls[1][1]

    @pytest.mark.parametrize(("peer_us", "verdict", "passed"), [(14.9, "FAIL", False), (15.1, "pass", True)])
    def test_a_row_is_judged_by_the_medians(
        self, bench: ModuleType, peer_us: float, verdict: str, passed: bool
    ) -> None:
        recorder = Recorder(bench)
        row = recorder.row(recorder.peer("ours"), recorder.peer("peer"))
        ours = bench.Timing("ours", 1000, us_per_event=[0.5, 1.0, 9.0])
        peer = bench.Timing("peer", 1000, us_per_event=[peer_us, 0.1, 99.0], note="as documented", error=0.5)
        result = bench.Result(row, [ours, peer])
        assert result.passed is passed
        assert result.reached == pytest.approx(peer_us)
        table = bench.as_table([result])
        assert f"at least 15 times peer: {peer_us}, {verdict}" in table
        assert [line.split()[0] for line in table.splitlines()] == ["task", "task", "peer"]
        assert bench.notes([result, result]) == ["peer: as documented"]
        answer = json.loads(bench.as_json([result], {"Python": "3"}, "again"))
        assert answer["passed"] is passed
        assert answer["rows"][0]["learners"][1]["us_per_event_min"] == 0.1
        assert answer["rows"][0]["learners"][0]["error"] is None

    def test_each_peer_is_timed_on_its_own_events(self, bench: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        recorder = Recorder(bench)
        monkeypatch.setattr(bench, "time", recorder)
        peers = recorder.peer("ours", 500), recorder.peer("peer", 8000), recorder.peer("slow", 90_000, share=0.5)
        result = bench.measure(recorder.row(*peers), runs=3, events=1000)
        assert [timing.us_per_event for timing in result.timings] == [[0.5] * 3, [8.0] * 3, [90.0] * 3]
        assert [timing.events for timing in result.timings] == [1000, 1000, 500]
        assert [timing.error for timing in result.timings] == [0.0] * 3
        assert result.reached == 16.0

    @pytest.mark.usefixtures("bench")
    def test_the_streams_are_the_same_at_every_call_and_in_every_form(self) -> None:
        streams = importlib.import_module("streams")
        dicts, arrays = streams.regression(3, 50), streams.regression_arrays(3, 50)
        assert [(list(x.values()), y) for x, y in dicts] == [(x.tolist(), y) for x, y in arrays]
        streams.regression.cache_clear()
        assert streams.regression(3, 50) == dicts
        ratings = streams.ratings(500)
        assert all(1.0 <= y <= 5.0 for *_, y in ratings)
        assert 1 < len({user for user, *_ in ratings}) < 500

    def test_the_machine_is_described(self, bench: ModuleType) -> None:
        ran_on = bench.environment(["numpy"])
        assert set(ran_on) == {"processor", "cores", "system", "Python", "numpy"}
        assert all(ran_on.values())


@needs_peers
class TestLearn:
    @pytest.mark.usefixtures("bench")
    def test_the_targets_are_those_promised(self) -> None:
        rows = importlib.import_module("learn").rows()
        assert {row.name: str(row.target) for row in rows if row.target} == {
            "dicts, linear, 10 features, SGD": "at least 15 times River",
            "dicts, linear, 10 features, Adam": "at least 20 times River",
            "dicts, linear, 100 features, SGD": "at least 15 times River",
            "dicts, linear, 100 features, Adam": "at least 40 times River",
            "arrays, linear, 10 features, SGD": "at most 2 times the time of plain C loop",
            "arrays, linear, 10 features, Adam": "at most 2 times the time of plain C loop",
            "arrays, linear, 100 features, SGD": "at most 2 times the time of plain C loop",
            "arrays, linear, 100 features, Adam": "at most 2 times the time of plain C loop",
            "JSON, linear, 10 features, Adam": "no slower than VW's driver",
            "JSON, linear, 100 features, Adam": "no slower than VW's driver",
            "matrix factorization, k=10": "at least 15 times River",
            "factorization machine, k=10": "at least 30 times River",
            "recommend 10 of 10,000 items, k=32": "at least 1.5 times NumPy",
        }
        for row in rows:
            assert row.peers[0].name == "EdgeDescent"
            assert row.target is None or row.target.peer in [peer.name for peer in row.peers]

    @pytest.mark.usefixtures("bench")
    def test_it_prints_json_and_its_exit_code_tells_the_verdict(self) -> None:
        done = invoke("learn", *SHORT, "--json", "--only", "dicts, linear, 10 features, Adam")
        answer = json.loads(done.stdout)
        assert done.exit_code == (0 if answer["passed"] else 1)
        (row,) = answer["rows"]
        installed = {"VW from Python"} if importlib.util.find_spec("vowpalwabbit") else set()
        names = {learner["name"] for learner in row["learners"]}
        assert names == {"EdgeDescent", "River", "scikit-learn"} | installed
        # Ours learned: its error is far below that of predicting the mean.
        assert row["learners"][0]["error"] < 0.5
        assert {"river", "scikit-learn", "numpy", "Python", "processor"} <= answer["ran_on"].keys()

    @pytest.mark.usefixtures("bench")
    def test_a_row_that_misses_its_target_fails_the_run(self, monkeypatch: pytest.MonkeyPatch) -> None:
        learn = importlib.import_module("learn")
        row = learn.dicts_row(10, SGD(), 1e9)
        monkeypatch.setattr(learn, "rows", lambda: [row])
        done = invoke("learn", *SHORT)
        assert done.exit_code == 1
        assert "at least 1e+09 times River" in done.stdout
        assert "FAIL" in done.stdout

    def test_an_unknown_row_is_one_line(self) -> None:
        done = run("bench/learn.py", "--only", "forest")
        assert done.returncode == 1
        assert done.stderr.startswith("Error: No row holds 'forest'. There are: dicts, linear, 10 features, SGD;")
        assert "Traceback" not in done.stderr

    @pytest.mark.usefixtures("bench")
    @pytest.mark.parametrize("n_features", [10, 40])
    @pytest.mark.parametrize("optimizer", [SGD(lr=0.01), Adam(lr=0.02)], ids=repr)
    def test_the_plain_loop_does_the_same_arithmetic(self, n_features: int, optimizer: Any) -> None:
        # Raises unless all bits are the same.
        importlib.import_module("learn_arrays").check_same_bits(n_features, optimizer)

    def test_a_peer_that_is_not_installed_is_left_out_with_its_target(self, bench: ModuleType) -> None:
        recorder = Recorder(bench)
        absent = recorder.peer("peer", needs="no_such_module")
        row = bench.with_installed(recorder.row(recorder.peer("ours"), absent, recorder.peer("other")))
        assert [peer.name for peer in row.peers] == ["ours", "other"]
        assert row.target is None
        result = bench.measure(row, runs=1, events=100)
        assert result.passed
        assert json.loads(bench.as_json([result], {}, ""))["rows"][0]["target"] is None


class TestDetectors:
    def test_a_quick_run_prints_every_detector(self) -> None:
        done = run("bench/detectors.py", "--quick", "--json")
        assert done.returncode == 0, done.stderr
        rows = json.loads(done.stdout)["rows"]
        assert [row["detector"] for row in rows] == ["ADWIN", "KSWIN", "PageHinkley"] * 2
        assert all(row["drifts"] == rows[0]["drifts"] > 0 for row in rows)
        assert rows[0] | {"scenario": "all"} == rows[3]


class TestShifts:
    def test_a_quick_run_prints_the_rows_asked_for(self) -> None:
        done = run("bench/shifts.py", "--quick", "--json", "--only", "target x 10", "--learner", "linear")
        assert done.returncode == 0, done.stderr
        rows = json.loads(done.stdout)["rows"]
        assert [row["scenario"] for row in rows][:2] == ["target x 1000", "features and target x 1000"]
        assert all(row["learner"] == "LinearRegressor" and 0.0 < row["value"] <= row["bar"] for row in rows)

    def test_nothing_to_measure_is_one_line(self) -> None:
        done = run("bench/shifts.py", "--only", "no such change")
        assert done.returncode == 1
        assert "Nothing holds 'no such change'" in done.stderr


class TestIntervals:
    @needs_peers
    def test_a_quick_run_prints_every_row(self) -> None:
        done = run("bench/intervals.py", "--quick", "--json", "--only", "weight-jump")
        assert done.returncode == 0, done.stderr
        rows = json.loads(done.stdout)["rows"]
        assert [row["learner"] for row in rows] == ["AutoRegressor, small", "LinearRegressor"]
        assert all(row["stream"] == "scenario weight-jump" and 0.8 < row["coverage"] < 1.0 for row in rows)

    @pytest.mark.usefixtures("bench")
    def test_the_plain_window_is_the_quantile_of_the_last_errors(self) -> None:
        intervals = importlib.import_module("intervals")
        y = np.random.default_rng(0).standard_normal(1300)
        bounds = intervals.plain_window(y, np.zeros(1300))
        for i in (1, 2, 7, 501, 502, 1299):
            errors = sorted(np.abs(y[max(1, i - 500) : i]).tolist())
            half = errors[min(math.ceil(0.9 * (len(errors) + 1)), len(errors)) - 1] if errors else math.inf
            assert tuple(bounds[i]) == (-half, half)

    @pytest.mark.usefixtures("bench")
    def test_targets_can_be_missed(self) -> None:
        intervals = importlib.import_module("intervals")

        def missed(**found: Any) -> list[str]:
            row = {"coverage": 0.9, "worst": 0.85, "score": 1.0, "ratio": 0.9}
            row |= {"plain_coverage": 0.9, "plain_worst": 0.8}
            judged = intervals.verdicts([intervals.Row("bike", "linear", 5000, **{**row, **found})])
            return [text for text, reached in judged if not reached]

        assert missed() == []
        assert missed(coverage=0.88) == ["bike, linear: coverage 0.880, not 0.89 to 0.91"]
        assert missed(worst=0.82) == ["bike, linear: 0.820 in a window of 500, below 0.83"]
        assert missed(after_drifts=(("jump", 0.8, 0.7),)) == ["bike, linear: 0.700 in a window of 500, below 0.83"]
        assert len(missed(ratio=0.98)) == 1


class TestEndurance:
    def test_a_short_run_prints_every_tenth(self) -> None:
        done = run("bench/endurance.py", "--events", "20000", "--json", "--only", "linear, idle")
        (task,) = json.loads(done.stdout)["tasks"]
        assert len(task["us_per_event"]) == len(task["memory_mib"]) == 10
        assert done.returncode == (0 if task["passed"] else 1)

    @pytest.mark.usefixtures("bench")
    def test_what_slows_down_or_grows_fails(self) -> None:
        endurance = importlib.import_module("endurance")

        def passed(times: list[float], memory: list[float]) -> bool:
            return bool(endurance.Run(endurance.TASKS[0], 10, times, memory).passed)

        assert passed([1.0, 1.1], [50.0, 52.0])
        assert not passed([1.0, 1.3], [50.0, 50.0])
        assert not passed([1.0, 1.0], [50.0, 60.0])


class TestPoison:
    def test_it_judges_by_the_clean_events(self) -> None:
        done = run("bench/poison.py", "--quick", "--json", "--only", "LinearRegressor, Adam")
        answer = json.loads(done.stdout)
        assert done.returncode == (0 if answer["passed"] else 1)
        assert {row["learner"] for row in answer["learners"]} == {
            "LinearRegressor, Adam",
            "LinearRegressor, AdamW",
        }

    @pytest.mark.usefixtures("bench")
    def test_harm_is_seen(self) -> None:
        poison = importlib.import_module("poison")

        class Naive:
            """Predicts the last target."""

            def __init__(self) -> None:
                self.last = 40.0

            def predict_learn_one(self, _x: Any, y: float) -> float:
                prediction, self.last = self.last, y
                return prediction

            def state_dict(self) -> dict[str, Any]:
                return {}

        assert not poison.harm("naive", Naive, poison.features(3000)).passed


@needs_peers
class TestSimulate:
    @pytest.mark.usefixtures("bench")
    def test_a_small_run_says_how_it_compares(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "argv", ["bench/simulate.py"])
        done = invoke("simulate", "--quick", "--json")
        answer = json.loads(done.stdout)
        assert done.exit_code == (0 if answer["passed"] else 1)
        assert answer["ratio"] == pytest.approx(answer["events_per_s"] / answer["river_events_per_s"])
        assert answer["again"].startswith("python bench/simulate.py")


@needs_peers
class TestTables:
    def test_the_documents_say_what_was_measured(self) -> None:
        done = run("bench/tables.py", "--check")
        assert done.stdout == "differing: none\n"
        assert done.returncode == 0


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Resident memory is read from /proc.")
@pytest.mark.usefixtures("bench")
class TestImports:
    def test_a_heavy_import_is_measured(self) -> None:
        cost = importlib.import_module("imports").measure("numpy", "import numpy", runs=1)
        assert cost.memory_mib > 5
        assert cost.time_ms > 5

    def test_what_is_not_installed_is_one_line(self) -> None:
        imports = importlib.import_module("imports")
        with pytest.raises(Exception, match="No module named 'absent_library'"):
            imports.measure("absent", "import absent_library", runs=1)


SCRIPTS = ["learn", "adaptation", "intervals", "endurance", "poison", "simulate", "tables", "imports"]


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_has_an_example(script: str) -> None:
    done = run(f"bench/{script}.py", "--help")
    assert done.returncode == 0
    assert f"Example: python bench/{'learn' if script == 'tables' else script}.py" in done.stdout


class TestDependencies:
    """docs/dependencies.md, bench/imports.py and pyproject.toml name the same dependencies."""

    @pytest.fixture
    def declared(self) -> dict[str, str]:
        """Each dependency that pyproject.toml declares, and what needs it."""
        table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        groups = {
            "running": table["project"]["dependencies"],
            "building": table["build-system"]["requires"],
            **{f"extra `{name}`": needs for name, needs in table["project"]["optional-dependencies"].items()},
        }
        pairs = ((re.match(r"[A-Za-z0-9_-]+", need), group) for group, needs in groups.items() for need in needs)
        return {found.group(): group for found, group in pairs if found and found.group() != "edgedescent"}

    def test_the_document_lists_exactly_what_is_declared(self, declared: dict[str, str]) -> None:
        text = (ROOT / "docs/dependencies.md").read_text(encoding="utf-8")
        rows = re.findall(r"^\| ([a-z][\w-]*) \| ((?:running|building|extra `\w+`)) \|", text, re.MULTILINE)
        assert len(rows) == len(dict(rows))
        assert dict(rows) == declared

    def test_the_document_justifies_each(self, declared: dict[str, str]) -> None:
        text = (ROOT / "docs/dependencies.md").read_text(encoding="utf-8")
        assert set(re.findall(r"\*\*([\w-]+)\*\*", text)) == set(declared)

    @pytest.mark.usefixtures("bench")
    def test_each_is_measured(self, declared: dict[str, str]) -> None:
        assert set(importlib.import_module("imports").IMPORTS) == set(declared)
