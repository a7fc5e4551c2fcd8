from typing import Any

from typing_extensions import disjoint_base

from edgedescent.features._id_encoder import IdEncoder
from edgedescent.learners._matrix_factorization import MatrixFactorizationModel

@disjoint_base
class BPRModel(MatrixFactorizationModel):
    def __init__(self, encoder: IdEncoder, parameters: Any) -> None: ...
    def save(self) -> dict[str, Any]: ...
    def restore(self, state: dict[str, Any]) -> None: ...
