from typing import Any

from typing_extensions import disjoint_base

from edgedescent.kernels.features import FeatureKernel
from edgedescent.kernels.parameters import ParameterTable
from edgedescent.losses import Loss
from edgedescent.optim import Optimizer

@disjoint_base
class LinearKernel(FeatureKernel):
    @property
    def weights(self) -> ParameterTable: ...
    def _set_up(self, optimizer: Optimizer, loss: Loss, **shared: Any) -> None: ...
    def _save(self) -> dict[str, Any]: ...
    def _restore(self, **state: Any) -> None: ...
