from collections.abc import Iterable, Mapping, Sequence
from typing import Any, SupportsFloat

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import disjoint_base

from edgedescent.features._encoder import Encoder
from edgedescent.features._scaler import Scaler
from edgedescent.learners._replay_buffer import ReplayBuffer
from edgedescent.losses import Loss
from edgedescent.optim import Optimizer
from edgedescent.optim._stepper import Stepper

@disjoint_base
class FeatureModel(Encoder):
    @property
    def inputs(self) -> Scaler: ...
    @property
    def target(self) -> Scaler: ...
    @property
    def stepper(self) -> Stepper: ...
    @property
    def replay_buffer(self) -> ReplayBuffer: ...
    @property
    def n_events(self) -> int: ...
    @property
    def n_skipped_targets(self) -> int: ...
    @property
    def n_skipped_values(self) -> int: ...
    @property
    def loss_scale(self) -> float: ...
    def predict_one(self, x: Mapping[str, Any]) -> float: ...
    def predict_learn_one(self, x: Mapping[str, Any], y: SupportsFloat) -> float: ...
    def learn_one(self, x: Mapping[str, Any], y: SupportsFloat) -> None: ...
    def learn_many(self, X: ArrayLike, y: ArrayLike, names: Iterable[str] | None = None) -> NDArray[np.float64]: ...
    def predict_many(self, X: ArrayLike, names: Iterable[str] | None = None) -> NDArray[np.float64]: ...
    def _set_up_features(
        self,
        optimizer: Optimizer,
        loss: Loss,
        l1: float,
        l2: float,
        clip: float,
        rate_min: float,
        features_max: int,
        when_full: str,
        categories: Sequence[str],
        hash_bits: int | None,
        replay_size: int,
        replay_steps: int,
        seed: int,
    ) -> None: ...
    def _save_features(self) -> dict[str, Any]: ...
    def _restore_features(self, state: dict[str, Any]) -> None: ...
