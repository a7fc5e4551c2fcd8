"""Cost of the budgets of the automatic regressor, as ratios measured in turn in one run."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bars import COST_MAX, COST_OF_SGBR_MAX, Bar
from contestants import BUDGETS
from recordings import PREVIOUS, RECORDINGS
from trials import BEFORE, run_apart, without_previous

STREAMS = ("bike sharing", "taxi", "FriedmanDrift lea")
"""Streams that are timed: with 14, 6 and 10 features."""
NETWORK, SGBR = "MLPRegressor", "SGBR"


@dataclass(frozen=True)
class Timed:
    """A learner that is timed, in a process of its own.

    Args:
        name: as the table calls it.
        module: where its class is imported from.
        kind: its class.
        parameters: what the class gets.
        checkout: folder of the checkout in which it runs; None for this one.
    """

    name: str
    module: str
    kind: str
    parameters: dict[str, Any] = field(default_factory=dict)
    checkout: Path | None = None

    def us_per_event(self, events: Sequence[Any]) -> float:
        """Processor time per event of one run."""
        given = without_previous(events) if self.kind == "AutoRegressor" and PREVIOUS in events[0][0] else events
        answer = run_apart(self.checkout, self.module, self.kind, self.parameters, given)
        return float(answer["us_per_event"])


@dataclass
class Costs:
    """Microseconds per event of each learner on each stream, medians of interleaved runs."""

    us_per_event: dict[str, dict[str, float]]
    base: str
    """The learner that costs are ratios to."""

    def ratio(self, stream: str, learner: str, base: str) -> float:
        """The cost of a learner over that of another one."""
        costs = self.us_per_event[stream]
        return costs[learner] / costs[base]

    def bars(self) -> list[Bar]:
        """Bars on the ratios, each at the stream with the largest."""
        found = []
        for base, at_most in ((self.base, COST_MAX), (SGBR, dict.fromkeys(BUDGETS, COST_OF_SGBR_MAX))):
            for budget in BUDGETS:
                learner = f"AutoRegressor, {budget}"
                streams = [name for name, costs in self.us_per_event.items() if {learner, base} <= costs.keys()]
                if streams:
                    worst = max(streams, key=lambda name: self.ratio(name, learner, base))
                    reached = self.ratio(worst, learner, base)
                    found.append(Bar(f"{learner}, cost over {base}'s, worst", reached, at_most[budget], worst))
        return found


def timed(checkout: Path | None) -> list[Timed]:
    """The learners that are timed."""
    found = [Timed(f"AutoRegressor, {name}", "edgedescent", "AutoRegressor", {"budget": name}) for name in BUDGETS]
    found.append(Timed(NETWORK, "edgedescent", NETWORK))
    if checkout is not None:
        found.append(Timed(BEFORE, "edgedescent", NETWORK, checkout=checkout))
    if find_spec("samlb"):
        found.append(Timed(SGBR, "edgedescent_sims.peers", SGBR))
    return found


def measure(data: Path | None, checkout: Path | None, runs: int, n_events: int, on_run: Callable[[str], None]) -> Costs:
    """Time the learners in turn (A B C A B C …), `runs` times, on the streams that are there.

    A slow spell of the machine meets all of them. Time is that of the processor, so that other processes disturb less.
    """
    found: dict[str, dict[str, float]] = {}
    for recording in RECORDINGS:
        if recording.name not in STREAMS or recording.why_not(data):
            continue
        events = recording.events(data, n_events)
        times: dict[str, list[float]] = {one.name: [] for one in timed(checkout)}
        for run in range(runs):
            on_run(f"cost on {recording.name}, run {run + 1} of {runs}")
            for one in timed(checkout):
                times[one.name].append(one.us_per_event(events))
        found[recording.name] = {name: statistics.median(each) for name, each in times.items()}
    return Costs(found, BEFORE if checkout else NETWORK)
