"""Jobs of a sweep: one learner on one seed of one scenario, described by what can be written as JSON."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

import edgedescent
from edgedescent.config.building import build
from edgedescent.errors import ConfigError
from edgedescent.learners import Learner

CANDIDATE = "candidate"
"""Name of the learner within the scenario that a job runs."""
NOT_OF_A_RUN = ("candidates", "peers", "expected_failures", "fail_if", "main_score", "n_seeds", "stresses")
"""Keys of a scenario's table that change nothing in the run of one learner."""


class Job(msgspec.Struct, frozen=True):
    """One run.

    Its key is the same on every machine and in every process, so that a run that is done is recognized.
    """

    scenario: dict[str, Any]
    """Table of the scenario, without candidates and peers."""
    learner: dict[str, Any]
    """Table of the learner."""
    repetition: int
    """Number of the repetition, from 0, which sets the seeds."""
    data: str = ""
    """Checksum of the file that the scenario reads; empty if it reads none."""
    version: str = edgedescent.__version__

    @property
    def key(self) -> str:
        """Hash of the canonical JSON of the job."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()[:32]


class Outcome(msgspec.Struct, frozen=True):
    """Outcome of a job: its scores, or an error; and its cost, which differs from run to run."""

    key: str
    scores: dict[str, float | None] = {}
    error: str = ""
    cost: dict[str, float | None] = {}


Runner = Callable[[Job], Outcome]
"""Function that runs a job. It must be importable by name, because other processes import it."""


def scenario_table(table: Mapping[str, Any]) -> dict[str, Any]:
    """Table of a scenario as a job holds it."""
    return {key: value for key, value in table.items() if key not in NOT_OF_A_RUN}


def checksum_of_data(table: Mapping[str, Any]) -> str:
    """Checksum of the file that the source of a scenario reads, so that runs on other data are not taken for done.

    Raises:
        ConfigError: If the file cannot be read.
    """
    path = table.get("source", {}).get("path")
    if not isinstance(path, str) or not Path(path).is_file():
        return ""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}.", "Give a data file that can be read.") from error


def run_job(job: Job) -> Outcome:
    """Run the learner of a job on its scenario, and return its scores."""
    # Imported here, so that planning a sweep stays quick.
    from edgedescent_sims.scenarios.files import scenario_of
    from edgedescent_sims.simulate.run import run_candidate

    if job.version != edgedescent.__version__:
        raise ConfigError(
            f"The sweep is of version {job.version}, but this worker has version {edgedescent.__version__}."
        )
    scenario = scenario_of(job.scenario, Path())
    learner = build(Learner, job.learner, "learner")
    scenario = with_candidate(scenario, learner).seeded(job.repetition)
    run = run_candidate(scenario, CANDIDATE)
    scores: dict[str, float | None] = {"n_events": float(run.n_events), **run.scores}
    return Outcome(
        key=job.key,
        scores={name: _finite(value) for name, value in scores.items()},
        cost={"us_per_event": _finite(run.us_per_event), "state_bytes": _finite(run.state_bytes)},
    )


def with_candidate(scenario: Any, learner: Learner) -> Any:
    """The scenario with one candidate and nothing to compare it with.

    Raises:
        ConfigError: If the learner cannot learn what the stream holds.
    """
    import dataclasses

    return dataclasses.replace(scenario, candidates={CANDIDATE: learner}, peers={}, expected_failures={}, fail_if=())


def attempt(runner: Runner, job: Job) -> Outcome:
    """Run a job; what it raises becomes the error of the outcome, so that the other runs go on."""
    start = time.perf_counter()
    try:
        outcome = runner(job)
    except Exception as error:  # noqa: BLE001 - recorded, counted and shown at the end
        lines = str(error).splitlines() or [""]
        outcome = Outcome(key=job.key, error=f"{type(error).__name__}: {lines[0]}"[:500])
    return msgspec.structs.replace(outcome, cost={**outcome.cost, "seconds": time.perf_counter() - start})


def _finite(value: float | None) -> float | None:
    """A number that JSON can hold; a score that is not finite is none."""
    return None if value is None or not math.isfinite(value) else float(value)
