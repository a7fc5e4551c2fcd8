"""Prediction intervals that hold a given share of the targets: adaptive conformal inference.

`PredictionIntervals` needs predictions and targets alone, so it serves every regressor. Intervals of scores, which say
how sure a mean of errors is, are in `edgedescent.evaluation`.
"""

from edgedescent.conformal._prediction_intervals import PredictionIntervals

__all__ = ["PredictionIntervals"]
