from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from edgedescent.ensemble._event_ring import EventRing
from edgedescent.ensemble._inputs import InputBuffer
from edgedescent.losses import Loss

@disjoint_base
class BoostedTrees:
    @property
    def size(self) -> int: ...
    @property
    def n_trees_max(self) -> int: ...
    @property
    def fit_every(self) -> int: ...
    @property
    def n_fitted(self) -> int: ...
    def __init__(self, size: int, n_trees_max: int, fit_every: int, seed: int, loss: Loss) -> None: ...
    def predict_one(
        self, buffer: InputBuffer, base: float, mean: float, deviation: float, change: float, mixed: float
    ) -> float: ...
    def learn_one(
        self,
        ring: EventRing,
        buffer: InputBuffer,
        base: float,
        mean: float,
        deviation: float,
        change: float,
        mixed: float,
        y: float,
    ) -> None: ...
    def trees(self) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float64]]: ...
    def save(self, ring: EventRing) -> dict[str, Any]: ...
    def restore(self, state: dict[str, Any], ring: EventRing) -> None: ...
