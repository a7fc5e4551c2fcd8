"""Classes of River that iterate over a set, with a fixed order."""

from __future__ import annotations

from typing import Any

from river import compose


class Select(compose.Select):  # type: ignore[misc]
    """River's `compose.Select` with its features in alphabetical order.

    River keeps the names in a set, whose order differs from process to process. Sums over the features would differ
    in their last bits after a restart.

    Example:
        >>> Select("b", "a").transform_one({"a": 1, "b": 2, "c": 3})
        {'a': 1, 'b': 2}
    """

    def __init__(self, *keys: str) -> None:
        super().__init__(*keys)
        self.keys: Any = tuple(sorted(self.keys))
