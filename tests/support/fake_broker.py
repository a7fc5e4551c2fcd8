"""Broker that sends exactly the bytes a test wants, and helpers for MQTT adapters connected to it."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import pytest

from edgedescent.interfaces import Delivery
from edgedescent_mqtt import MqttAdapter
from edgedescent_mqtt.config import BrokerConfig
from support.mqtt_packets import CONNACK, CONNECT, DISCONNECT, PUBLISH, SUBSCRIBE, packet, split_packets
from support.waiting import PATIENCE_S

WELCOME = b"\x20\x02\x00\x00"
"""CONNACK of MQTT 3.1.1 that accepts a client."""
WELCOME_BACK = b"\x20\x02\x01\x00"
"""CONNACK of MQTT 3.1.1 that continues a session."""


class FakeBrokerLink:
    """The broker's side of one connection, speaking MQTT 3.1.1 in raw packets."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.received = bytearray()
        self.ended = False
        self._packets: list[tuple[int, bytes]] = []
        self._taken = 0
        """How much of `received` is in `_packets`."""
        sock.setblocking(False)

    def packets(self) -> list[tuple[int, bytes]]:
        """Type and content of each whole packet that has come so far."""
        try:
            while chunk := self.sock.recv(1 << 20):
                self.received += chunk
            self.ended = True
        except BlockingIOError:
            pass
        for kind, _, content, end in split_packets(self.received, self._taken):
            self._packets.append((kind, content))
            self._taken = end
        return self._packets

    def of(self, kind: int) -> list[bytes]:
        """The contents of the packets of one type."""
        return [content for other, content in self.packets() if other == kind]

    def send(self, data: bytes) -> None:
        """Send raw bytes."""
        self.sock.setblocking(True)
        self.sock.sendall(data)
        self.sock.setblocking(False)


class FakeBroker:
    """Accepts connections and sends exactly what the test tells it to."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.setblocking(False)
        self.port: int = self._server.getsockname()[1]
        self.links: list[FakeBrokerLink] = []

    def accepted(self) -> int:
        """Number of connections made so far."""
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


class AnsweringBroker(FakeBroker):
    """A fake broker that answers by itself, for clients that block: it runs in a thread of its own.

    Args:
        greeting: Sent for each CONNECT.
        answer: Gives what is sent for a PUBLISH with this packet id; without it, the connection ends at the greeting.
    """

    def __init__(self, greeting: bytes, answer: Callable[[bytes], bytes] | None) -> None:
        super().__init__()
        self.most_unanswered = 0
        """The most PUBLISH packets that arrived together, before any of them was answered."""
        self._greeting = greeting
        self._answer = answer
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ending.set()
        self._thread.join()
        super().__exit__(*exc)

    def _serve(self) -> None:
        while not self._ending.is_set():
            select.select([self._server, *(link.sock for link in self.links if not link.ended)], [], [], 0.05)
            self.accepted()
            for link in self.links:
                if not link.ended:
                    self._serve_one(link)

    def _serve_one(self, link: FakeBrokerLink) -> None:
        try:
            before = len(link._packets)
            arrived = link.packets()[before:]
            publishes = [content for kind, content in arrived if kind == PUBLISH]
            self.most_unanswered = max(self.most_unanswered, len(publishes))
            if any(kind == CONNECT for kind, _ in arrived):
                link.send(self._greeting)
                if self._answer is None:
                    link.sock.shutdown(socket.SHUT_RDWR)
                    link.ended = True
            for content in publishes if self._answer is not None else ():
                topic_end = 2 + int.from_bytes(content[:2], "big")
                link.send(self._answer(content[topic_end : topic_end + 2]))
        except ConnectionError:
            # A client that is refused may be gone before it has read the refusal.
            link.ended = True


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


def message(
    payload: bytes, packet_id: int = 0, topic: bytes = b"events", *, five: bool = False, dup: bool = False
) -> bytes:
    """An event as a packet, with QoS 1 if it has an id."""
    body = len(topic).to_bytes(2, "big") + topic + (packet_id.to_bytes(2, "big") if packet_id else b"")
    return packet(PUBLISH, 8 * dup + (2 if packet_id else 0), body + b"\0" * five + payload)


def welcome(*properties: bytes, resumed: bool = False) -> bytes:
    """CONNACK of MQTT 5 with properties."""
    joined = b"".join(properties)
    return packet(CONNACK, 0, bytes([resumed, 0, len(joined)]) + joined)


def warnings(caplog: pytest.LogCaptureFixture) -> str:
    """What was logged, joined."""
    return "\n".join(record.getMessage() for record in caplog.records)


@contextmanager
def adapters_for(broker: FakeBroker) -> Iterator[MakeAdapter]:
    """A function that makes adapters for the broker; they are closed at the end."""
    made: list[MqttAdapter] = []

    def make(*topics: str, **options: Any) -> MqttAdapter:
        settings: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": broker.port,
            "protocol": "3.1.1",
            "reconnect_min_s": 0.02,
            "reconnect_max_s": 0.05,
            **options,
        }
        config = BrokerConfig(**settings)
        filters = topics or ("events",)
        made.append(MqttAdapter(config, device="pump", topics=filters, status_topic="status", bytes_max=1_048_576))
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
