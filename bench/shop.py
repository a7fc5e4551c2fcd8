"""A shop: a stream of choices, and a daemon that learns them and recommends, which can be killed."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import numpy as np
from killed_daemon import BROKER_AND_STATE, start_daemon

from edgedescent.errors import TransportError

EVENTS = "edgedescent/shop/events"
REQUESTS = "edgedescent/shop/recommend"
ANSWERS = "edgedescent/shop/recommendations"
K = 10
"""Number of items of a list."""
N_USERS = 5000
PATIENCE_S = 120.0
ARRAY = 100
"""Choices of a message that is an array."""

CONFIG = (
    """
device = "shop"
[learner]
type = "AutoRanker"
[recommend]
k = {k}
exclude_seen = true
"""
    + BROKER_AND_STATE
)


class Stream:
    """Choices of users by chance, items by the law of Zipf; each item comes once before any comes twice.

    Args:
        n_items: Number of items.
        seed: Decides them.

    Attributes:
        sent: Messages so far, in order.
        n_events: Choices so far.
    """

    def __init__(self, n_items: int, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._n_items = n_items
        weights = 1.0 / np.arange(1, n_items + 1)
        self._cumulated = np.cumsum(weights / weights.sum())
        self._order = self._random.permutation(n_items)
        self.sent: list[bytes] = []
        self.n_events = 0

    def _choice(self) -> dict[str, str | int]:
        number, self.n_events = self.n_events, self.n_events + 1
        rank = number if number < self._n_items else int(np.searchsorted(self._cumulated, self._random.random()))
        item = int(self._order[min(rank, self._n_items - 1)])
        return {"id": f"e{number}", "user": self.user(), "item": f"item-{item}", "y": 1}

    def user(self) -> str:
        """A user by chance."""
        return f"user-{self._random.integers(N_USERS)}"

    def array(self) -> bytes:
        """Next message of an array of choices."""
        return self._note([self._choice() for _ in range(ARRAY)])

    def one(self) -> bytes:
        """Next message of a single choice."""
        return self._note(self._choice())

    def _note(self, content: object) -> bytes:
        self.sent.append(json.dumps(content).encode())
        return self.sent[-1]


class Device:
    """Daemon with a folder of its own, which can be killed and started again.

    Args:
        folder: An empty folder.
        port: Port of the broker.
    """

    client_id = "edgedescent-shop"

    def __init__(self, folder: Path, port: int) -> None:
        self.path = folder / "device.toml"
        self.path.write_text(CONFIG.format(k=K, port=port, folder=folder), encoding="utf-8")
        self._process: subprocess.Popen[bytes] = start_daemon(self.path)

    @property
    def pid(self) -> int:
        """Id of its process."""
        return self._process.pid

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()

    def restart(self) -> None:
        """Kill it and start it again."""
        self.kill()
        self._process = start_daemon(self.path)

    def stop(self) -> None:
        """End it in order.

        Raises:
            TransportError: If it ends with an error.
        """
        self._process.send_signal(signal.SIGTERM)
        if code := self._process.wait(PATIENCE_S):
            log = (self.path.parent / "daemon.log").read_text(encoding="utf-8")
            raise TransportError(f"The daemon ended with {code}: {log[-1000:]}")
