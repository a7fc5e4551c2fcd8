"""Drifts: changes of a stream from one regime to another.

A new drift is one file with a class derived from `Drift`, and a line in `DRIFTS`.
"""

from __future__ import annotations

from edgedescent.registry import Registry
from edgedescent_sims.drift.base import Drift

__all__ = ["DRIFTS", "Drift"]

DRIFTS: Registry[type[Drift]] = Registry("drift", "edgedescent.drifts", {}, base=Drift)
"""Drifts by name."""
