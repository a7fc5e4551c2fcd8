"""Reference implementation of the deduplication window."""

from __future__ import annotations


class DedupWindow:
    """The last `window` distinct pairs of key and content, in the order in which they were first seen."""

    def __init__(self, window: int) -> None:
        self.window = window
        self.pairs: list[tuple[int, int]] = []

    def add(self, key: int, content: int) -> bool:
        if self.holds(key, content):
            return False
        self.pairs = [*self.pairs, (key, content)][-self.window :]
        return True

    def knows(self, key: int) -> bool:
        return any(key == known for known, _ in self.pairs)

    def holds(self, key: int, content: int) -> bool:
        return (key, content) in self.pairs
