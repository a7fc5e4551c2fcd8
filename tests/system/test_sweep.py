"""Sweeps that are killed: no completed run is repeated, and the results are those of an undisturbed one."""

from __future__ import annotations

import dataclasses
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, Self

import psutil
import pytest

from edgedescent_sims.scenarios import library
from edgedescent_sims.simulate.jobs import Job, jobs_of
from edgedescent_sims.simulate.runner import assemble, simulate
from edgedescent_sims.sweep.journal import FILE
from edgedescent_sims.sweep.output import RANKING, RESULTS
from support.sweeps import SECONDS, TRACES, completed
from support.waiting import PATIENCE_S, eventually

TESTS = Path(__file__).parents[1]


class Rounds(Protocol):
    """Rounds of fault injection, as the fixture of this name gives them."""

    count: int

    def __iter__(self) -> Iterator[int]:
        """Iterate over the rounds."""
        ...


class Sweeper:
    """Starts a sweep in processes of its own, in a folder that stays.

    Each start checks, in the end, that what was completed before was not run again.
    """

    def __init__(self, folder: Path, *args: str, run_s: float = 0.0) -> None:
        self.folder = folder / "sweep"
        self.traces = folder / "traces"
        self.traces.touch()
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]),
            TRACES: str(self.traces),
            SECONDS: str(run_s),
        }
        self._command = [sys.executable, "-m", "support.sweeps", str(self.folder), *args]

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[str]]:
        """Start the sweep; kill it at the end of the block, as the system would."""
        done, n_runs = completed(self.folder), len(self.runs())
        process = subprocess.Popen(self._command, env=self.environment, stderr=subprocess.PIPE, text=True)
        try:
            with process:
                yield process
                process.kill()
        finally:
            process.kill()
        assert not set(self.runs()[n_runs:]) & done

    def finish(self) -> None:
        """Run the sweep to its end."""
        with self.running() as process:
            _, errors = process.communicate()
            assert (process.returncode, errors) == (0, "")

    def wait_for(self, n: int, process: subprocess.Popen[str]) -> None:
        """Wait until as many more runs are completed, or the sweep ends."""
        enough = self.n_completed() + n
        eventually(lambda: self.n_completed() >= enough or process.poll() is not None, "the sweep goes on")

    def runs(self) -> list[str]:
        """Key of each run that was started, as often as it was."""
        return self.traces.read_text(encoding="utf-8").split()

    def n_completed(self) -> int:
        """Number of completed runs."""
        journal = self.folder / FILE
        return journal.read_bytes().count(b"\n") if journal.exists() else 0

    def results(self) -> list[bytes]:
        """Results, to the byte."""
        return [(self.folder / name).read_bytes() for name in (RESULTS, RANKING)]


def straight(folder: Path, *args: str) -> list[bytes]:
    """Results of the same sweep in one process that nothing disturbs."""
    folder.mkdir()
    sweeper = Sweeper(folder, "--jobs", "1", *args)
    sweeper.finish()
    return sweeper.results()


@pytest.mark.rounds(quick=3, long=12)
@pytest.mark.parametrize("method", ["random", "optuna"])
def test_a_sweep_that_is_killed_goes_on_and_repeats_nothing(
    tmp_path: Path, method: str, rounds: Rounds, chance: random.Random
) -> None:
    # With --torture 500 runs, which learn.
    is_long = rounds.count > 3
    n = 500 if is_long else 40
    args = ["--method", method, *(("--n", "49", "--seeds", "5", "--learn") if is_long else ())]
    # So slow that it is far from done when it is killed, and then as fast as can be.
    sweeper = Sweeper(tmp_path, *args, run_s=0.02 if is_long else 0.25)
    for _ in rounds:
        with sweeper.running() as process:
            sweeper.wait_for(n // 16, process)
            time.sleep(chance.uniform(0, 0.1))
    assert sweeper.n_completed() < n
    sweeper.environment[SECONDS] = "0"
    sweeper.finish()
    assert len(set(sweeper.runs())) == len(completed(sweeper.folder)) == n
    print(f"{len(sweeper.runs())} starts of {n} runs, {rounds.count} kills")
    results = straight(tmp_path / "straight", *args)
    assert sweeper.results() == results
    if method == "random":
        assert_a_sweep_that_is_done_runs_nothing(sweeper, results)


def assert_a_sweep_that_is_done_runs_nothing(sweeper: Sweeper, results: list[bytes]) -> None:
    runs = sweeper.runs()
    sweeper.finish()
    assert sweeper.runs() == runs
    assert sweeper.results() == results


def test_the_processes_of_a_pool_end_with_a_sweep_that_is_killed(tmp_path: Path) -> None:
    sweeper = Sweeper(tmp_path, run_s=30)
    with sweeper.running() as process:
        eventually(lambda: len(sweeper.runs()) == 2, "both processes run")
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= 2
    eventually(lambda: not any(is_alive(child) for child in children), "they end")


def is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_open(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


class Cluster:
    """Dask scheduler and workers on this machine, in processes that can be killed."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.address = f"tcp://127.0.0.1:{free_port()}"
        self.environment = environment
        """Environment of the processes that are started from now on."""
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []

    def start_scheduler(self) -> subprocess.Popen[bytes]:
        host, port = self.address.removeprefix("tcp://").split(":")
        scheduler = self._start("scheduler", "--host", host, "--port", port, "--no-dashboard", "--no-show")
        eventually(lambda: is_open(host, int(port)), "the scheduler listens")
        return scheduler

    def start_worker(self) -> subprocess.Popen[bytes]:
        # Without a nanny, which would start it again.
        return self._start(
            "worker",
            self.address,
            "--no-nanny",
            "--nthreads",
            "1",
            "--no-dashboard",
            "--memory-limit",
            "0",
            "--local-directory",
            str(self._folder),
        )

    def _start(self, kind: str, *args: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{kind}", *args],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._processes.append(process)
        return process

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.wait()


def test_dask_gives_the_same_bytes_survives_a_lost_worker_and_goes_on_after_a_lost_scheduler(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """In one test, because a cluster takes long to start."""
    pytest.importorskip("distributed")
    is_long = request.config.getoption("torture")
    n, few = (500, 60) if is_long else (40, 5)
    args = ("--n", "49", "--seeds", "5", "--learn") if is_long else ()
    # So slow that it is far from done when the scheduler is lost.
    run_s = 0.05 if is_long else 0.25
    sweeper = Sweeper(tmp_path, run_s=run_s)
    with Cluster(sweeper.environment, tmp_path) as cluster:
        sweeper = Sweeper(tmp_path, "--dask", cluster.address, *args, run_s=run_s)
        scheduler = cluster.start_scheduler()
        workers = [cluster.start_worker(), cluster.start_worker()]
        assert_a_simulation_gives_the_same_bytes(cluster.address)
        with sweeper.running() as sweep:
            sweeper.wait_for(few, sweep)
            workers[0].kill()
            sweeper.wait_for(few, sweep)
            assert sweep.poll() is None
            scheduler.kill()
            _, errors = sweep.communicate(timeout=PATIENCE_S)
            assert sweep.returncode == 1
            assert errors == (
                f"Error: The connection to the Dask scheduler at {cluster.address} is lost. "
                "Hint: The completed runs are kept: run the same command again to go on.\n"
            )
        for each in (scheduler, *workers):
            each.kill()
            each.wait()
        assert 2 * few <= sweeper.n_completed() < n
        cluster.environment[SECONDS] = "0.05"
        cluster.start_scheduler()
        cluster.start_worker()
        killed = cluster.start_worker()
        with sweeper.running() as sweep:
            sweeper.wait_for(few, sweep)
            killed.kill()
            assert sweep.communicate() == (None, "")
            assert sweep.returncode == 0
    assert len(set(sweeper.runs())) == len(completed(sweeper.folder)) == n
    print(f"{len(sweeper.runs())} starts of {n} runs, two lost workers, one lost scheduler")
    assert sweeper.results() == straight(tmp_path / "straight", *args)


def assert_a_simulation_gives_the_same_bytes(address: str) -> None:
    import distributed

    scenarios = [dataclasses.replace(library.load(name), n_seeds=2) for name in ("target-unit", "fad")]
    here = [result.to_json() for result, _ in simulate(scenarios)]
    with distributed.Client(address, timeout=PATIENCE_S, set_as_default=False) as client:
        jobs = jobs_of(scenarios)
        futures = [client.submit(Job.run, job, pure=False) for job in jobs]
        runs = dict(zip(jobs, client.gather(futures), strict=True))
    there = [
        assemble(
            scenario,
            {
                name: [runs[Job(scenario, name, repetition)] for repetition in range(2)]
                for name in (*scenario.candidates, *scenario.peers)
            },
        ).to_json()
        for scenario in scenarios
    ]
    assert there == here


def test_ctrl_c_ends_a_sweep_at_once_and_cleanly(tmp_path: Path) -> None:
    (tmp_path / "long.toml").write_text('[source]\ntype = "LinearStream"\nn_events = 100000000\n')
    (tmp_path / "sweep.toml").write_text(
        'scenarios = ["long.toml"]\nmethod = "grid"\njobs = 2\n'
        '[learner]\ntype = "MLPRegressor"\nsearch.l2 = [0.1, 0.2]\n'
    )
    command = [sys.executable, "-m", "edgedescent", "sweep", "sweep.toml"]
    with subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        sweep = psutil.Process(process.pid)
        # Two of the pool, and one of the standard library that cleans up after them. They may still be starting.
        eventually(lambda: len(sweep.children()) == 3, "the pool starts")
        children = sweep.children()
        os.killpg(process.pid, signal.SIGINT)
        output = process.communicate(timeout=PATIENCE_S)
    assert output == ("", "Interrupted: 0 runs are done and kept. Run the same command to go on.\n")
    assert process.returncode == 130
    eventually(lambda: not any(is_alive(child) for child in children), "they end")
