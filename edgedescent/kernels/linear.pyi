from collections.abc import Iterable, Mapping
from typing import Any, SupportsFloat

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import disjoint_base

from edgedescent.kernels.moments import Moments
from edgedescent.kernels.parameters import ParameterTable
from edgedescent.kernels.vocabulary import Vocabulary

@disjoint_base
class LinearKernel:
    @property
    def vocabulary(self) -> Vocabulary: ...
    @property
    def weights(self) -> ParameterTable: ...
    @property
    def inputs(self) -> Moments: ...
    @property
    def target(self) -> Moments: ...
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
    def _set_up(
        self,
        rule: str,
        hyper: tuple[float, ...],
        loss: str,
        loss_hyper: tuple[float, ...],
        l2: float,
        clip: float,
        rate_min: float,
        features_max: int,
        when_full: str,
    ) -> None: ...
    def _save(self) -> dict[str, Any]: ...
    def _restore(
        self,
        features: list[str],
        stamps: NDArray[np.int64],
        weights: list[NDArray[np.float64]],
        inputs: list[NDArray[np.float64]],
        target: list[NDArray[np.float64]],
        loss: NDArray[np.float64],
        counts: NDArray[np.int64],
    ) -> None: ...
