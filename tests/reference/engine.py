"""Reference implementation of the deduplication window."""

from __future__ import annotations

from collections import OrderedDict


class DedupWindow:
    """The last `window` distinct ids, in the order in which they were first seen."""

    def __init__(self, window: int) -> None:
        self.window = window
        self.ids: OrderedDict[str, None] = OrderedDict()

    def add(self, key: str) -> bool:
        if key in self.ids:
            return False
        self.ids[key] = None
        if len(self.ids) > self.window:
            self.ids.popitem(last=False)
        return True
