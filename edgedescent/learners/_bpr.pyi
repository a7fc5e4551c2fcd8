from collections.abc import Iterable
from typing import Any, SupportsFloat, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import disjoint_base

from edgedescent.learners._matrix_factorization import MatrixFactorizationModel

@disjoint_base
class BPRModel(MatrixFactorizationModel):
    def predict_learn_one(
        self, user: str | SupportsIndex, item: str | SupportsIndex, y: SupportsFloat = 1.0
    ) -> float: ...
    def learn_one(self, user: str | SupportsIndex, item: str | SupportsIndex, y: SupportsFloat = 1.0) -> None: ...
    def learn_many(
        self, users: Iterable[str | SupportsIndex], items: Iterable[str | SupportsIndex], y: ArrayLike | None = None
    ) -> NDArray[np.float64]: ...
    def _set_up_negatives(self, n_negatives: int) -> None: ...
    def _save(self) -> dict[str, Any]: ...
    def _restore(self, **state: Any) -> None: ...
