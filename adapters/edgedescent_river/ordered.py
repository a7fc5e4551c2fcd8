"""What River leaves to the order of a set, in an order of its own."""

from __future__ import annotations

from typing import Any

from river import compose


class Select(compose.Select):  # type: ignore[misc]
    """River's `compose.Select` with its features in alphabetical order.

    River keeps the names in a set, whose order is another one in every process. The sums over the features would
    then differ in their last bits after a restart.

    Example:
        >>> Select("b", "a").transform_one({"a": 1, "b": 2, "c": 3})
        {'a': 1, 'b': 2}
    """

    def __init__(self, *keys: str) -> None:
        super().__init__(*keys)
        self.keys: Any = tuple(sorted(self.keys))
