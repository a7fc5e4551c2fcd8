from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

@disjoint_base
class ReplayBuffer:
    @property
    def size(self) -> int: ...
    @property
    def held(self) -> int: ...
    @property
    def n_values(self) -> int: ...
    @property
    def n_cells(self) -> int: ...
    @property
    def cells_max(self) -> int: ...
    @property
    def n_pushed(self) -> int: ...
    def __init__(self, size: int, seed: int) -> None: ...
    def save(self) -> dict[str, NDArray[Any]]: ...
    def restore(
        self,
        rows: NDArray[np.int64],
        values: NDArray[np.float64],
        targets: NDArray[np.float64],
        lengths: NDArray[np.int64],
        times: NDArray[np.int64],
        draws: NDArray[np.uint64],
        rows_max: int,
    ) -> None: ...
