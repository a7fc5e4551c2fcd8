"""Executor on a Dask cluster: jobs go to whatever workers a scheduler has."""

from __future__ import annotations

import itertools
import logging
import math
import time
import uuid
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import edgedescent
from edgedescent.errors import ConfigError
from edgedescent_sims.sweep.executors import LOST, Executor
from edgedescent_sims.sweep.jobs import Job, Outcome, Runner, attempt

if TYPE_CHECKING:
    from distributed import Client

CONNECT_TIMEOUT_S = 30.0
WORKERS_TIMEOUT_S = 120.0
QUEUED_PER_THREAD = 4
"""Jobs that wait at the scheduler for each thread of its workers."""
QUEUED_MIN = 32
CAPACITY_EVERY_S = 5.0
ROUNDS_MAX = 2
"""Times that a job is submitted. In each, the scheduler tries it on several workers (`allowed-failures` + 1, which is
4) before it takes it for what killed them."""


class DaskExecutor(Executor):
    """Dask cluster, on which this version of the package is installed on the scheduler and on all workers.

    Jobs of a lost worker are run again on another one. A lost scheduler ends the run with an error; its outcomes are
    lost with it, which is why completed runs are kept in a journal.

    Args:
        address: Address of the scheduler: ``tcp://head:8786``.

    Raises:
        ConfigError: On entry, if there is no such scheduler, it has no workers, or they have another version.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._client: Client | None = None
        self._levels: dict[str, int] = {}
        self._capacity = QUEUED_MIN
        self._capacity_at = -math.inf

    def __enter__(self) -> Self:
        try:
            import distributed
        except ImportError as error:
            raise ConfigError(
                "distributed is not installed, which --dask needs.", "Run: pip install 'edgedescent[sweep]'"
            ) from error
        self._silence()
        try:
            self._client = _untyped(distributed.Client)(
                self._address, timeout=CONNECT_TIMEOUT_S, set_as_default=False, name="edgedescent-sweep"
            )
        except (OSError, ValueError) as error:
            self._close()
            raise ConfigError(
                f"There is no Dask scheduler at {self._address}: {error}.", "Give its address like tcp://head:8786."
            ) from error
        try:
            self._check_workers(self._client)
        except BaseException:
            self._close()
            raise
        return self

    def _silence(self) -> None:
        """Keep distributed from logging stack traces of what is reported here in one line."""
        for name in ("distributed", *logging.root.manager.loggerDict):
            if name.startswith(("distributed", "tornado")):
                logger = logging.getLogger(name)
                self._levels[name] = logger.level
                logger.setLevel(logging.CRITICAL + 1)

    def _check_workers(self, client: Client) -> None:
        try:
            client.wait_for_workers(1, timeout=WORKERS_TIMEOUT_S)
        except TimeoutError as error:
            raise ConfigError(
                f"The Dask scheduler at {self._address} has no workers.", f"Run: dask worker {self._address}"
            ) from error
        try:
            versions = client.run(_version)
        except Exception as error:
            raise ConfigError(
                f"A worker of {self._address} cannot import edgedescent: {type(error).__name__}: {error}.",
                "Install it there: pip install 'edgedescent[sweep]'",
            ) from error
        for worker, version in versions.items():
            if version != edgedescent.__version__:
                raise ConfigError(
                    f"The worker {worker} has version {version}, but this is version {edgedescent.__version__}.",
                    "Install the same version on all workers.",
                )

    def run(self, runner: Runner, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Run jobs on the cluster; only as many are submitted as keep the workers busy."""
        from distributed import as_completed

        client = self._client
        assert client is not None  # noqa: S101 - it is used in a `with` block
        remaining = iter(jobs)
        running: dict[str, tuple[Any, Job, int]] = {}
        completed = _untyped(as_completed)(loop=client.loop)

        def submit(job: Job, rounds: int) -> None:
            # With a name of its own, so that what another client runs or has lost is never taken for it.
            name = f"{job.key}-{uuid.uuid4().hex}"
            future = client.submit(attempt, runner, job, key=name, pure=False)
            running[name] = (future, job, rounds)
            completed.add(future)

        while True:
            for job in itertools.islice(remaining, max(0, self._queued(client) - len(running))):
                submit(job, 1)
            if not running:
                return
            future = next(completed)
            _, job, rounds = running.pop(future.key)
            if future.status == "finished":
                yield self._result(future)
            elif future.status == "error":
                error = future.exception()
                if type(error).__name__ != "KilledWorker":
                    yield Outcome(key=job.key, error=f"{type(error).__name__}: {error}"[:500])
                elif rounds < ROUNDS_MAX:
                    submit(job, rounds + 1)
                else:
                    yield Outcome(key=job.key, error=LOST)
            else:
                raise self._lost()

    def _result(self, future: Any) -> Outcome:
        try:
            result = future.result(timeout=WORKERS_TIMEOUT_S)
        except Exception as error:
            # The outcome is fetched from a worker, which may be gone, and through the scheduler.
            raise self._lost() from error
        assert isinstance(result, Outcome)  # noqa: S101
        return result

    def _queued(self, client: Client) -> int:
        """Number of jobs that may be at the scheduler; workers come and go."""
        if client.status != "running":
            raise self._lost()
        if time.monotonic() - self._capacity_at > CAPACITY_EVERY_S:
            try:
                workers = client.scheduler_info(n_workers=-1)["workers"].values()
            except OSError as error:
                raise self._lost() from error
            self._capacity = max(QUEUED_MIN, QUEUED_PER_THREAD * sum(worker["nthreads"] for worker in workers))
            self._capacity_at = time.monotonic()
        return self._capacity

    def _lost(self) -> ConfigError:
        return ConfigError(
            f"The connection to the Dask scheduler at {self._address} is lost.",
            "The completed runs are kept: run the same command again to go on.",
        )

    def _close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            _untyped(client.close)(timeout=2)
        while self._levels:
            name, level = self._levels.popitem()
            logging.getLogger(name).setLevel(level)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()


def _untyped(thing: Any) -> Any:
    """The same, for the type checker: distributed has annotations, but not all."""
    return thing


def _version() -> str:
    return edgedescent.__version__
