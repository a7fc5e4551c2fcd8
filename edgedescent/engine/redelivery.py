"""Recognizing a message that the broker sends once more, also where its events have no ids."""

from __future__ import annotations

from array import array
from functools import lru_cache

import numpy as np

from edgedescent.kernels.siphash import siphash24

_MASK = (1 << 64) - 1
_ODD = 0x9E37_79B9_7F4A_7C15
"""Spreads a packet id over 64 bits (Knuth 6.4: multiplication by the golden ratio)."""


class Redeliveries:
    """The most recent messages with a packet id, by it and 64-bit hashes of their topic and their payload.

    A broker sends again only what it sent lately and was not told to forget: a window of as many messages as it may
    send ahead recognizes all of it. What is looked for in vain costs a look through the window; that happens only
    where the broker says that it sends something again.

    Args:
        window: how many messages are remembered, in 8 bytes each.

    Example:
        >>> recent = Redeliveries(window=2)
        >>> for packet_id in (1, 2, 3):
        ...     recent.add(packet_id, "cellar", b"21.5")
        >>> [(packet_id, "cellar", b"21.5") in recent for packet_id in (1, 2, 3, 4)]
        [False, True, True, False]
        >>> (3, "cellar", b"21.6") in recent, (3, "roof", b"21.5") in recent
        (False, False)
    """

    def __init__(self, window: int) -> None:
        self.window = window
        self.restore(np.zeros(0, np.uint64), 0)

    def add(self, packet_id: int, topic: str, payload: bytes) -> None:
        """Remember a message; the oldest gives way."""
        self._ring[self.n_added % self.window] = _key(packet_id, topic, payload)
        self.n_added += 1

    def __contains__(self, message: tuple[int, str, bytes]) -> bool:
        keys = np.frombuffer(self._ring, np.uint64)[: self.n_added]
        return bool((keys == np.uint64(_key(*message))).any())

    def save(self) -> np.ndarray:
        """The keys, oldest first."""
        keys = np.frombuffer(self._ring, np.uint64)
        if self.n_added <= self.window:
            return keys[: self.n_added].copy()
        return np.roll(keys, -(self.n_added % self.window))

    def restore(self, keys: np.ndarray, n_added: int) -> None:
        """Take what `save` returned, `n_added` being how many were ever added.

        Raises:
            ValueError: if so many cannot be the newest of those.
        """
        if n_added < len(keys):
            raise ValueError(f"{len(keys)} messages are not the newest of {n_added}.")
        # A smaller window than when this was saved keeps the newest; a larger one begins anew with them.
        newest = keys[max(len(keys) - self.window, 0) :]
        self.n_added = n_added - len(newest) if len(newest) == self.window else 0
        self._ring = array("Q", bytes(8 * self.window))
        for key in newest.tolist():
            self._ring[self.n_added % self.window] = key
            self.n_added += 1


def _key(packet_id: int, topic: str, payload: bytes) -> int:
    return (siphash24(payload) + _hash_of(topic) + packet_id * _ODD) & _MASK


@lru_cache(maxsize=1024)
def _hash_of(topic: str) -> int:
    # Begun like no payload of JSON, so that the two hashes are of different things.
    return siphash24(b"\0" + topic.encode())
