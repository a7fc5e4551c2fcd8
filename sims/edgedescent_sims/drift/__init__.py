"""Drifts: changes of a stream from one regime to another.

A new drift is one file with a class derived from `Drift`, and a line that exports it.
"""

from __future__ import annotations

from edgedescent.registry import Registry, exported
from edgedescent_sims.drift.base import Drift
from edgedescent_sims.drift.category_swap import CategorySwap
from edgedescent_sims.drift.covariate_scale import CovariateScale
from edgedescent_sims.drift.covariate_shift import CovariateShift
from edgedescent_sims.drift.fad import Fad
from edgedescent_sims.drift.feature_swap import FeatureSwap
from edgedescent_sims.drift.interaction_appears import InteractionAppears
from edgedescent_sims.drift.item_launch import ItemLaunch
from edgedescent_sims.drift.label_bias import LabelBias
from edgedescent_sims.drift.label_delay_change import LabelDelayChange
from edgedescent_sims.drift.label_noise import LabelNoise
from edgedescent_sims.drift.label_unit import LabelUnit
from edgedescent_sims.drift.marked_drift import MarkedDrift
from edgedescent_sims.drift.popularity_feedback import PopularityFeedback
from edgedescent_sims.drift.sensor_presence import SensorAppears, SensorLost
from edgedescent_sims.drift.sensor_replaced import SensorReplaced
from edgedescent_sims.drift.sign_flip import SignFlip
from edgedescent_sims.drift.taste_shift import TasteShift
from edgedescent_sims.drift.user_churn import UserChurn
from edgedescent_sims.drift.weight_change import WeightChange

__all__ = [
    "DRIFTS",
    "CategorySwap",
    "CovariateScale",
    "CovariateShift",
    "Drift",
    "Fad",
    "FeatureSwap",
    "InteractionAppears",
    "ItemLaunch",
    "LabelBias",
    "LabelDelayChange",
    "LabelNoise",
    "LabelUnit",
    "MarkedDrift",
    "PopularityFeedback",
    "SensorAppears",
    "SensorLost",
    "SensorReplaced",
    "SignFlip",
    "TasteShift",
    "UserChurn",
    "WeightChange",
]

DRIFTS: Registry[type[Drift]] = Registry(
    "drift", "edgedescent.drifts", exported(__name__, globals(), Drift), base=Drift
)
"""Drifts by name."""
