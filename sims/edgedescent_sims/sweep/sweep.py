"""Run of a sweep: proposes configurations, runs what is not done yet, and keeps what is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgedescent.errors import ConfigError, did_you_mean
from edgedescent_sims.result import lower_is_better
from edgedescent_sims.sweep.definition import Sweep, checksums
from edgedescent_sims.sweep.executors import Executor, SerialExecutor
from edgedescent_sims.sweep.jobs import Job, Outcome, Runner, run_job
from edgedescent_sims.sweep.journal import Journal
from edgedescent_sims.sweep.losses import relative_losses
from edgedescent_sims.sweep.space import canonical, flattened

OnProgress = Callable[[int, int], None]
"""Called with the number of runs that are done, and the most there can be."""


@dataclass(frozen=True)
class Configuration:
    """A learner of the sweep.

    Args:
        number: Number of the configuration, from 1, in the order in which they were proposed.
        table: Table of the learner.
        is_default: True if nothing in it was searched.
    """

    number: int
    table: Mapping[str, Any]
    is_default: bool

    @property
    def label(self) -> str:
        """The learner in one line, without what is the default.

        Example:
            >>> table = {"type": "LinearRegressor", "optimizer": {"type": "SGD", "lr": 0.1}}
            >>> Configuration(1, table, False).label
            'LinearRegressor optimizer=SGD optimizer.lr=0.1'
        """
        flat = {name.removesuffix(".type"): value for name, value in flattened(self.table).items()}
        return " ".join([str(flat.pop("type")), *(f"{name}={_short(value)}" for name, value in flat.items())])


Place = tuple[int, str, int]
"""Place of a run in a sweep: number of the configuration, name of the scenario, repetition."""


@dataclass
class SweepResult:
    """Everything that a sweep ran.

    Args:
        sweep: The sweep.
        configurations: All configurations, by their number.
        keys: Keys of the jobs.
        outcomes: Outcomes of the jobs.
        n_resumed: Number of runs that were done already when it began.
    """

    sweep: Sweep
    configurations: list[Configuration] = field(default_factory=list)
    keys: dict[Place, str] = field(default_factory=dict)
    outcomes: dict[Place, Outcome] = field(default_factory=dict)
    n_resumed: int = 0

    @property
    def runs(self) -> list[tuple[Configuration, str, int, Outcome]]:
        """Configuration, scenario, repetition and outcome of each run, sorted."""
        return [
            (self.configurations[number - 1], scenario, repetition, self.outcomes[number, scenario, repetition])
            for number, scenario, repetition in sorted(self.outcomes)
        ]

    @property
    def failures(self) -> list[tuple[Configuration, str, int, Outcome]]:
        """The runs that failed."""
        return [run for run in self.runs if run[-1].error]

    def scores(self, number: int) -> NDArray[np.float64]:
        """Score of a configuration, shape (scenarios, seeds); NaN where there is none."""
        return np.array(
            [
                [self._score(self.outcomes[number, scenario, repetition]) for repetition in range(self.sweep.seeds)]
                for scenario in self.sweep.scenarios
            ]
        )

    def _score(self, outcome: Outcome) -> float:
        value = outcome.scores.get(self.sweep.score)
        return math.nan if value is None else value


def run_sweep(
    sweep: Sweep,
    folder: Path,
    *,
    executor: Executor | None = None,
    runner: Runner = run_job,
    restart: bool = False,
    on_progress: OnProgress = lambda _done, _total: None,
    notify: Callable[[str], None] = lambda _text: None,
) -> SweepResult:
    """Run a sweep, or what is left of it.

    Each completed run is appended to the journal in the folder. When the sweep is run again, after a kill or with more
    seeds, scenarios or configurations, what is in the journal is not run again; runs that failed are.

    Args:
        sweep: The sweep.
        folder: Folder of its journal; made if it is missing.
        executor: Where the runs take place; one after the other in this process if None.
        runner: Function that runs a job.
        restart: Forget the runs that are done.
        on_progress: Called after each run.
        notify: Called with what a user should know.

    Raises:
        ConfigError: If there is no such score, another sweep uses the folder, or the executor is lost.
    """
    data = checksums(sweep)
    with Journal(folder, restart=restart) as journal, executor or SerialExecutor() as running:
        if journal.n_damaged:
            notify(f"{journal.n_damaged} lines of the journal are damaged; their runs are done again.")
        return _Run(sweep, journal, running, runner, data, on_progress).all()


class _Run:
    """State of a sweep that runs."""

    def __init__(
        self,
        sweep: Sweep,
        journal: Journal,
        executor: Executor,
        runner: Runner,
        data: Mapping[str, str],
        on_progress: OnProgress,
    ) -> None:
        self._sweep = sweep
        self._journal = journal
        self._executor = executor
        self._runner = runner
        self._data = data
        self._on_progress = on_progress
        self._numbers: dict[bytes, int] = {}
        self._new: dict[str, tuple[Place, Job]] = {}
        self.result = SweepResult(sweep)

    def all(self) -> SweepResult:
        """Run generation after generation."""
        searches = self._sweep.searches()
        streams = [search.generations() for search in searches]
        for space in self._sweep.learners:
            self._add(space.default(), is_default=True)
        while True:
            proposed = [next(stream, None) for stream in streams]
            if all(generation is None for generation in proposed):
                break
            numbers = [
                [self._add(search.space.with_values(values)) for values in generation or ()]
                for search, generation in zip(searches, proposed, strict=True)
            ]
            self._run()
            reference = self.result.scores(1)
            for search, of_search, generation in zip(searches, numbers, proposed, strict=True):
                if generation is not None:
                    search.tell([self._loss(number, reference) for number in of_search])
        return self.result

    def _loss(self, number: int, reference: NDArray[np.float64]) -> float | None:
        """Loss that the search makes small; None if a run failed or has no score."""
        losses = relative_losses(self.result.scores(number), reference, lower_is_better(self._sweep.score) is not False)
        return None if np.isnan(losses).any() else float(losses.mean())

    def _add(self, table: Mapping[str, Any], *, is_default: bool = False) -> int:
        """Number of the configuration of a learner, which is added if it is new."""
        table = canonical(table)
        name = msgspec.json.encode(table, order="deterministic")
        if name not in self._numbers:
            number = self._numbers[name] = len(self._numbers) + 1
            self.result.configurations.append(Configuration(number, table, is_default))
            for scenario, stated in self._sweep.scenarios.items():
                for repetition in range(self._sweep.seeds):
                    place = (number, scenario, repetition)
                    job = Job(dict(stated), table, repetition, self._data[scenario])
                    self.result.keys[place] = job.key
                    self._new[self.result.keys[place]] = place, job
        return self._numbers[name]

    def _run(self) -> None:
        """Run the jobs of the new configurations that are not in the journal."""
        done = {key: self._journal.done[key] for key in self._new if key in self._journal.done}
        done = {key: outcome for key, outcome in done.items() if not outcome.error}
        for outcome in done.values():
            self._take(outcome)
        self.result.n_resumed += len(done)
        self._report()
        pending = [job for key, (_, job) in self._new.items() if key not in done]
        for outcome in self._executor.run(self._runner, pending):
            self._journal.append(outcome)
            self._take(outcome)
            self._report()
        self._new.clear()

    def _take(self, outcome: Outcome) -> None:
        place, _ = self._new[outcome.key]
        score = self._sweep.score
        if not outcome.error and score not in outcome.scores:
            raise ConfigError(
                f"`score` is {score!r}, which runs of the scenario {place[1]} do not have: expected one of "
                f"{', '.join(outcome.scores)}.",
                did_you_mean(score, outcome.scores),
            )
        self.result.outcomes[place] = outcome

    def _report(self) -> None:
        self._on_progress(len(self.result.outcomes), self._sweep.n_runs)


def _short(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ",".join(map(_short, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
