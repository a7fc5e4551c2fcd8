"""Executors: every job has one outcome, whatever becomes of its process."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest

from edgedescent.errors import ConfigError
from edgedescent_sims.sweep import dask_executor
from edgedescent_sims.sweep.dask_executor import DaskExecutor
from edgedescent_sims.sweep.executors import LOST, Executor, PoolExecutor, SerialExecutor
from edgedescent_sims.sweep.jobs import Job, Outcome
from support.sweeps import invented

JOBS = [Job({"name": "flip"}, {"type": "LinearRegressor"}, repetition) for repetition in range(12)]


def raising(job: Job) -> Outcome:
    if job.repetition % 4 == 0:
        raise ValueError("no\nmore")
    return invented(job)


def dying(job: Job) -> Outcome:
    if job.repetition == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return invented(job)


def always_dying(job: Job) -> Outcome:
    os.kill(os.getpid(), signal.SIGKILL)
    return invented(job)


@pytest.mark.parametrize("make", [SerialExecutor, lambda: PoolExecutor(2)])
def test_what_a_job_raises_is_its_outcome(make: Callable[[], Executor]) -> None:
    with make() as executor:
        outcomes = {outcome.key: outcome for outcome in executor.run(raising, JOBS)}
    assert len(outcomes) == 12
    for job in JOBS:
        outcome = outcomes[job.key]
        assert outcome.error == ("" if job.repetition % 4 else "ValueError: no")
        assert outcome.cost["seconds"] is not None
        assert outcome.scores == ({} if outcome.error else invented(job).scores)


def test_a_job_that_kills_its_process_costs_no_other_job() -> None:
    with PoolExecutor(2) as executor:
        outcomes = {outcome.key: outcome.error for outcome in executor.run(dying, JOBS)}
    assert outcomes == {job.key: LOST if job.repetition == 3 else "" for job in JOBS}


def test_ctrl_c_while_a_process_starts_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    submit = ProcessPoolExecutor.submit
    interrupted: list[bool] = []

    def interrupt_and_submit(pool: ProcessPoolExecutor, *arguments: Any) -> Any:
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        interrupted.append(True)
        return submit(pool, *arguments)

    monkeypatch.setattr(ProcessPoolExecutor, "submit", interrupt_and_submit)
    with PoolExecutor(2) as executor, pytest.raises(KeyboardInterrupt):
        list(executor.run(invented, JOBS))
    assert interrupted == [True], "it is raised behind the start of the first process"


def test_a_pool_in_which_no_process_lives_is_one_clear_line() -> None:
    with PoolExecutor(2) as executor, pytest.raises(ConfigError, match="No process of the pool lives long enough"):
        list(executor.run(always_dying, JOBS))


def test_a_run_that_is_left_early_ends_its_processes() -> None:
    with PoolExecutor(2) as executor:
        for _ in executor.run(invented, JOBS):
            break
    with PoolExecutor(2) as executor:
        assert len(list(executor.run(invented, []))) == 0


def test_a_missing_scheduler_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(dask_executor, "CONNECT_TIMEOUT_S", 0.2)
    with pytest.raises(ConfigError, match=r"There is no Dask scheduler at tcp://127\.0\.0\.1:9"):
        DaskExecutor("tcp://127.0.0.1:9").__enter__()
    with pytest.raises(ConfigError, match="There is no Dask scheduler at nonsense") as caught:
        DaskExecutor("nonsense").__enter__()
    assert "\n" not in str(caught.value)
