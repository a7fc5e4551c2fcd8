"""Text of scores: numbers with three to four significant digits, intervals, names, and which direction is better."""

from __future__ import annotations

import math

from edgedescent_sims.result import Interval, Number

DASH = "\u2013"
"""Shown where there is no number."""
NOT_RECOVERED = "not within the horizon"
"""Shown where a recovery did not end before the horizon."""
SIGNIFICANT_BELOW = 0.05

USUAL_SCORES = ("mae", "rmse", "r2", "mase", "ndcg", "recall", "hit_rate", "coverage", "novelty", "mae_recent")
"""Scores that tables show first, in this order; a result that was read from JSON has its scores by name."""
RECOVERY_SCORES = (
    "recovery",
    "hit_recovery",
    "duration",
    "max_performance_loss",
    "regret",
    "early_mae",
    "early_mae_twin",
)
"""Scores of a recovery, in the order of tables; of the whole run they are the worst of its drifts."""
COUNTS = frozenset({"recovery", "hit_recovery", "duration"})
"""Recovery scores that are numbers of events; they have no value where the recovery did not end."""

_NAMES = {"recovery": "to within 10 %", "hit_recovery": "hits to within 10 %", "max_performance_loss": "largest loss"}
_CAPITALS = {"mae": "MAE", "rmse": "RMSE", "mase": "MASE", "r2": "R²", "ndcg": "NDCG"}


def figure(value: Number) -> str:
    """Text of a number with four significant digits, a dash if there is none.

    Whole numbers below a million are not rounded.

    Example:
        >>> figure(0.25), figure(12.3456), figure(13406.7), figure(3), figure(2.5e-7)
        ('0.2500', '12.35', '13,407', '3', '2.50e-7')
    """
    if value is None or not math.isfinite(value):
        return DASH
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e6 or size < 1e-3:
        digits, _, exponent = f"{value:.2e}".partition("e")
        return f"{digits}e{int(exponent)}"
    if float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:,.{max(0, 3 - math.floor(math.log10(size)))}f}"


def interval_text(score: Interval) -> str:
    """Text of the interval of a score, without its mean; empty if there is none.

    Example:
        >>> interval_text(Interval(0.25, 0.24, 0.2612))
        '0.2400 to 0.2612'
    """
    if score.low is None or score.high is None:
        return ""
    return f"{figure(score.low)} to {figure(score.high)}"


def recovery_text(name: str, score: Interval | None) -> str:
    """Text of a score of a recovery; in words where the recovery did not end.

    Example:
        >>> recovery_text("duration", Interval(None)), recovery_text("regret", Interval(12.0))
        ('not within the horizon', '12')
    """
    if name in COUNTS and score is not None and score.value is None:
        return NOT_RECOVERED
    return figure(score.value) if score is not None else DASH


def unfinished_text(name: str, score: Interval | None) -> str:
    """Text that counts the seeds whose recovery did not end; empty if that goes without saying.

    Example:
        >>> unfinished_text("duration", Interval(None, by_seed=[120.0, None, 150.0]))
        '1 of 3 seeds'
    """
    if name not in COUNTS or score is None or len(score.by_seed) < 2:
        return ""
    missing = score.by_seed.count(None)
    if missing == 0:
        return ""
    seeds = f"{missing} of {len(score.by_seed)} seeds"
    return seeds if score.value is None else f"{seeds} {NOT_RECOVERED}"


def p_value_text(p_value: Number) -> str:
    """Text of a probability.

    Example:
        >>> p_value_text(0.0312), p_value_text(0.0001)
        ('0.031', '< 0.001')
    """
    if p_value is None:
        return DASH
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def bytes_text(size: int | None) -> str:
    """Text of a size in memory.

    Example:
        >>> bytes_text(900), bytes_text(20_480), bytes_text(5_242_880)
        ('900 B', '20.0 KiB', '5.0 MiB')
    """
    if size is None:
        return DASH
    if size < 1024:
        return f"{size} B"
    return f"{size / 1024:.1f} KiB" if size < 1024**2 else f"{size / 1024**2:.1f} MiB"


def score_name(name: str) -> str:
    """Name of a score as people write it.

    Example:
        >>> score_name("mae"), score_name("recall_at_10"), score_name("ndcg_at_10"), score_name("hit_rate_at_5")
        ('MAE', 'recall@10', 'NDCG@10', 'hit rate@5')
    """
    if name in _NAMES:
        return _NAMES[name]
    stem, at, rest = name.partition("_at_")
    words = " ".join(_CAPITALS.get(word, word) for word in stem.split("_"))
    return f"{words}@{rest}" if at else words


def heading(name: str) -> str:
    """Name of a score that begins with a capital letter."""
    text = score_name(name)
    return text[0].upper() + text[1:]


def best_of(scores: list[Interval | None], lower: bool | None) -> float | None:
    """Best value of a column of scores; None if there is none, or all are equal, or neither direction is better."""
    values = [score.value for score in scores if score is not None and score.value is not None]
    if lower is None or len(set(values)) < 2:
        return None
    return min(values) if lower else max(values)
