from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from edgedescent.optim import Optimizer

@disjoint_base
class SingleTable:
    @property
    def rows(self) -> int: ...
    @property
    def width(self) -> int: ...
    def __init__(self, optimizer: Optimizer, width: int, rows: int) -> None: ...
    def save(self, rows: int) -> list[NDArray[np.float64]]: ...
    def restore(self, arrays: list[NDArray[Any]]) -> None: ...
