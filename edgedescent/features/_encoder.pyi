from collections.abc import Iterable, Mapping
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from edgedescent.features._category_watch import CategoryWatch
from edgedescent.features._scaler import Scaler
from edgedescent.features._vocabulary import Vocabulary

@final
class Encoder:
    @property
    def vocabulary(self) -> Vocabulary: ...
    @property
    def scaler(self) -> Scaler: ...
    @property
    def watch(self) -> CategoryWatch: ...
    @property
    def n_events(self) -> int: ...
    @property
    def n_skipped_values(self) -> int: ...
    def __init__(
        self,
        *,
        clip: float,
        forgetting: float,
        features_max: int,
        when_full: str,
        categories: Iterable[str] = (),
        hash_bits: int | None = None,
        decimal_comma: bool = False,
    ) -> None: ...
    def column_names(self, names: Iterable[Any] | None, columns: int) -> list[str]: ...
    def encoded(self, x: Mapping[str, Any]) -> tuple[NDArray[np.intp], NDArray[np.float64]]: ...
    def save(self) -> dict[str, Any]: ...
    def restore(
        self, state: dict[str, Any], n_events: int, n_skipped_values: int, evicted: int, shared: int
    ) -> None: ...
    def _flattened(self, features: Any, prefix: str) -> dict[str, Any]: ...
    def _set_kinds(self, array: Any) -> None: ...
