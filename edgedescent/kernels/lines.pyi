from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer, disjoint_base

from edgedescent.kernels.features import FeatureKernel

@disjoint_base
class LineReader: ...

def learn_lines(
    kernel: FeatureKernel, text: Buffer, decode: Callable[[bytes], tuple[dict[str, Any], Any]]
) -> NDArray[np.float64]: ...
def plain_event(line: Buffer) -> tuple[list[tuple[str, float]], float] | None: ...
