from numpy.typing import ArrayLike
from typing_extensions import disjoint_base

@disjoint_base
class InputBuffer:
    def __init__(self, n_lags: int) -> None: ...
    def set(self, slots: ArrayLike, z: ArrayLike) -> None: ...
