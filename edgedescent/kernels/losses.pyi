import numpy as np
from numpy.typing import NDArray

def gradients(
    name: str, hyper: tuple[float, ...], targets: NDArray[np.float64], predictions: NDArray[np.float64]
) -> list[float]: ...
