"""Output of adaptation.py: tables for people, JSON for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bars import Bar, Measure, Outcome, finite, geometric_mean, outlier_ratios, ratios
from contestants import BUDGETS
from costs import Costs
from harness import columns
from trials import Score

OURS = (*(f"AutoRegressor, {budget}" for budget in BUDGETS), "MLPRegressor", "LinearRegressor")


@dataclass(frozen=True)
class Report:
    """All that a run found."""

    outcomes: Sequence[Outcome]
    skipped: dict[str, str]
    """Reasons why streams are not among the outcomes."""
    bars: Sequence[Bar]
    costs: Costs | None
    seconds: dict[str, float]
    """Duration of each part."""
    ran_on: dict[str, str]
    again: str

    @property
    def lost_first(self) -> list[Outcome]:
        """The outcomes, first those that the default budget is worst at."""
        return sorted(self.outcomes, key=lambda one: one.ratio(OURS[0], "mae") or 0.0, reverse=True)

    @property
    def regressions(self) -> list[Outcome]:
        """The outcomes on streams of features, in the same order."""
        return [one for one in self.lost_first if one.recording.input_kind == "features"]


# --- For people -----------------------------------------------------------------------------------------------------


def as_text(report: Report) -> str:
    """Lay the report out: each stream, then the ratios, the costs and the verdicts."""
    parts = [stream_table(outcome) for outcome in report.lost_first]
    if report.regressions:
        parts += [ratio_table(report.regressions, "mae"), ratio_table(report.regressions, "rmse")]
    if any(outcome.outlying for outcome in report.regressions):
        parts.append(outlier_table(report.regressions))
    if report.costs is not None and report.costs.us_per_event:
        parts.append(cost_table(report.costs))
    if report.bars:
        named = f"bars, on {len(report.regressions)} streams of features, {len(report.skipped)} skipped"
        parts.append("\n".join([named, *(f"  {bar}" for bar in report.bars)]))
    return "\n\n".join([*parts, "\n".join(origin(report))])


def origin(report: Report) -> Iterator[str]:
    """Lines on what was left out, how long it took, and how to repeat it."""
    for stream, reason in report.skipped.items():
        yield f"skipped: {stream}, because {reason}"
    everywhere = {}
    for outcome in report.outcomes:
        for learner, reason in outcome.left_out.items():
            everywhere.setdefault((learner, reason), []).append(outcome.recording.name)
    for (learner, reason), streams in everywhere.items():
        where = "" if len(streams) == len(report.outcomes) else f" on {', '.join(streams)}"
        yield f"left out: {learner}, because {reason}{where}"
    reused = sum(score.from_cache for outcome in report.outcomes for score in outcome.scores)
    if reused:
        yield f"from the cache: {reused} results of peers on the same events"
    yield "took: " + ", ".join(f"{part} {seconds:.0f} s" for part, seconds in report.seconds.items())
    yield "ran on: " + ", ".join(f"{name} {value}" for name, value in report.ran_on.items())
    yield f"again: {report.again}"


def stream_table(outcome: Outcome) -> str:
    """Lay out a stream, the smallest error first."""
    lines = [("", "MAE", "RMSE", "MAE / best peer", "RMSE / best peer", "CPU µs/event")]
    for one in sorted(outcome.scores, key=lambda one: finite(one.mae)):
        name = one.learner if one.role == "peer" else f"* {one.learner}"
        compared = [shown(outcome.ratio(one.learner, measure)) for measure in ("mae", "rmse")]
        lines.append((name, f"{one.mae:.4g}", f"{one.rmse:.4g}", *compared, f"{one.us_per_event:.1f}"))
    return f"{outcome.recording.name}, {outcome.events:,} events (* ours)\n{columns(lines)}"


def ratio_table(outcomes: Sequence[Outcome], measure: Measure) -> str:
    """Lay out the ratios of ours to the best peer on all streams, the lost ones first."""
    lines = [(f"{measure.upper()} over the best peer's", "best peer", "", *OURS)]
    for outcome in sorted(outcomes, key=lambda one: one.ratio(OURS[0], measure) or 0.0, reverse=True):
        best = outcome.best_peer(measure)
        named = ("", "") if best is None else (best.learner, f"{getattr(best, measure):.4g}")
        lines.append((outcome.recording.name, *named, *(shown(outcome.ratio(one, measure)) for one in OURS)))
    found = [list(ratios(outcomes, one, measure).values()) for one in OURS]
    lines.append(("geometric mean", "", "", *(shown(geometric_mean(each) if each else None) for each in found)))
    lines.append(("worst", "", "", *(shown(max(each, default=None)) for each in found)))
    return columns(lines)


def outlier_table(outcomes: Sequence[Outcome]) -> str:
    """Lay out what outlying labels cost ours, as ratios to the MAE with clean labels."""
    found = {one: outlier_ratios(outcomes, one) for one in OURS}
    lines = [("MAE with outlying labels over that without", *OURS)]
    lines += [
        (outcome.recording.name, *(shown(found[one].get(outcome.recording.name)) for one in OURS))
        for outcome in outcomes
        if outcome.outlying
    ]
    lines.append(
        ("geometric mean", *(shown(geometric_mean(each.values()) if each else None) for each in found.values()))
    )
    return columns(lines)


def cost_table(costs: Costs) -> str:
    """Lay out the costs of the learners, in turn in one run."""
    learners = next(iter(costs.us_per_event.values()))
    lines = [("CPU µs/event, medians of runs in turn", *(f"{one}, over {costs.base}" for one in costs.us_per_event))]
    for learner in learners:
        cells = (f"{each[learner]:.1f}, {each[learner] / each[costs.base]:.3f}" for each in costs.us_per_event.values())
        lines.append((learner, *cells))
    if costs.base != "MLPRegressor 0.1.0":
        lines.append(("without --baseline the ratios are to today's MLPRegressor", *("" for _ in costs.us_per_event)))
    return columns(lines)


def shown(ratio: float | None) -> str:
    """A ratio with three decimals; a large one as a power of ten."""
    if ratio is None:
        return ""
    return f"{ratio:.3f}" if ratio < 1000 else f"{ratio:.1e}"


# --- For programs ---------------------------------------------------------------------------------------------------


def as_json(report: Report) -> str:
    """Write the same for programs, on one line."""
    return json.dumps(
        {
            "passed": all(bar.passed for bar in report.bars),
            "ran_on": report.ran_on,
            "again": report.again,
            "seconds": {part: round(seconds, 1) for part, seconds in report.seconds.items()},
            "skipped": report.skipped,
            "bars": [
                {
                    "bar": bar.name,
                    "reached": rounded(bar.reached),
                    "at_most": bar.at_most,
                    "stream": bar.where or None,
                    "passed": bar.passed,
                }
                for bar in report.bars
            ],
            "streams": [stream_values(outcome) for outcome in report.lost_first],
            "costs": None
            if report.costs is None
            else {"base": report.costs.base, "us_per_event": report.costs.us_per_event},
        },
        ensure_ascii=False,
    )


def stream_values(outcome: Outcome) -> dict[str, object]:
    """One stream as JSON has it."""
    return {
        "stream": outcome.recording.name,
        "kind": outcome.recording.input_kind,
        "events": outcome.events,
        "left_out": outcome.left_out,
        "learners": [learner_values(outcome, one) for one in outcome.scores],
        "outlying_labels": [
            {"name": one.learner, "mae": rounded(one.mae), "rmse": rounded(one.rmse)} for one in outcome.outlying
        ],
    }


def learner_values(outcome: Outcome, one: Score) -> dict[str, object]:
    """One learner on one stream as JSON has it."""
    return {
        "name": one.learner,
        "role": one.role,
        "mae": rounded(one.mae),
        "rmse": rounded(one.rmse),
        "mae_over_best_peer": rounded(outcome.ratio(one.learner, "mae")),
        "rmse_over_best_peer": rounded(outcome.ratio(one.learner, "rmse")),
        "us_per_event": rounded(one.us_per_event),
        "from_cache": one.from_cache,
        "mae_over_time": [rounded(value) for value in one.curve],
    }


def rounded(value: float | None) -> float | None:
    """The value with five significant digits; None where it is not finite, because JSON has no infinity."""
    return float(f"{value:.5g}") if value is not None and math.isfinite(value) else None
