"""Streams of events for tests, and a thread that publishes them."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self

from support.device_peer import DevicePeer


def stream(
    chance: random.Random, *, learner: str = "LinearRegressor", nameless: float = 0.0, arrays: bool = True
) -> Iterator[tuple[bytes, int]]:
    """Endless payloads, each with its number of events.

    Args:
        chance: Random numbers that decide their contents.
        learner: Type of learner that they are for.
        nameless: Share of messages whose events have no ids; some of these repeat the one before.
        arrays: Put several events into some messages.
    """
    number = 0
    last: list[dict[str, Any]] = []
    while True:
        count = chance.choice([1, 1, 1, 1, 7]) if arrays else 1
        made = [_event(number + i, learner) for i in range(count)]
        number += count
        if chance.random() < nameless:
            for item in made:
                del item["id"]
            if last and chance.random() < 0.2:
                made = last
            last = made
        yield json.dumps(made if len(made) > 1 else made[0]).encode(), len(made)


def _event(number: int, learner: str) -> dict[str, Any]:
    if learner == "MatrixFactorization":
        return {"id": f"e{number}", "user": number % 40, "item": f"i{number % 23}", "y": number % 6}
    return event(number)


def take(source: Iterator[tuple[bytes, int]], count: int) -> tuple[list[bytes], int]:
    """The next messages, and their number of events."""
    taken = [next(source) for _ in range(count)]
    return [payload for payload, _ in taken], sum(size for _, size in taken)


class Sender:
    """Thread that publishes payloads in order at a steady pace; use it in a `with` block, and `join` it.

    Args:
        peer: Client that publishes them.
        payloads: Payloads in order.
        pause_s: Pause after each 20.
    """

    def __init__(self, peer: DevicePeer, payloads: Sequence[bytes], pause_s: float = 0.02) -> None:
        self._peer, self._payloads, self._pause_s = peer, payloads, pause_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def _send(self) -> None:
        for start in range(0, len(self._payloads), 20):
            if self._stopping.is_set():
                return
            self._peer.send(self._payloads[start : start + 20], wait=False)
            time.sleep(self._pause_s)

    def join(self) -> None:
        """Wait until all were handed over."""
        self._thread.join()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()


def event(i: int) -> dict[str, Any]:
    """Event `i` of a stream that a linear model can learn."""
    x = {"temp": 20.0 + i % 13, "load": (i * 7 % 11) / 3, f"rare{i % 5}": float(i % 3)}
    return {"id": f"e{i}", "x": x, "y": 3 * x["temp"] - 5 * x["load"] + i % 2}


def events(first: int, last: int) -> list[bytes]:
    """Events as payloads of their own."""
    return [json.dumps(event(i)).encode() for i in range(first, last)]


def ids_in(payloads: Iterable[bytes]) -> list[str]:
    """The ids of the events in payloads, which may be arrays."""
    parts = [json.loads(payload) for payload in payloads]
    return [item["id"] for part in parts for item in (part if isinstance(part, list) else [part])]
