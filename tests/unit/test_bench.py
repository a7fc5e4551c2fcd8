"""The benchmarks themselves: that they measure fairly, judge rightly, and print what they promise."""

from __future__ import annotations

import gc
import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

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


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )


class Recorder:
    """Peers that note what the harness does with them; a slow one burns time on purpose."""

    def __init__(self, harness: ModuleType) -> None:
        self.harness = harness
        self.calls: list[tuple[str, list[float]]] = []
        self.collector_was_on = False

    def peer(self, name: str, rounds: int = 0, **options: Any) -> Any:
        def start() -> Any:
            def learn(events: Sequence[Any]) -> None:
                self.calls.append((name, [event[-1] for event in events]))
                self.collector_was_on |= gc.isenabled() and len(events) != self.harness.WARM_UP_EVENTS
                for _ in range(rounds * len(events)):
                    pass

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

    def test_a_peer_that_burns_time_is_slower(self, bench: ModuleType) -> None:
        recorder = Recorder(bench)
        row = recorder.row(recorder.peer("ours"), recorder.peer("peer", rounds=200), at_least=2)
        result = bench.measure(row, runs=3, events=1000)
        assert result.passed
        assert result.timings[1].error == 0.0

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
    def test_every_row_has_a_target_against_river(self) -> None:
        rows = importlib.import_module("learn").rows()
        assert [row.name for row in rows] == [
            "linear, 10 features, SGD",
            "linear, 10 features, Adam",
            "linear, 100 features, SGD",
            "linear, 100 features, Adam",
            "matrix factorization, k=10",
        ]
        for row in rows:
            assert row.peers[0].name == "EdgeDescent"
            assert (row.target.peer, row.target.at_least) == ("River", 15)

    def test_it_prints_json_and_its_exit_code_tells_the_verdict(self) -> None:
        done = run("bench/learn.py", "--quick", "--json", "--only", "10 features, Adam")
        answer = json.loads(done.stdout)
        assert done.returncode == (0 if answer["passed"] else 1)
        (row,) = answer["rows"]
        assert [learner["name"] for learner in row["learners"]] == ["EdgeDescent", "River", "scikit-learn"]
        # Ours learned: its error is far below that of predicting the mean.
        assert row["learners"][0]["error"] < 0.5
        assert {"river", "scikit-learn", "numpy", "Python", "processor"} <= answer["ran_on"].keys()

    def test_a_row_that_misses_its_target_fails_the_run(self, tmp_path: Path) -> None:
        script = tmp_path / "strict.py"
        script.write_text(
            f"import sys; sys.path.insert(0, {str(ROOT / 'bench')!r})\n"
            "import learn; learn.TARGET = learn.Target('River', 1e9); learn.main()\n"
        )
        done = run(str(script), "--quick", "--only", "matrix")
        assert done.returncode == 1
        assert "at least 1e+09 times River" in done.stdout
        assert "FAIL" in done.stdout

    def test_an_unknown_row_is_one_line(self) -> None:
        done = run("bench/learn.py", "--only", "forest")
        assert done.returncode == 1
        assert done.stderr.startswith("Error: No row holds 'forest'. There are: linear, 10 features, SGD;")
        assert "Traceback" not in done.stderr


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


@pytest.mark.parametrize("script", ["bench/learn.py", "bench/imports.py"])
def test_help_has_an_example(script: str) -> None:
    done = run(script, "--help")
    assert done.returncode == 0
    assert f"Example: python {script}" in done.stdout


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
