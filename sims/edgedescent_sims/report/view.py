"""Findings that a report shows of a result: the best candidate, the worst recovery, the state of the bars."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from edgedescent_sims.report.figures import (
    COUNTS,
    DASH,
    NOT_RECOVERED,
    RECOVERY_SCORES,
    SIGNIFICANT_BELOW,
    USUAL_SCORES,
    figure,
    recovery_text,
    score_name,
)
from edgedescent_sims.result import Bar, CandidateResult, Difference, Interval, SimulationResult, lower_is_better

BarState = Literal["held", "failed", "expected", "surprise"]
BAR_STATES: dict[BarState, str] = {
    "held": "held",
    "failed": "failed",
    "expected": "failed, as expected",
    "surprise": "held, though a failure was expected",
}


def bar_state(bar: Bar) -> BarState:
    """State of a bar: ``failed`` and ``surprise`` are failures of the run."""
    if bar.failed:
        return "expected" if bar.expected else "failed"
    return "surprise" if bar.expected else "held"


def bar_value(bar: Bar) -> str:
    """Text of the value that a bar judges; in words where it is a recovery that did not end."""
    score = re.match(r"\w*", bar.expression)
    if bar.value is None and score and score[0] in COUNTS:
        return NOT_RECOVERED
    return figure(bar.value)


def bar_counts(bars: Iterable[Bar]) -> dict[BarState, int]:
    """Number of bars in each state, in the order of `BAR_STATES`; states without any are left out."""
    counts = Counter(bar_state(bar) for bar in bars)
    return {state: counts[state] for state in BAR_STATES if counts[state]}


def main_value(result: SimulationResult, candidate: CandidateResult) -> float | None:
    """Main score of a candidate, None if it has none."""
    score = candidate.scores.get(result.main_score)
    return score.value if score else None


def ranked(result: SimulationResult, *, is_peer: bool | None = None) -> list[CandidateResult]:
    """Candidates that have a main score, the best first; only peers or only others if asked for."""
    known = [c for c in result.candidates if is_peer in {None, c.is_peer} and main_value(result, c) is not None]
    sign = 1.0 if result.lower_is_better else -1.0
    return sorted(known, key=lambda candidate: sign * (main_value(result, candidate) or 0.0))


def is_best(result: SimulationResult, candidate: CandidateResult) -> bool:
    """Return whether no other candidate or peer has a better main score."""
    best = ranked(result)
    return bool(best) and candidate.name == best[0].name


@dataclass(frozen=True)
class WorstRecovery:
    """Longest recovery of a result's candidates from any of its drifts."""

    text: str
    candidate: str
    drift: str
    events: float | None
    """None if it did not end."""


def worst_recovery(result: SimulationResult) -> WorstRecovery | None:
    """Longest recovery of the candidates, peers left out; None if there is no drift."""
    found: list[WorstRecovery] = []
    for candidate in result.candidates:
        if candidate.is_peer:
            continue
        for recovery in candidate.recoveries:
            score = recovery.scores.get("recovery")
            if score is not None:
                text, label = recovery_text("recovery", score), result.marks[recovery.mark].label
                found.append(WorstRecovery(text, candidate.name, label, score.value))
    return max(found, key=lambda worst: float("inf") if worst.events is None else worst.events, default=None)


def headline(result: SimulationResult) -> str:
    """One sentence on the best candidate, and how far it is from the best peer."""
    best, peers = ranked(result, is_peer=False), ranked(result, is_peer=True)
    if not best:
        return ""
    first = best[0]
    value = main_value(result, first) or 0.0
    name = score_name(result.main_score)
    text = f"{first.name} is the best candidate: {name} {figure(value)}"
    if not peers:
        return f"{text}."
    peer_value = main_value(result, peers[0]) or 0.0
    peer = f"the best peer, {peers[0].name} ({figure(peer_value)})"
    if peer_value == 0:
        return f"{text}; {peer}."
    change = (value - peer_value) / abs(peer_value)
    if abs(change) < 0.0005:
        return f"{text}, equal to {peer}."
    return f"{text}, {abs(change):.1%} {'below' if change < 0 else 'above'} {peer}."


def verdict(result: SimulationResult, difference: Difference) -> tuple[str, str]:
    """Conclusion of a comparison, and a class of its appearance: ``first``, ``second`` or ``none``."""
    value = difference.difference.value
    if difference.p_value is None or value is None:
        return "one seed, no test", "none"
    if difference.p_value >= SIGNIFICANT_BELOW or value == 0:
        return "no significant difference", "none"
    lower = result.lower_is_better if difference.score == result.main_score else lower_is_better(difference.score)
    if lower is None:
        return "significant difference", "none"
    first_wins = (value < 0) == lower
    return f"{difference.first if first_wins else difference.second} is better", "first" if first_wins else "second"


def score_columns(result: SimulationResult) -> list[str]:
    """Names of the scores of the whole run: the main one first, then the usual ones, then the others by name."""
    names = {name for candidate in result.candidates for name in candidate.scores}.difference(RECOVERY_SCORES)
    usual = [name for name in (result.main_score, *USUAL_SCORES) if name in names]
    return list(dict.fromkeys([*usual, *sorted(names)]))


def chart_text(result: SimulationResult) -> str:
    """Text alternative of the chart of a result."""
    span = f"over {result.n_events:,} events, mean of {result.window:,} events"
    parts = [f"Windowed error of {len(result.candidates)} candidates {span}."]
    ends = [(c.name, next((v for v in reversed(c.curve.value) if v is not None), None)) for c in result.candidates]
    parts.append("At the end: " + ", ".join(f"{name} {figure(value)}" for name, value in ends) + ".")
    parts += [f"{mark.kind.capitalize()} {mark.label} at event {mark.start:,}." for mark in result.marks]
    return " ".join(parts)


def interval_plot(result: SimulationResult, difference: Difference) -> dict[str, float] | None:
    """Places of a difference's mean and interval on a line from 0 to 100 with zero in the middle, None without any.

    All differences of a result share the scale.
    """
    ends = [
        abs(value)
        for other in result.comparison
        if other.score == difference.score
        for value in (other.difference.low, other.difference.high, other.difference.value)
        if value is not None
    ]
    widest = max(ends, default=0.0)
    if widest == 0 or difference.difference.value is None:
        return None
    score = difference.difference

    def place(value: float | None) -> float:
        return round(50 + 48 * (score.value if value is None else value) / widest, 2)  # type: ignore[operator]

    return {"low": place(score.low), "mean": place(score.value), "high": place(score.high)}


def anchors(results: Sequence[SimulationResult]) -> list[str]:
    """Names of the sections of a report, each once, for links to them."""
    used: Counter[str] = Counter()
    names = []
    for result in results:
        stem = "scenario-" + (re.sub(r"[^a-z0-9]+", "-", result.name.lower()).strip("-") or "unnamed")
        used[stem] += 1
        names.append(stem if used[stem] == 1 else f"{stem}.{used[stem]}")
    return names


def overview_columns(results: Sequence[SimulationResult]) -> list[str]:
    """Names of all candidates that are no peers, in the order in which they are met."""
    return list(dict.fromkeys(c.name for result in results for c in result.candidates if not c.is_peer))


def candidate_named(result: SimulationResult, name: str) -> CandidateResult | None:
    """Candidate of a result by its name, None if there is none."""
    return next((candidate for candidate in result.candidates if candidate.name == name), None)


def spark_of(result: SimulationResult) -> dict[str, Any]:
    """Curve of the best candidate, places of the drifts as shares of the stream, and a description."""
    best = [*ranked(result, is_peer=False), *result.candidates]
    if not best:
        return {"values": [], "marks": [], "label": ""}
    curve = best[0].curve
    known = [value for value in curve.value if value is not None]
    last = curve.number[-1] if curve.number else 1
    label = f"error of {best[0].name}: from {figure(known[0])} to {figure(known[-1])}" if known else DASH
    marks = [mark.start / last for mark in result.marks if mark.kind == "drift"]
    return {"values": curve.value, "marks": marks, "label": label}


def recovery_columns(result: SimulationResult) -> list[str]:
    """Names of the scores of the recoveries: the usual ones, then the others by name."""
    names = {name for c in result.candidates for recovery in c.recoveries for name in recovery.scores}
    usual = [name for name in RECOVERY_SCORES if name in names]
    return [*usual, *sorted(names.difference(usual))]


def recovery_rows(result: SimulationResult) -> list[tuple[int, CandidateResult, dict[str, Interval]]]:
    """Rows of the table of recoveries: index of the drift, candidate and scores, by drift and then candidate."""
    rows = [
        (recovery.mark, candidate, recovery.scores)
        for candidate in result.candidates
        for recovery in candidate.recoveries
    ]
    return sorted(rows, key=lambda row: row[0])
