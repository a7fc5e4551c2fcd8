"""Scores of predictions on a stream, each defined once. ``docs/scores.md`` says what each tells."""

from typing import TYPE_CHECKING

from edgedescent.evaluation._prequential import Prequential
from edgedescent.lazy import imported_when_used

if TYPE_CHECKING:
    from edgedescent.evaluation.cost import CostMeter, resident_bytes, state_bytes
    from edgedescent.evaluation.curve import ErrorCurve
    from edgedescent.evaluation.detection import DetectionScores, detection_scores
    from edgedescent.evaluation.intervals import Interval, PairedDifference, bootstrap_interval, paired_difference
    from edgedescent.evaluation.optimum import OptimumRegret
    from edgedescent.evaluation.pointwise import (
        absolute_errors,
        covered,
        interval_scores,
        last_value_errors,
        quantile_losses,
        squared_errors,
        target_scale,
        widths,
    )
    from edgedescent.evaluation.ranking import PrequentialRanking, RankingScores
    from edgedescent.evaluation.recovery_scores import Recovery, error_floor, hit_recovery, recovery
    from edgedescent.evaluation.regression import RegressionScores
    from edgedescent.evaluation.windows import window_means

__all__ = [
    "CostMeter",
    "DetectionScores",
    "ErrorCurve",
    "Interval",
    "OptimumRegret",
    "PairedDifference",
    "Prequential",
    "PrequentialRanking",
    "RankingScores",
    "Recovery",
    "RegressionScores",
    "absolute_errors",
    "bootstrap_interval",
    "covered",
    "detection_scores",
    "error_floor",
    "hit_recovery",
    "interval_scores",
    "last_value_errors",
    "paired_difference",
    "quantile_losses",
    "recovery",
    "resident_bytes",
    "squared_errors",
    "state_bytes",
    "target_scale",
    "widths",
    "window_means",
]

# A daemon needs the first alone.
__getattr__ = imported_when_used(
    __name__,
    {
        name: f"{__name__}.{module}"
        for module, names in {
            "cost": ["CostMeter", "resident_bytes", "state_bytes"],
            "curve": ["ErrorCurve"],
            "detection": ["DetectionScores", "detection_scores"],
            "intervals": ["Interval", "PairedDifference", "bootstrap_interval", "paired_difference"],
            "optimum": ["OptimumRegret"],
            "pointwise": [
                "absolute_errors",
                "covered",
                "interval_scores",
                "last_value_errors",
                "quantile_losses",
                "squared_errors",
                "target_scale",
                "widths",
            ],
            "ranking": ["PrequentialRanking", "RankingScores"],
            "recovery_scores": ["Recovery", "error_floor", "hit_recovery", "recovery"],
            "regression": ["RegressionScores"],
            "windows": ["window_means"],
        }.items()
        for name in names
    },
)
