"""Sweeps for tests: a runner that leaves traces, and a program that sweeps in a process of its own.

``python -m support.sweeps FOLDER [--n N] [--dask ADDRESS] [--jobs N] [--method NAME] …`` sweeps in FOLDER.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

from edgedescent.errors import ConfigError
from edgedescent_sims.drift import SignFlip
from edgedescent_sims.scenarios.scenario import Scenario
from edgedescent_sims.sources.linear_stream import LinearStream
from edgedescent_sims.sweep.dask_executor import DaskExecutor
from edgedescent_sims.sweep.definition import Sweep, sweep_of
from edgedescent_sims.sweep.executors import Executor, PoolExecutor, SerialExecutor
from edgedescent_sims.sweep.jobs import Job, Outcome, run_job
from edgedescent_sims.sweep.journal import Journal
from edgedescent_sims.sweep.output import write
from edgedescent_sims.sweep.ranking import rank
from edgedescent_sims.sweep.sweep import run_sweep

TRACES, SECONDS = "EDGEDESCENT_TEST_TRACES", "EDGEDESCENT_TEST_RUN_S"
LEARNER = {
    "type": "LinearRegressor",
    "optimizer": "Adam",
    "search": {"optimizer.lr": {"low": 1e-4, "high": 1.0, "log": True}, "l2": [0.0, 0.001, 0.01]},
}


def scenarios() -> list[Scenario]:
    return [
        Scenario(name="flip", stream=SignFlip(LinearStream(n_events=200), columns=("x0",), at=100)),
        Scenario(name="plain", stream=LinearStream(n_events=100)),
    ]


def small_sweep(**changes: Any) -> Sweep:
    """Sweep of 40 runs: four configurations and the default, two scenarios, four seeds."""
    stated = {"scenarios": scenarios(), "learner": LEARNER, "seeds": 4, "n_configurations": 4, **changes}
    return sweep_of({key: value for key, value in stated.items() if value is not None})


def invented(job: Job) -> Outcome:
    """Outcome with an error that is least for ``lr = 0.03``, without learning anything."""
    lr = job.learner.get("optimizer", {}).get("lr", 0.01)
    scale = {"flip": 10.0, "plain": 1.0}[job.scenario["name"]]
    mae = scale * (1.0 + abs(lr - 0.03) + job.learner.get("l2", 0.0)) * (1 + 0.01 * job.repetition)
    return Outcome(key=job.key, scores={"rmse": 2 * mae, "mae": mae, "recovery": None})


def traced(job: Job) -> Outcome:
    """Run a job for a while, and append its key to the file of traces, which says how often each was run."""
    with Path(os.environ[TRACES]).open("a", encoding="utf-8") as traces:
        traces.write(f"{job.key}\n")
    time.sleep(float(os.environ.get(SECONDS, "0")))
    return invented(job)


def learned(job: Job) -> Outcome:
    """As `traced`, but the learner learns."""
    traced(job)
    return run_job(job)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--n", type=int, default=4)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--dask")
    parser.add_argument("--method", default="random")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--learn", action="store_true")
    given = parser.parse_args()
    sweep = small_sweep(
        n_configurations=given.n, method=given.method, generation=max(2, given.n // 10), seeds=given.seeds
    )
    executor: Executor
    if given.dask:
        executor = DaskExecutor(given.dask)
    else:
        executor = SerialExecutor() if given.jobs == 1 else PoolExecutor(given.jobs)
    try:
        result = run_sweep(sweep, given.folder, executor=executor, runner=learned if given.learn else traced)
    except ConfigError as error:
        sys.exit(f"Error: {error} Hint: {error.hint}")
    write(result, rank(result), given.folder)


def completed(folder: Path) -> set[str]:
    """Keys of the runs that the journal of a sweep that does not run holds."""
    with Journal(folder) as journal:
        return set(journal.done)


if __name__ == "__main__":
    main()
