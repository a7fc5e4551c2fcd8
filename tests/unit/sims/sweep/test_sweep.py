"""Sweeps: definition, keys, what is run and what is not, and identical results in any order."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgedescent.errors import ConfigError
from edgedescent_sims.scenarios.scenario import Scenario
from edgedescent_sims.sources.linear_stream import LinearStream
from edgedescent_sims.sweep.definition import load_sweep, sweep_of
from edgedescent_sims.sweep.executors import Executor, SerialExecutor
from edgedescent_sims.sweep.jobs import Job, Outcome, Runner, attempt, checksum_of_data
from edgedescent_sims.sweep.output import RANKING, RESULTS, TIMINGS, write, write_best
from edgedescent_sims.sweep.ranking import rank
from edgedescent_sims.sweep.sweep import run_sweep
from support.sweeps import LEARNER, invented, scenarios, small_sweep


class Shuffled(Executor):
    """Runs jobs in a random order, and ends as by a kill after some."""

    def __init__(self, seed: int, most: int = 10**9) -> None:
        self._random = random.Random(seed)
        self._most = most
        self.ran: list[str] = []

    def run(self, runner: Runner, jobs: Iterable[Job]) -> Iterator[Outcome]:
        listed = list(jobs)
        self._random.shuffle(listed)
        for job in listed:
            if len(self.ran) == self._most:
                raise KeyboardInterrupt
            self.ran.append(job.key)
            yield attempt(runner, job)


def files(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in (RESULTS, RANKING)]


@pytest.mark.parametrize("method", ["random", "optuna", "grid"])
def test_neither_the_order_of_runs_nor_interruptions_change_a_byte(tmp_path: Path, method: str) -> None:
    if method == "grid":
        learner = {**LEARNER, "search": {"l2": [0.0, 0.001], "optimizer.lr": [0.01, 0.1]}}
        sweep = sweep_of({"scenarios": scenarios(), "learner": learner, "method": "grid", "seeds": 2})
    else:
        sweep = small_sweep(method=method, n_configurations=7, generation=3, seeds=2)
    straight = run_sweep(sweep, tmp_path / "straight", runner=invented)
    write(straight, rank(straight), tmp_path / "straight")
    ran: list[str] = []
    for seed in range(100):
        executor = Shuffled(seed, most=5)
        try:
            result = run_sweep(sweep, tmp_path / "cut", executor=executor, runner=invented)
        except KeyboardInterrupt:
            continue
        finally:
            ran += executor.ran
        break
    write(result, rank(result), tmp_path / "cut")
    assert files(tmp_path / "cut") == files(tmp_path / "straight")
    assert len(ran) == len(set(ran)) == len(straight.outcomes) == sweep.n_runs - (0 if method != "grid" else 4)


def test_optuna_proposes_better_configurations_than_chance() -> None:
    found = {}
    for method in ("random", "optuna"):
        sweep = small_sweep(method=method, n_configurations=30, generation=5, seeds=1)
        best = [search_best(sweep, seed) for seed in range(3)]
        found[method] = sum(best)
    assert found["optuna"] < found["random"]


def search_best(sweep: Any, seed: int) -> float:
    import dataclasses
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        result = run_sweep(dataclasses.replace(sweep, seed=seed), Path(folder), runner=invented)
        best = rank(result).configurations[0].relative
        assert best is not None
        return best.value


def test_more_seeds_run_only_what_is_new(tmp_path: Path) -> None:
    executor = Shuffled(1)
    run_sweep(small_sweep(), tmp_path, executor=executor, runner=invented)
    assert len(executor.ran) == 40
    more = Shuffled(1)
    result = run_sweep(small_sweep(seeds=5, n_configurations=5), tmp_path, executor=more, runner=invented)
    assert len(result.outcomes) == 60
    assert result.n_resumed == 40
    assert not set(more.ran) & set(executor.ran)
    again = Shuffled(1)
    run_sweep(small_sweep(), tmp_path, executor=again, runner=invented, restart=True)
    assert len(again.ran) == 40


def test_keys_depend_on_everything_that_changes_a_run() -> None:
    job = Job({"name": "a", "source": {"type": "x"}}, {"type": "LinearRegressor"}, 0)
    changed = [
        msgspec.structs.replace(job, scenario={"name": "b"}),
        msgspec.structs.replace(job, learner={"type": "LinearRegressor", "l2": 0.1}),
        msgspec.structs.replace(job, repetition=1),
        msgspec.structs.replace(job, data="abc"),
        msgspec.structs.replace(job, version="9.9"),
    ]
    assert len({each.key for each in [job, *changed]}) == 6
    swapped = Job({"source": {"type": "x"}, "name": "a"}, {"type": "LinearRegressor"}, 0)
    assert swapped.key == job.key
    assert Job({"name": "a"}, {"type": "L"}, 0, version="1").key == "f96769a15fab1f279a0bb906910bae1c"


def test_other_data_in_the_same_file_are_another_run(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("a,b\n1,2\n")
    before = checksum_of_data({"source": {"path": str(path)}})
    path.write_text("a,b\n1,3\n")
    assert checksum_of_data({"source": {"path": str(path)}}) != before
    assert checksum_of_data({"source": {"type": "LinearStream"}}) == ""


def failing(job: Job) -> Outcome:
    if job.repetition == 1 and job.learner.get("l2"):
        raise RuntimeError("the run is broken\nand here is more")
    return invented(job)


def test_a_failing_run_is_recorded_and_the_others_go_on(tmp_path: Path) -> None:
    learner = {"type": "LinearRegressor", "search": {"l2": [0.0, 0.1, 0.2]}}
    sweep = sweep_of({"scenarios": scenarios(), "learner": learner, "method": "grid", "seeds": 2})
    result = run_sweep(sweep, tmp_path, runner=failing)
    assert len(result.outcomes) == 12
    assert [(each.label, scenario, seed) for each, scenario, seed, _ in result.failures] == [
        (f"LinearRegressor l2={l2}", scenario, 1) for l2 in (0.1, 0.2) for scenario in ("flip", "plain")
    ]
    assert {outcome.error for *_, outcome in result.failures} == {"RuntimeError: the run is broken"}
    ranking = rank(result)
    assert [each.n_missing for each in ranking.configurations] == [0, 2, 2]
    assert ranking.n_failed == 4
    write(result, ranking, tmp_path)
    # Runs that failed are tried again.
    executor = Shuffled(1)
    result = run_sweep(sweep, tmp_path, executor=executor, runner=invented)
    assert len(executor.ran) == 4
    assert not result.failures


def test_an_unknown_score_ends_the_sweep_at_the_first_run(tmp_path: Path) -> None:
    executor = Shuffled(1)
    with pytest.raises(ConfigError, match="`score` is 'recovry'") as caught:
        run_sweep(small_sweep(score="recovry"), tmp_path, executor=executor, runner=invented)
    assert len(executor.ran) == 1
    assert caught.value.hint == "Did you mean `recovery`?"


def test_several_learners_are_compared(tmp_path: Path) -> None:
    learners = [LEARNER, {"type": "MLPRegressor", "search": {"hidden": [[4], [8]]}}]
    sweep = sweep_of({"scenarios": scenarios(), "learners": learners, "n_configurations": 3})
    result = run_sweep(sweep, tmp_path, runner=invented)
    assert [each.label for each in result.configurations if each.is_default] == [
        "LinearRegressor optimizer=Adam",
        "MLPRegressor",
    ]
    # Three draws of two choices: one is proposed twice.
    assert [each.label for each in result.configurations if "hidden" in each.label] == [
        "MLPRegressor hidden=4",
        "MLPRegressor hidden=8",
    ]


def test_results_are_one_row_a_run(tmp_path: Path) -> None:
    from pyarrow import parquet

    result = run_sweep(small_sweep(), tmp_path, runner=invented)
    write(result, rank(result), tmp_path)
    table = parquet.read_table(tmp_path / RESULTS)
    assert table.num_rows == 40
    assert table.column_names == [
        "key",
        "configuration",
        "scenario",
        "seed",
        "error",
        "learner.type",
        "learner.optimizer.type",
        "score.mae",
        "score.recovery",
        "score.rmse",
        "learner.optimizer.lr",
        "learner.l2",
    ]
    assert [(row["configuration"], row["scenario"], row["seed"]) for row in table.to_pylist()] == [
        (c, s, r) for c in range(1, 6) for s in ("flip", "plain") for r in range(4)
    ]
    assert parquet.read_table(tmp_path / TIMINGS).column_names == ["key", "seconds"]


def test_the_best_configuration_can_be_used_for_a_device(tmp_path: Path) -> None:
    import tomllib

    from edgedescent.config.building import build
    from edgedescent.learners import Learner

    result = run_sweep(small_sweep(n_configurations=20), tmp_path, runner=invented)
    best = write_best(rank(result), tmp_path / "best.toml")
    table = tomllib.loads((tmp_path / "best.toml").read_text())["learner"]
    assert table == best.learner
    assert abs(table["optimizer"]["lr"] - 0.03) < 0.02
    build(Learner, table, "learner")


SWEEP_FILE = """
scenarios = ["own.toml"]
n_configurations = 4
[learner]
type = "LinearRegressor"
[learner.search]
l2 = [0.0, 0.1]
"""
OWN = 'name = "own"\n[source]\ntype = "LinearStream"\nn_events = 50\n'


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(OWN)
    (tmp_path / "sweep.toml").write_text(SWEEP_FILE)
    sweep = load_sweep(tmp_path / "sweep.toml")
    assert list(sweep.scenarios) == ["own"]
    assert sweep.n_runs == 5


@pytest.mark.parametrize(
    ("before", "after", "message", "hint"),
    [
        ("scenarios", "scenario", "`scenario` is not a known key", "Did you mean `scenarios`?"),
        ('["own.toml"]', "[]", "`scenarios` is empty", "--list"),
        ('["own.toml"]', '["own.toml", "own.toml"]', "second scenario named 'own'", ""),
        ('["own.toml"]', '["other.toml"]', "other.toml: No such file", ""),
        ('["own.toml"]', '["sign-flop"]', "There is no scenario and no file 'sign-flop'", ""),
        ("n_configurations = 4", "", "`n_configurations` is missing", ""),
        ("n_configurations = 4", 'n_configurations = 4\nmethod = "grid"', "a grid runs every combination", ""),
        ("n_configurations = 4", 'n_configurations = 4\nmethod = "optna"', "`method` is 'optna'", "`optuna`"),
        ("n_configurations = 4", "n_configurations = 0", ">= 1 and <= 1000000. Got 0", ""),
        ("n_configurations = 4", "n_configurations = 4\nseeds = 1000000", "<= 1000. Got 1000000", ""),
        ("n_configurations = 4", "n_configurations = 1000000\nseeds = 1000", "1,000,001,000 runs", ""),
        ("[learner]", "[[learners]]\n[learner]", "either a table [learner]", ""),
        ("LinearRegressor", "MatrixFactorization", "learner.l2", ""),
        ("LinearRegressor", "LinearRegresor", "`learner.type` is 'LinearRegresor'", "Did you mean `LinearRegressor`?"),
        ("[learner", "[learner", "not valid TOML", ""),
    ],
)
def test_a_mistake_in_a_file_is_one_clear_line(
    tmp_path: Path, before: str, after: str, message: str, hint: str
) -> None:
    (tmp_path / "own.toml").write_text(OWN)
    text = SWEEP_FILE.replace(before, after) if before != after else SWEEP_FILE + "[[["
    (tmp_path / "sweep.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_sweep(tmp_path / "sweep.toml")
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path))
    assert hint in caught.value.hint


def test_a_grid_without_steps_is_refused_before_anything_runs() -> None:
    with pytest.raises(ConfigError, match=r"`optimizer\.lr` has no `steps`"):
        small_sweep(method="grid", n_configurations=None)


def test_a_learner_of_another_kind_of_event_is_refused() -> None:
    scenario = Scenario(name="a", stream=LinearStream(n_events=50))
    with pytest.raises(ConfigError, match="ratings"):
        sweep_of({"scenarios": [scenario], "learner": "MatrixFactorization", "n_configurations": 1})


def test_a_scenario_that_cannot_be_is_refused_before_anything_runs() -> None:
    from edgedescent_sims.drift import SignFlip

    behind = Scenario(name="a", stream=SignFlip(LinearStream(n_events=50), columns=("x0",), at=100))
    with pytest.raises(ConfigError, match="50"):
        sweep_of({"scenarios": [behind], "learner": LEARNER, "n_configurations": 1})


def test_the_default_executor_is_this_process(tmp_path: Path) -> None:
    progress: list[tuple[int, int]] = []
    run_sweep(
        small_sweep(), tmp_path, executor=SerialExecutor(), runner=invented, on_progress=lambda *p: progress.append(p)
    )
    assert progress == [(n, 40) for n in range(41)]


def test_a_job_holds_the_stream_of_a_scenario_that_python_made() -> None:
    import numpy as np

    from edgedescent_sims.drift import SignFlip
    from edgedescent_sims.scenarios.files import scenario_of

    stated = Scenario(name="a", stream=SignFlip(LinearStream(n_events=50), columns=("x0",), at=25))
    table = sweep_of({"scenarios": [stated], "learner": LEARNER, "n_configurations": 1}).scenarios["a"]
    built = scenario_of(table, Path())
    for repetition in range(2):
        (ours,), (theirs,) = (list(each.seeded(repetition).stream.batches()) for each in (stated, built))
        assert np.array_equal(ours.y, theirs.y)
