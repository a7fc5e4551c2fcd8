from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from edgedescent.learners._feature_model import FeatureModel
from edgedescent.losses import Loss
from edgedescent.optim import Optimizer
from edgedescent.optim._parameter_table import ParameterTable

@disjoint_base
class MLPModel(FeatureModel):
    @property
    def layers(self) -> list[ParameterTable]: ...
    @property
    def skip(self) -> ParameterTable: ...
    @property
    def output(self) -> ParameterTable: ...
    @property
    def silence(self) -> NDArray[np.float64]: ...
    @property
    def n_restarts(self) -> int: ...
    def _set_up(self, hidden: Sequence[int], optimizer: Optimizer, loss: Loss, **shared: Any) -> None: ...
    def _save(self) -> dict[str, Any]: ...
    def _restore(self, **state: Any) -> None: ...
