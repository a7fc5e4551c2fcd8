"""Runner: every candidate of a scenario on every seed, in this process or in several, put together as one result."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import edgedescent
from edgedescent.errors import ConfigError, did_you_mean
from edgedescent.evaluation import bootstrap_interval, paired_difference
from edgedescent_sims.result import (
    CandidateResult,
    Difference,
    Interval,
    Recovery,
    ResultMark,
    SimulationResult,
    Timing,
    lower_is_better,
)
from edgedescent_sims.scenarios.files import changed, table_of
from edgedescent_sims.scenarios.scenario import Scenario
from edgedescent_sims.simulate.bars import FailIf, judge
from edgedescent_sims.simulate.jobs import jobs_of
from edgedescent_sims.simulate.run import CandidateRun
from edgedescent_sims.simulate.tasks import OnProgress, run_tasks

MAIN_SCORES = {"features": "mae", "ratings": "mae"}


def simulate(
    scenarios: Sequence[Scenario],
    *,
    jobs: int = 1,
    commands: Sequence[str] = (),
    on_progress: OnProgress = lambda _progress: None,
) -> Iterator[tuple[SimulationResult, list[Timing]]]:
    """Run scenarios; yields the result of each, in their order, as soon as it is complete.

    Args:
        scenarios: The scenarios.
        jobs: Number of processes; 1 runs everything in this one.
        commands: For each scenario, the command that repeats it.
        on_progress: Called now and then for each of `jobs_of`, and when it is done.

    Raises:
        ConfigError: If a scenario has a drift or fault that cannot be, or a bar names no score.
    """
    for scenario in scenarios:
        scenario.marks()
        for text in scenario.fail_if:
            FailIf.parse(text)
    done = run_tasks(jobs_of(scenarios), jobs, on_progress)
    for place, scenario in enumerate(scenarios):
        command = commands[place] if commands else ""
        names = (*scenario.candidates, *scenario.peers)
        runs: dict[str, list[CandidateRun]] = {name: [] for name in names}
        for _ in range(scenario.n_seeds):
            for name in names:
                runs[name].append(next(done))
        yield assemble(scenario, runs, command=command), _timings(runs)


# --- Putting the runs together ------------------------------------------------------------------------------------


def assemble(scenario: Scenario, runs: Mapping[str, Sequence[CandidateRun]], *, command: str = "") -> SimulationResult:
    """Result of a scenario from the runs of its candidates, one a seed."""
    everyone: dict[str, Any] = {**scenario.candidates, **scenario.peers}
    candidates = [_candidate(scenario, name, everyone[name], runs[name]) for name in everyone]
    scores = {name for candidate in candidates for name in candidate.scores}
    main = scenario.main_score or MAIN_SCORES[scenario.kind]
    if main not in scores:
        raise ConfigError(
            f"`main_score` is {main!r}: expected one of {', '.join(sorted(scores))}.", did_you_mean(main, scores)
        )
    bars = [
        bar
        for candidate in candidates
        if not candidate.is_peer
        for bar in judge(
            scenario.fail_if, candidate.name, candidate.scores, scenario.expected_failures.get(candidate.name, "")
        )
    ]
    return SimulationResult(
        name=scenario.name,
        stresses=scenario.stresses,
        command=command,
        version=edgedescent.__version__,
        scenario=table_of(scenario),
        kind=scenario.kind,
        seed=scenario.seed,
        n_seeds=scenario.n_seeds,
        n_events=next(iter(runs.values()))[0].n_events,
        window=scenario.window,
        main_score=main,
        lower_is_better=lower_is_better(main) is not False,
        marks=[ResultMark(mark.kind, mark.label, mark.start, mark.end) for mark in scenario.marks()],
        candidates=candidates,
        comparison=differences(candidates, main),
        bars=bars,
    )


def _candidate(scenario: Scenario, name: str, candidate: Any, runs: Sequence[CandidateRun]) -> CandidateResult:
    first = runs[0]
    is_peer = name in scenario.peers
    return CandidateResult(
        name=name,
        learner=changed(candidate),
        is_peer=is_peer,
        is_repeatable=candidate.is_repeatable if is_peer else True,
        scores={score: interval([run.scores.get(score) for run in runs]) for score in first.scores},
        curve=first.curve,
        recoveries=[
            Recovery(
                mark=recovery.mark,
                scores={
                    score: interval([run.recoveries[place].scores.get(score) for run in runs])
                    for score in recovery.scores
                },
                run=recovery.run,
                twin=recovery.twin,
            )
            for place, recovery in enumerate(first.recoveries)
        ],
        alarms=first.alarms,
    )


def interval(by_seed: Sequence[float | None]) -> Interval:
    """A score over the seeds. Where it does not exist on one seed, it does not exist over all."""
    values = [None if value is None or not math.isfinite(value) else float(value) for value in by_seed]
    if any(value is None for value in values):
        return Interval(None, by_seed=list(values))
    known = [value for value in values if value is not None]
    if len(known) == 1:
        return Interval(known[0], by_seed=list(values))
    estimate = bootstrap_interval(known)
    return Interval(estimate.mean, estimate.low, estimate.high, list(values))


def differences(candidates: Sequence[CandidateResult], score: str) -> list[Difference]:
    """Paired differences of a score over the seeds, of every two candidates that have it."""
    found = []
    for first, second in itertools.combinations([each for each in candidates if score in each.scores], 2):
        pairs = [
            (a, b)
            for a, b in zip(first.scores[score].by_seed, second.scores[score].by_seed, strict=True)
            if a is not None and b is not None
        ]
        if not pairs:
            continue
        ours, theirs = [a for a, _ in pairs], [b for _, b in pairs]
        if len(pairs) == 1:
            difference, p_value = Interval(ours[0] - theirs[0], by_seed=[ours[0] - theirs[0]]), None
        else:
            paired = paired_difference(ours, theirs)
            by_seed: list[float | None] = [a - b for a, b in pairs]
            difference = Interval(paired.difference.mean, paired.difference.low, paired.difference.high, by_seed)
            p_value = paired.p_value
        found.append(Difference(first.name, second.name, score, difference, p_value))
    return found


def _timings(runs: Mapping[str, Iterable[CandidateRun]]) -> list[Timing]:
    timings = []
    for name, of_candidate in runs.items():
        each = list(of_candidate)
        mean = sum(run.us_per_event for run in each) / len(each)
        timings.append(Timing(name, mean, each[0].state_bytes))
    return timings
