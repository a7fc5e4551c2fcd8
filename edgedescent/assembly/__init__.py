"""Assembly: from what devices publish to events, with features fused from many topics, derived features and labels."""

from typing import TYPE_CHECKING

from edgedescent.lazy import imported_when_used

if TYPE_CHECKING:
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
    from edgedescent.assembly.input_spec import InputSpec
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

# A device of whole events needs none of them.
_MODULES = {
    "Assembler": "edgedescent.assembly.assembler",
    "AssemblySettings": "edgedescent.assembly.settings",
    "AssemblySpec": "edgedescent.assembly.settings",
    "Calendar": "edgedescent.assembly.derived",
    "DERIVED": "edgedescent.assembly.derived",
    "Derived": "edgedescent.assembly.derived",
    "DerivedState": "edgedescent.assembly.derived",
    "Deriver": "edgedescent.assembly.deriver",
    "Difference": "edgedescent.assembly.derived",
    "Dropped": "edgedescent.assembly.rows",
    "ExponentialMean": "edgedescent.assembly.derived",
    "Holidays": "edgedescent.assembly.derived",
    "InputSpec": "edgedescent.assembly.input_spec",
    "LabelSpec": "edgedescent.assembly.labels",
    "Lag": "edgedescent.assembly.derived",
    "Product": "edgedescent.assembly.derived",
    "Ratio": "edgedescent.assembly.derived",
    "Rolling": "edgedescent.assembly.derived",
    "Row": "edgedescent.assembly.rows",
    "TimeSince": "edgedescent.assembly.derived",
    "Unusable": "edgedescent.assembly.labels",
    "check": "edgedescent.assembly.settings",
    "encode_row": "edgedescent.assembly.rows",
}

__getattr__ = imported_when_used(__name__, _MODULES)
