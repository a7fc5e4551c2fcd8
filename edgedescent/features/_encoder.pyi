from collections.abc import Sequence
from typing import Any

from typing_extensions import disjoint_base

from edgedescent.features._vocabulary import Vocabulary

@disjoint_base
class Encoder:
    @property
    def vocabulary(self) -> Vocabulary: ...
    def _set_up_reading(
        self, features_max: int, when_full: str, categories: Sequence[str], hash_bits: int | None
    ) -> None: ...
    def _flattened(self, features: Any, prefix: str) -> dict[str, Any]: ...
    def _column_names(self, names: Any, columns: int) -> list[str]: ...
