"""Faults: disturbances of what arrives.

A new fault is one file with a class derived from `Fault`, and a line in `FAULTS`.
"""

from __future__ import annotations

from edgedescent.registry import Registry
from edgedescent_sims.faults.base import Fault

__all__ = ["FAULTS", "Fault"]

FAULTS: Registry[type[Fault]] = Registry("fault", "edgedescent.faults", {}, base=Fault)
"""Faults by name."""
