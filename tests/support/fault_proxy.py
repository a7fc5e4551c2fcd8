"""TCP proxy between a device and its broker that records packets and cuts connections at any byte."""

from __future__ import annotations

import math
import random
import socket
import struct
import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Self

from support.mqtt_packets import PUBACK, PUBLISH, split_packets
from support.waiting import PATIENCE_S

Direction = Literal["down", "up"]
"""From the broker to the device, or back."""
DIRECTIONS: tuple[Direction, Direction] = ("down", "up")


@dataclass(frozen=True)
class Published:
    """An event as the broker sent it."""

    packet_id: int
    dup: bool
    payload: bytes


@dataclass
class ProxiedConnection:
    """One connection of a device, with all that was passed on."""

    device: socket.socket
    broker: socket.socket
    heard: dict[Direction, bytearray] = field(default_factory=lambda: {way: bytearray() for way in DIRECTIONS})
    left: dict[Direction, float] = field(default_factory=lambda: dict.fromkeys(DIRECTIONS, math.inf))
    """How many more bytes to pass on before the cut."""
    ended: bool = False

    def end(self, *, abruptly: bool) -> None:
        """Close both sides, by a reset or in good order."""
        self.ended = True
        for sock in (self.device, self.broker):
            try:
                if abruptly:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                # A thread that waits in `recv` is woken by this, not by closing.
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # The other end was faster.

    def published(self, *, five: bool) -> list[Published]:
        """The events that the broker sent with QoS 1, in order."""
        found = []
        for kind, flags, body, _ in split_packets(self.heard["down"]):
            if kind != PUBLISH or flags >> 1 & 3 != 1:
                continue
            start = 2 + int.from_bytes(body[:2], "big")
            packet_id = int.from_bytes(body[start : start + 2], "big")
            start += 2
            if five:
                # The properties' length: ours are so few that it is one byte.
                start += 1 + body[start]
            found.append(Published(packet_id, bool(flags & 8), body[start:]))
        return found

    def acknowledged(self) -> list[int]:
        """The packet ids that the device acknowledged, in order."""
        return [
            int.from_bytes(sent.content[:2], "big") for sent in split_packets(self.heard["up"]) if sent.kind == PUBACK
        ]


class FaultProxy:
    """Listens on a port of its own and passes everything on to a broker; use it in a `with` block.

    Args:
        port: of the broker.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._chance: random.Random | None = None
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.connections: list[ProxiedConnection] = []
        self.cuts: list[tuple[Direction, int]] = []
        """Direction of each cut, and how many bytes had passed that way."""
        self._lock = threading.Lock()

    def spoil(self, chance: random.Random) -> None:
        """Cut each connection from now on, after as many bytes as `chance` says."""
        with self._lock:
            self._chance = chance
            for connection in self.connections:
                self._limit(connection)

    def heal(self) -> None:
        """Cut no more, not even the connections there are."""
        with self._lock:
            self._chance = None
            for connection in self.connections:
                connection.left = dict.fromkeys(DIRECTIONS, math.inf)

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for connection in self.connections:
            connection.end(abruptly=True)

    def _accept(self) -> None:
        while True:
            try:
                device, _ = self._server.accept()
            except OSError:
                return  # Closed by `__exit__`.
            try:
                broker = socket.create_connection(("127.0.0.1", self._target), timeout=PATIENCE_S)
            except OSError:
                device.close()
                continue
            broker.settimeout(None)
            for sock in (device, broker):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = ProxiedConnection(device, broker)
            with self._lock:
                self._limit(connection)
                self.connections.append(connection)
            for way in DIRECTIONS:
                threading.Thread(target=self._pass_on, args=(connection, way), daemon=True).start()

    def _limit(self, connection: ProxiedConnection) -> None:
        if self._chance is not None:
            # As likely among the first ten bytes as beyond the first thousand.
            way = DIRECTIONS[len(self.cuts) % 2]
            connection.left[way] = int(10 ** self._chance.uniform(0, 4))

    def _pass_on(self, connection: ProxiedConnection, way: Direction) -> None:
        source, target = connection.device, connection.broker
        if way == "down":
            source, target = target, source
        try:
            while data := source.recv(65_536):
                with self._lock:
                    part = data[: int(min(len(data), connection.left[way]))]
                    connection.left[way] -= len(part)
                    cut = connection.left[way] <= 0
                    abruptly = self._chance is not None and self._chance.random() < 0.5
                    connection.heard[way] += part
                    if cut and not connection.ended:
                        self.cuts.append((way, len(connection.heard[way])))
                        connection.ended = True
                target.sendall(part)
                if cut:
                    connection.end(abruptly=abruptly)
        except OSError:
            pass  # Either side may go at any time; that is what this is about.
        connection.end(abruptly=False)
        source.close()
