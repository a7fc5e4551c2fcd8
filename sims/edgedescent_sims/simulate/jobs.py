"""Jobs: runs of single candidates, here or in other processes, with progress from each."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

from edgedescent_sims.scenarios.scenario import Scenario
from edgedescent_sims.simulate.run import CandidateRun, run_candidate
from edgedescent_sims.simulate.run import OnProgress as OnEvents

_REPORT_S = 0.1
"""Time between two reports of a process: more often, they would cost the run more than the scores."""


@dataclass(frozen=True)
class Job:
    """One candidate on one seed of one scenario."""

    scenario: Scenario
    candidate: str
    repetition: int

    def run(self, on_progress: OnEvents = lambda _events, _error: None) -> CandidateRun:
        """Run it, with seeds of its own.

        Args:
            on_progress: Called about every 4096 events.
        """
        return run_candidate(self.scenario.seeded(self.repetition), self.candidate, on_progress)


@dataclass(frozen=True)
class JobProgress:
    """State of a job that is running or done."""

    place: int
    """Index of the job."""
    events: int
    """Number of events so far."""
    error: float | None
    """Recent mean absolute error."""
    is_done: bool = False


OnProgress = Callable[[JobProgress], None]


def run_jobs(jobs: Sequence[Job], n_processes: int, on_progress: OnProgress) -> Iterator[CandidateRun]:
    """Run jobs and yield their outcomes in order, each as soon as it and all before it are there.

    Args:
        jobs: The jobs.
        n_processes: Number of processes; 1 runs everything in this one.
        on_progress: Called now and then for each job, and when it is done; from another thread if there are processes.
    """
    if n_processes == 1 or len(jobs) == 1:
        for place, job in enumerate(jobs):
            yield _run(place, job, on_progress)
        return
    # Forked processes would share the threads and locks of libraries such as pyarrow.
    context = get_context("spawn")
    reports = context.Queue()
    workers = min(n_processes, len(jobs))
    with (
        _drained(reports, on_progress),
        ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(reports,)) as pool,
    ):
        futures = {pool.submit(_run_in_worker, place, job): place for place, job in enumerate(jobs)}
        outcomes: dict[int, CandidateRun] = {}
        following = 0
        try:
            for future in as_completed(futures):
                outcomes[futures[future]] = future.result()
                while following in outcomes:
                    yield outcomes.pop(following)
                    following += 1
        except BaseException:
            # What has not started is not waited for.
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _run(place: int, job: Job, on_progress: OnProgress) -> CandidateRun:
    events = 0

    def report(count: int, error: float | None) -> None:
        nonlocal events
        events = count
        on_progress(JobProgress(place, count, error))

    outcome = job.run(report)
    on_progress(JobProgress(place, events, outcome.scores.get("mae_recent"), is_done=True))
    return outcome


# --- In a process of the pool -------------------------------------------------------------------------------------

_reports: Any = None


def _start_worker(reports: Any) -> None:
    global _reports  # noqa: PLW0603 - the one way to hand a queue to the jobs of a pool
    _reports = reports


def _run_in_worker(place: int, job: Job) -> CandidateRun:
    latest = 0.0

    def report(progress: JobProgress) -> None:
        nonlocal latest
        if progress.is_done or time.monotonic() - latest >= _REPORT_S:
            latest = time.monotonic()
            _reports.put(progress)

    return _run(place, job, report)


@contextlib.contextmanager
def _drained(reports: Any, on_progress: OnProgress) -> Iterator[None]:
    """Hand the reports of the processes on from a thread, until the block ends."""

    def drain() -> None:
        while (progress := reports.get()) is not None:
            on_progress(progress)

    thread = threading.Thread(target=drain, name="progress")
    thread.start()
    try:
        yield
    finally:
        reports.put(None)
        thread.join()
        reports.close()
        reports.join_thread()
