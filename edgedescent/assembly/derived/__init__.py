"""Derived features: lags, rolling statistics, calendar and arithmetic, each declared once and computed row by row."""

from edgedescent.assembly.derived.arithmetic import Product, Ratio
from edgedescent.assembly.derived.base import Derived, DerivedState
from edgedescent.assembly.derived.calendar import Calendar, Holidays
from edgedescent.assembly.derived.exponential_mean import ExponentialMean
from edgedescent.assembly.derived.lag import Difference, Lag
from edgedescent.assembly.derived.rolling import Rolling
from edgedescent.assembly.derived.time_since import TimeSince
from edgedescent.registry import Registry, exported

__all__ = [
    "DERIVED",
    "Calendar",
    "Derived",
    "DerivedState",
    "Difference",
    "ExponentialMean",
    "Holidays",
    "Lag",
    "Product",
    "Ratio",
    "Rolling",
    "TimeSince",
]

DERIVED: Registry[type[Derived]] = Registry(
    "derived feature", "edgedescent.derived", exported(__name__, globals(), Derived), base=Derived
)
