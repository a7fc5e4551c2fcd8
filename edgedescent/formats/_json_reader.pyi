from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Buffer, disjoint_base

from edgedescent.learners._feature_learner import CompiledFeatureLearner

@disjoint_base
class JsonReader: ...

def learn_lines(
    kernel: CompiledFeatureLearner, text: Buffer, decode: Callable[[bytes], tuple[dict[str, Any], Any]]
) -> NDArray[np.float64]: ...
def plain_event(line: Buffer) -> tuple[list[tuple[str, float]], float] | None: ...
