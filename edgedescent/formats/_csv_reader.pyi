import numpy as np
from numpy.typing import NDArray

def read_rows(
    text: bytes, start: int, delimiter: int, is_read: bytes, columns: NDArray[np.float64]
) -> tuple[int, int]: ...
