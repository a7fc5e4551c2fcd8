from typing import Any

from typing_extensions import disjoint_base

from edgedescent.features._encoder import Encoder
from edgedescent.learners._gradient_model import GradientModel
from edgedescent.optim._parameter_table import ParameterTable

@disjoint_base
class LinearModel(GradientModel):
    @property
    def weights(self) -> ParameterTable: ...
    def __init__(self, encoder: Encoder, parameters: Any) -> None: ...
    def save(self) -> dict[str, Any]: ...
    def restore(self, state: dict[str, Any]) -> None: ...
