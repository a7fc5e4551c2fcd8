"""Comparison of a result with an earlier one, score by score."""

from __future__ import annotations

from dataclasses import dataclass

from edgedescent.errors import ConfigError, did_you_mean
from edgedescent_sims.result import SimulationResult

COMPARED = {
    "mae": False,
    "rmse": False,
    "recovery": False,
    "hit_recovery": False,
    "max_performance_loss": False,
    "regret": False,
    "recall": True,
    "ndcg": True,
}
"""Scores that are compared, where both results have them, and whether more is better."""


@dataclass(frozen=True)
class ScoreChange:
    """Difference of one score of one candidate from the baseline."""

    candidate: str
    score: str
    before: float | None
    after: float | None
    is_worse: bool


def compare(result: SimulationResult, baseline: SimulationResult, tolerance: float) -> list[ScoreChange]:
    """Compare each candidate's scores with the baseline's; a score that ceased to exist is worse.

    Args:
        result: The new result.
        baseline: The earlier one, of the same scenario.
        tolerance: Relative difference up to which a score is not worse.

    Raises:
        ConfigError: If the baseline is of another scenario, or has none of the candidates.
    """
    if baseline.name != result.name:
        raise ConfigError(
            f"The baseline is a result of {baseline.name!r}, not of {result.name!r}.",
            did_you_mean(baseline.name, [result.name]),
        )
    before = {candidate.name: candidate for candidate in baseline.candidates if not candidate.is_peer}
    after = {candidate.name: candidate for candidate in result.candidates if not candidate.is_peer}
    if not before.keys() & after.keys():
        raise ConfigError(
            f"The baseline has none of the candidates {', '.join(after)}, but {', '.join(before) or 'none'}.",
            "Compare with a result of the same candidates.",
        )
    changes = []
    for name in [name for name in after if name in before]:
        for score, more_is_better in COMPARED.items():
            if score in before[name].scores and score in after[name].scores:
                old, new = before[name].scores[score].value, after[name].scores[score].value
                worse = _is_worse(old, new, more_is_better=more_is_better, tolerance=tolerance)
                changes.append(ScoreChange(name, score, old, new, worse))
    return changes


def _is_worse(old: float | None, new: float | None, *, more_is_better: bool, tolerance: float) -> bool:
    if old is None or new is None:
        return old is not None
    excess = old - new if more_is_better else new - old
    return excess > tolerance * abs(old)
