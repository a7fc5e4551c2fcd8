from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

@disjoint_base
class UserHabits:
    def __init__(self, rows: int) -> None: ...
    def save(self, rows: int) -> dict[str, Any]: ...
    def restore(self, habits: NDArray[np.float64], rows: int, n_events: int) -> None: ...
