"""Drift detectors on the drifts of the scenario library: delay, missed drifts and false alarms of each.

Each watches the errors of one learner as the daemon watches them, with its defaults. An alarm within 1,000 events of a
drift finds it. A drift that makes no difference to the errors cannot be found, and is in the table all the same.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import click
from harness import command_line, environment

from edgedescent import LinearRegressor, MLPRegressor
from edgedescent.drift import DETECTORS
from edgedescent.evaluation import DetectionScores, detection_scores
from edgedescent_sims.scenarios import library
from edgedescent_sims.scenarios.scenario import Scenario
from edgedescent_sims.simulate.alarms import Alarms
from edgedescent_sims.simulate.progressive import ProgressiveRun

LEARNERS: dict[str, Any] = {"linear": LinearRegressor, "network": MLPRegressor}
WINDOW = 1000
SEEDS = 3


@dataclass(frozen=True)
class Row:
    """Alarms of one detector on one scenario, over all seeds."""

    scenario: str
    detector: str
    drifts: int
    missed: int
    delay: float | None
    """Mean number of events from a drift to its first alarm, over those that were found."""
    false_alarms: int
    events_without_change: int


def drifts_of(scenario: Scenario, n_events: int) -> list[tuple[int, int]]:
    return [(mark.start, mark.end) for mark in scenario.marks() if mark.kind == "drift" and 0 < mark.start < n_events]


def measure(name: str, learner: Any, seeds: int) -> list[Row]:
    found: dict[str, list[DetectionScores]] = {detector: [] for detector in DETECTORS.built_in}
    for repetition in range(seeds):
        scenario = library.load(name).seeded(repetition)
        watches: dict[str, Any] = {detector: Alarms(detector, scenario.seed) for detector in DETECTORS.built_in}  # type: ignore[arg-type]
        n_events = 0
        for scored in ProgressiveRun(scenario.stream, learner()):
            n_events = max(n_events, int(scored.number.max(initial=0)))
            for watch in watches.values():
                watch.update(scored)
        for detector, watch in watches.items():
            found[detector].append(
                detection_scores(watch.numbers, drifts_of(scenario, n_events), window=WINDOW, n_events=n_events)
            )
    return [row(name, detector, scores) for detector, scores in found.items()]


def row(scenario: str, detector: str, scores: list[DetectionScores]) -> Row:
    delays = [delay for each in scores for delay in each.delays]
    known = [delay for delay in delays if delay is not None]
    return Row(
        scenario,
        detector,
        drifts=len(delays),
        missed=delays.count(None),
        delay=sum(known) / len(known) if known else None,
        false_alarms=sum(each.false_alarms for each in scores),
        events_without_change=sum(each.events_without_change for each in scores),
    )


def total(rows: list[Row], detector: str) -> Row:
    mine = [row for row in rows if row.detector == detector]
    delays = [(row.delay, row.drifts - row.missed) for row in mine if row.delay is not None]
    n_found = sum(n for _, n in delays)
    return Row(
        "all",
        detector,
        drifts=sum(row.drifts for row in mine),
        missed=sum(row.missed for row in mine),
        delay=sum(delay * n for delay, n in delays) / n_found if n_found else None,
        false_alarms=sum(row.false_alarms for row in mine),
        events_without_change=sum(row.events_without_change for row in mine),
    )


def line(row: Row) -> str:
    delay = "" if row.delay is None else f"{row.delay:.0f}"
    rate = 1e4 * row.false_alarms / row.events_without_change if row.events_without_change else 0.0
    return (
        f"| {row.scenario} | {row.detector} | {row.drifts - row.missed} of {row.drifts} | {delay} | "
        f"{row.false_alarms} | {rate:.1f} |"
    )


@click.command()
@click.option("--learner", type=click.Choice(list(LEARNERS)), default="linear", help="Whose errors are watched.")
@click.option("--seeds", type=click.IntRange(min=1), default=SEEDS, help="Number of repetitions.")
@click.option("--quick", is_flag=True, help="One scenario and seed, for a smoke test.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(learner: str, seeds: int, quick: bool, as_json: bool) -> None:
    """Measure every detector on every drift of the library."""
    scenarios = [scenario for name in library.names() if (scenario := library.load(name)).kind == "features"]
    drifting = [each.name for each in scenarios if any(mark.kind == "drift" for mark in each.marks())]
    if quick:
        drifting, seeds = drifting[:1], 1
    rows = [row for name in drifting for row in measure(name, LEARNERS[learner], seeds)]
    rows += [total(rows, detector) for detector in DETECTORS.built_in]
    if as_json:
        print(json.dumps({**environment(("river",)), "command": command_line(), "rows": [asdict(row) for row in rows]}))
        return
    print("| scenario | detector | drifts found | events until the alarm | false alarms | in 10,000 without a change |")
    print("|---|---|---:|---:|---:|---:|")
    print("\n".join(map(line, rows)))


if __name__ == "__main__":
    main()
