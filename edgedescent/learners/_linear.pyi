from typing import Any

from typing_extensions import disjoint_base

from edgedescent.learners._feature_model import FeatureModel
from edgedescent.losses import Loss
from edgedescent.optim import Optimizer
from edgedescent.optim._parameter_table import ParameterTable

@disjoint_base
class LinearModel(FeatureModel):
    @property
    def weights(self) -> ParameterTable: ...
    def _set_up(self, optimizer: Optimizer, loss: Loss, **shared: Any) -> None: ...
    def _save(self) -> dict[str, Any]: ...
    def _restore(self, **state: Any) -> None: ...
