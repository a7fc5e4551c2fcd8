import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import disjoint_base

from edgedescent.optim import Optimizer

@disjoint_base
class Stepper:
    @property
    def optimizer(self) -> Optimizer: ...
    @property
    def n_undone(self) -> int: ...
    def __init__(self, optimizer: Optimizer, l1: float = 0.0) -> None: ...
    def save(self) -> NDArray[np.float64]: ...
    def restore(self, values: NDArray[np.float64]) -> None: ...

def run_steps(
    optimizer: Optimizer,
    gradients: ArrayLike,
    start: ArrayLike,
    l1: float = 0.0,
    slopes: ArrayLike | None = None,
    losses: ArrayLike | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]: ...
