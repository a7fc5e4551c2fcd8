"""Jobs: runs of single candidates on single seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgedescent_sims.scenarios.scenario import Scenario
from edgedescent_sims.simulate.run import CandidateRun, run_candidate
from edgedescent_sims.simulate.tasks import Report


@dataclass(frozen=True)
class Job:
    """One candidate on one seed of one scenario."""

    scenario: Scenario
    candidate: str
    repetition: int

    def run(self, report: Report = lambda _events, _error: None) -> CandidateRun:
        """Run it, with seeds of its own.

        Args:
            report: Called about every 4096 events.
        """
        return run_candidate(self.scenario.seeded(self.repetition), self.candidate, report)


def jobs_of(scenarios: Sequence[Scenario]) -> list[Job]:
    """Runs of scenarios in order: each candidate and peer on each seed."""
    return [
        Job(scenario, name, repetition)
        for scenario in scenarios
        for repetition in range(scenario.n_seeds)
        for name in (*scenario.candidates, *scenario.peers)
    ]
