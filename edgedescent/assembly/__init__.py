"""Assembly: from what devices publish to events, with features fused from many topics, derived features and labels."""

from edgedescent.assembly.assembler import Assembler
from edgedescent.assembly.derived import (
    DERIVED,
    Calendar,
    Derived,
    DerivedState,
    Difference,
    ExponentialMean,
    Holidays,
    Lag,
    Product,
    Ratio,
    Rolling,
    TimeSince,
)
from edgedescent.assembly.deriver import Deriver
from edgedescent.assembly.inputs import InputSpec
from edgedescent.assembly.labels import LabelSpec, Unusable
from edgedescent.assembly.rows import Dropped, Row, encode_row
from edgedescent.assembly.settings import AssemblySettings, AssemblySpec, check

__all__ = [
    "DERIVED",
    "Assembler",
    "AssemblySettings",
    "AssemblySpec",
    "Calendar",
    "Derived",
    "DerivedState",
    "Deriver",
    "Difference",
    "Dropped",
    "ExponentialMean",
    "Holidays",
    "InputSpec",
    "LabelSpec",
    "Lag",
    "Product",
    "Ratio",
    "Rolling",
    "Row",
    "TimeSince",
    "Unusable",
    "check",
    "encode_row",
]
