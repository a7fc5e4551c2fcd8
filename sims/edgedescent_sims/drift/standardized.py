"""Standardized features: parameters and values that concept drifts share."""

from __future__ import annotations

from typing import Annotated, cast

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edgedescent_sims.sources.batch import Batch

Columns = tuple[str, ...]
Centers = Annotated[tuple[float, ...], Meta(description="Center of each; the means of the first 1000 events if empty")]
Scales = Annotated[
    tuple[Annotated[float, Meta(gt=0)], ...],
    Meta(description="Scale of each; the standard deviations of the first 1000 events if empty"),
]


def standardized(batch: Batch, name: str, center: float, scale: float) -> NDArray[np.float64]:
    """Values (x - center) / scale of a feature; 0, which is its center, where it is missing."""
    z = (numbers(batch, name) - center) / scale
    return np.nan_to_num(z, copy=False, nan=0.0, posinf=np.inf, neginf=-np.inf)


def numbers(batch: Batch, name: str) -> NDArray[np.float64]:
    """Column of numbers."""
    return cast("NDArray[np.float64]", batch.column(name))
