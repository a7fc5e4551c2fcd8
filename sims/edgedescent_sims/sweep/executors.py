"""Executors: many jobs at once, in this process, in a pool of processes, or wherever a subclass sends them."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

from edgedescent.errors import ConfigError
from edgedescent_sims.sweep.jobs import Job, Outcome, Runner, attempt

LOST = "ProcessDied: the process of the run died"
"""Error of a run whose process ends each time, by lack of memory for example."""


class Executor(ABC):
    """Runs jobs, in any order; use it in a `with` block, whose end stops what still runs."""

    @abstractmethod
    def run(self, runner: Runner, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Run jobs and yield the outcome of each as soon as it is there.

        Args:
            runner: Function that runs a job; what it raises becomes an outcome with an error.
            jobs: The jobs, which are taken as they can be run.

        Raises:
            ConfigError: If nothing can be run any more.
        """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return


class SerialExecutor(Executor):
    """One job after the other, in this process."""

    def run(self, runner: Runner, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Run jobs in their order."""
        for job in jobs:
            yield attempt(runner, job)


class PoolExecutor(Executor):
    """Pool of processes on this machine.

    The processes end with this one, however it ends. A job whose process dies is run again in a process of its own; if
    that dies too, the outcome says so.

    Args:
        n: Number of processes.
    """

    def __init__(self, n: int) -> None:
        self._n = n
        # Forked processes would share the threads and locks of libraries such as pyarrow.
        self._context = get_context("spawn")
        self._pools: list[tuple[ProcessPoolExecutor, Connection]] = []

    def _start(self, n: int) -> ProcessPoolExecutor:
        # Only this process holds the writing end, so that all others see its end.
        reader, writer = self._context.Pipe(duplex=False)
        pool = ProcessPoolExecutor(n, mp_context=self._context, initializer=_end_with, initargs=(reader,))
        self._pools.append((pool, writer))
        return pool

    def _stop(self) -> None:
        while self._pools:
            pool, writer = self._pools.pop()
            writer.close()
            pool.shutdown(wait=True, cancel_futures=True)

    def run(self, runner: Runner, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Run jobs in the pool, a few more than there are processes at a time."""
        remaining = iter(jobs)
        pool = self._start(self._n)
        running: dict[Future[Outcome], Job] = {}
        n_done = 0
        while True:
            suspects: list[Job] = []
            for job in itertools.islice(remaining, 2 * self._n - len(running)):
                try:
                    running[_submit(pool, runner, job)] = job
                except BrokenProcessPool:
                    suspects.append(job)
            if not running and not suspects:
                break
            ended, _ = wait(running, return_when=ALL_COMPLETED if suspects else FIRST_COMPLETED)
            for future in ended:
                job = running.pop(future)
                if isinstance(future.exception(), BrokenProcessPool):
                    suspects.append(job)
                else:
                    n_done += 1
                    yield future.result()
            if suspects:
                # All others of a broken pool are lost too, and one of them broke it.
                suspects += running.values()
                running.clear()
                self._stop()
                for outcome in self._run_alone(runner, suspects):
                    n_done += outcome.error != LOST
                    yield outcome
                if not n_done:
                    raise ConfigError(
                        "No process of the pool lives long enough for a run.",
                        "Is there memory left? A script that sweeps needs `if __name__ == '__main__':`.",
                    )
                pool = self._start(self._n)
        self._stop()

    def _run_alone(self, runner: Runner, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Run one job at a time, so that a process that dies tells which one it was."""
        pool = self._start(1)
        for job in jobs:
            try:
                outcome = _submit(pool, runner, job).result()
            except BrokenProcessPool:
                outcome = Outcome(key=job.key, error=LOST)
                self._stop()
                pool = self._start(1)
            yield outcome
        self._stop()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()


def _submit(pool: ProcessPoolExecutor, runner: Runner, job: Job) -> Future[Outcome]:
    """Submit a job to a pool, which may start a process for it.

    Ctrl-C goes to every process of a terminal, and this one decides what it means to the others. They inherit that it
    is blocked, until they ignore it. Here it is only late: it is raised behind this call.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return pool.submit(attempt, runner, job)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with(parent: Connection) -> None:
    """Set up a process of the pool: it ends at once when its parent ends or closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        with contextlib.suppress(EOFError):
            parent.recv_bytes()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
