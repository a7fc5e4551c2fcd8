"""Broker that sends exactly the bytes a test wants, and helpers for MQTT adapters connected to it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import pytest

from edgedescent.interfaces import Delivery
from edgedescent_mqtt import MqttAdapter
from edgedescent_mqtt.config import BrokerConfig

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, DISCONNECT = 1, 2, 3, 4, 8, 9, 12, 14
WELCOME = b"\x20\x02\x00\x00"
PATIENCE_S = 20.0


class FakeBrokerLink:
    """The broker's side of one connection, speaking MQTT 3.1.1 in raw packets."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.received = b""
        self.ended = False
        sock.setblocking(False)

    def packets(self) -> list[tuple[int, bytes]]:
        """Type and content of each packet that has come so far."""
        try:
            while chunk := self.sock.recv(1 << 20):
                self.received += chunk
            self.ended = True
        except BlockingIOError:
            pass
        found, rest = [], self.received
        while len(rest) >= 2:
            length, size = 0, 0
            while True:
                byte = rest[1 + size]
                length |= (byte & 127) << 7 * size
                size += 1
                if byte < 128:
                    break
            found.append((rest[0] >> 4, rest[1 + size : 1 + size + length]))
            rest = rest[1 + size + length :]
        return found

    def of(self, kind: int) -> list[bytes]:
        """What came of one type of packet."""
        return [content for other, content in self.packets() if other == kind]

    def send(self, data: bytes) -> None:
        """Say something."""
        self.sock.setblocking(True)
        self.sock.sendall(data)
        self.sock.setblocking(False)


class FakeBroker:
    """Listens; the test decides what is said."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.setblocking(False)
        self.port: int = self._server.getsockname()[1]
        self.links: list[FakeBrokerLink] = []

    def accepted(self) -> int:
        """How many connections were made so far."""
        try:
            while True:
                self.links.append(FakeBrokerLink(self._server.accept()[0]))
        except BlockingIOError:
            return len(self.links)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for link in self.links:
            link.sock.close()
        self._server.close()


MakeAdapter = Callable[..., MqttAdapter]


def pump(transport: MqttAdapter, ask: Callable[[], Any], what: str = "it") -> None:
    """Poll until the answer is true; nothing may be delivered meanwhile."""
    until = time.monotonic() + PATIENCE_S
    while not ask():
        assert time.monotonic() < until, f"never: {what}"
        assert transport.poll(0.01) == []


def deliveries(transport: MqttAdapter, count: int) -> list[list[Delivery]]:
    """Poll until so much was delivered; returns what each poll did."""
    polls: list[list[Delivery]] = []
    until = time.monotonic() + PATIENCE_S
    while sum(map(len, polls)) < count:
        assert time.monotonic() < until, f"never: {count} deliveries"
        polls.append(transport.poll(0.01))
    return polls


def connect(transport: MqttAdapter, broker: FakeBroker, welcome: bytes = WELCOME) -> FakeBrokerLink:
    """Let a new connection come to be; returns the broker's side of it."""
    count = broker.accepted()
    pump(transport, lambda: broker.accepted() > count, "a connection")
    link = broker.links[-1]
    pump(transport, lambda: link.of(CONNECT), "its CONNECT")
    link.send(welcome)
    pump(transport, lambda: transport.connected, "being accepted")
    pump(transport, lambda: link.of(SUBSCRIBE) and link.of(PUBLISH), "its subscription and status")
    return link


def message(payload: bytes, packet_id: int = 0, topic: bytes = b"events") -> bytes:
    """An event as a packet, with QoS 1 if it has an id."""
    body = len(topic).to_bytes(2, "big") + topic + (packet_id.to_bytes(2, "big") if packet_id else b"") + payload
    length, size = b"", len(body)
    while True:
        size, low = divmod(size, 128)
        length += bytes([low | (128 if size else 0)])
        if not size:
            return bytes([0x32 if packet_id else 0x30]) + length + body


def warnings(caplog: pytest.LogCaptureFixture) -> str:
    """What was logged, joined."""
    return "\n".join(record.getMessage() for record in caplog.records)


@contextmanager
def adapters_for(broker: FakeBroker) -> Iterator[MakeAdapter]:
    """A function that makes adapters for the broker; they are closed at the end."""
    made: list[MqttAdapter] = []

    def make(**options: Any) -> MqttAdapter:
        settings: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": broker.port,
            "protocol": "3.1.1",
            "reconnect_min_s": 0.02,
            "reconnect_max_s": 0.05,
            **options,
        }
        config = BrokerConfig(**settings)
        made.append(MqttAdapter(config, device="pump", topics=["events"], status_topic="status", bytes_max=1_048_576))
        return made[-1]

    yield make
    for one in made:
        one.close(0.0)


def pump_one(transport: MqttAdapter) -> Delivery:
    """Poll until something is delivered; returns it."""
    (delivery,) = deliveries(transport, 1)[-1]
    return delivery


def answer_until_gone(link: FakeBrokerLink) -> None:
    """Confirm what comes, and close once the device has said goodbye, as a broker does."""
    until, confirmed = time.monotonic() + PATIENCE_S, 0
    while time.monotonic() < until and not link.of(DISCONNECT):
        statuses = [c for c in link.of(PUBLISH) if b"state" in c]
        for content in statuses[confirmed:]:
            end = 2 + int.from_bytes(content[:2], "big")
            link.send(b"\x40\x02" + content[end : end + 2])
        confirmed = len(statuses)
        time.sleep(0.01)
    link.sock.shutdown(socket.SHUT_RDWR)
