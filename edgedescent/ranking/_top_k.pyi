from typing import Self

from typing_extensions import disjoint_base

@disjoint_base
class TopK:
    def __new__(cls, k: int) -> Self: ...
