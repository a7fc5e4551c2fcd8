from typing import Any

from typing_extensions import disjoint_base

@disjoint_base
class LabelGuard:
    @property
    def n_replaced(self) -> int: ...
    def save(self) -> dict[str, Any]: ...
    def restore(self, state: dict[str, Any]) -> None: ...
