from collections.abc import Iterable
from typing import Any, SupportsFloat, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import disjoint_base

from edgedescent.features._scaler import Scaler
from edgedescent.features._vocabulary import Vocabulary
from edgedescent.learners._replay_buffer import ReplayBuffer
from edgedescent.learners._user_history import UserHistory
from edgedescent.losses import Loss
from edgedescent.optim import Optimizer
from edgedescent.optim._parameter_table import ParameterTable
from edgedescent.optim._stepper import Stepper

@disjoint_base
class MatrixFactorizationModel:
    @property
    def users(self) -> Vocabulary: ...
    @property
    def items(self) -> Vocabulary: ...
    @property
    def user_rows(self) -> ParameterTable: ...
    @property
    def item_rows(self) -> ParameterTable: ...
    @property
    def target(self) -> Scaler: ...
    @property
    def stepper(self) -> Stepper: ...
    @property
    def replay_buffer(self) -> ReplayBuffer: ...
    @property
    def seen(self) -> UserHistory: ...
    @property
    def n_events(self) -> int: ...
    @property
    def n_skipped_targets(self) -> int: ...
    @property
    def y_min(self) -> float: ...
    @property
    def y_max(self) -> float: ...
    def predict_one(self, user: str | SupportsIndex, item: str | SupportsIndex) -> float: ...
    def predict_learn_one(self, user: str | SupportsIndex, item: str | SupportsIndex, y: SupportsFloat) -> float: ...
    def learn_one(self, user: str | SupportsIndex, item: str | SupportsIndex, y: SupportsFloat) -> None: ...
    def learn_many(
        self, users: Iterable[str | SupportsIndex], items: Iterable[str | SupportsIndex], y: ArrayLike
    ) -> NDArray[np.float64]: ...
    def scores(self, user: str | SupportsIndex) -> NDArray[np.float64]: ...
    def _set_up(
        self,
        optimizer: Optimizer,
        loss: Loss,
        n_factors: int,
        init_scale: float,
        l2_bias: float,
        l2_factors: float,
        rate_min: float,
        users_max: int,
        items_max: int,
        when_full: str,
        replay_size: int,
        replay_steps: int,
        seen_max: int,
        seed: int,
    ) -> None: ...
    def _recommend(
        self,
        user: str | SupportsIndex,
        k: int,
        exclude: Iterable[str | SupportsIndex],
        among: Iterable[str | SupportsIndex] | None,
        exclude_seen: bool,
    ) -> list[str]: ...
    def _save(self) -> dict[str, Any]: ...
    def _restore(self, **state: Any) -> None: ...
