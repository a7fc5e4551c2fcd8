from typing import Any

from typing_extensions import disjoint_base

from edgedescent.features._encoder import Encoder
from edgedescent.features._scaler import Scaler
from edgedescent.learners._feature_model import FeatureModel
from edgedescent.learners._replay_buffer import ReplayBuffer
from edgedescent.numerics._agreement import Agreement
from edgedescent.optim._average_rate import AverageRate
from edgedescent.optim._stepper import Stepper

@disjoint_base
class GradientModel(FeatureModel):
    @property
    def target(self) -> Scaler: ...
    @property
    def stepper(self) -> Stepper: ...
    @property
    def replay_buffer(self) -> ReplayBuffer: ...
    @property
    def agreement(self) -> Agreement: ...
    @property
    def average_rate(self) -> AverageRate | None: ...
    @property
    def loss_scale(self) -> float: ...
    def __init__(self, encoder: Encoder, parameters: Any) -> None: ...
