from typing import final

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from edgedescent.errors import InvalidEventError

@final
@disjoint_base
class Quarantine:
    enabled: bool
    @property
    def n_lifted(self) -> int: ...
    def __init__(self, enabled: bool = True) -> None: ...
    def save(self) -> NDArray[np.float64]: ...
    def restore(self, values: NDArray[np.float64]) -> None: ...

def absurd_label(quarantine: Quarantine, y: float) -> InvalidEventError: ...
def flood_of_names(quarantine: Quarantine, n_new: int) -> InvalidEventError: ...
