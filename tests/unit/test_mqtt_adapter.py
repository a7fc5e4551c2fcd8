"""The MQTT transport against a broker that says exactly what the test wants it to, right or wrong."""

from __future__ import annotations

import json
import logging
import random
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from edgedescent.adapters import Delivery
from edgedescent_mqtt import MqttAdapter, adapter
from edgedescent_mqtt.adapter import INBOX_BYTES_MAX
from edgedescent_mqtt.buffered_socket import PENDING_BYTES_MAX
from edgedescent_mqtt.config import Broker
from edgedescent_mqtt.reaching import Attempt, Backoff, explain

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, DISCONNECT = 1, 2, 3, 4, 8, 9, 12, 14
WELCOME = b"\x20\x02\x00\x00"
PATIENCE_S = 20.0


class Link:
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
        self.links: list[Link] = []

    def accepted(self) -> int:
        """How many connections were made so far."""
        try:
            while True:
                self.links.append(Link(self._server.accept()[0]))
        except BlockingIOError:
            return len(self.links)

    def close(self) -> None:
        """End everything."""
        for link in self.links:
            link.sock.close()
        self._server.close()


@pytest.fixture
def broker() -> Iterator[FakeBroker]:
    made = FakeBroker()
    yield made
    made.close()


@pytest.fixture
def make(broker: FakeBroker) -> Iterator[Callable[..., MqttAdapter]]:
    """Makes adapters for the broker, which are closed at the end."""
    made: list[MqttAdapter] = []

    def build(**options: Any) -> MqttAdapter:
        settings: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": broker.port,
            "protocol": "3.1.1",
            "reconnect_min_s": 0.02,
            "reconnect_max_s": 0.05,
            **options,
        }
        made.append(
            MqttAdapter(
                Broker(**settings), device="pump", topics=["events"], status_topic="status", bytes_max=1_048_576
            )
        )
        return made[-1]

    yield build
    for one in made:
        one.close(0.0)


Make = Callable[..., MqttAdapter]


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


def connect(transport: MqttAdapter, broker: FakeBroker, welcome: bytes = WELCOME) -> Link:
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


# --- Connecting -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (1, "it refused us|it does not speak MQTT|the broker closed it before it accepted us"),
        (2, r"it refused us: Client identifier not valid \(see `broker\.client_id`\)"),
        (3, "it refused us: Server unavailable"),
        (4, r"it refused us: Bad user name or password \(see `broker\.username` and its password\)"),
        (5, "it refused us: Not authorized"),
    ],
)
def test_a_refusal_is_told_once_and_tried_again(
    broker: FakeBroker, make: Make, caplog: pytest.LogCaptureFixture, code: int, expected: str
) -> None:
    transport = make()
    for attempt in (1, 2, 3):
        pump(transport, lambda n=attempt: broker.accepted() >= n, "an attempt")  # type: ignore[misc]
        broker.links[-1].send(bytes([0x20, 2, 0, code]))
        pump(transport, lambda n=attempt: len(caplog.records) >= n, "a message")  # type: ignore[misc]
        assert len(caplog.records) == attempt
        assert not transport.connected
    assert re.search(expected, warnings(caplog))


def test_a_refusal_in_mqtt_5_hints_at_the_protocol(
    broker: FakeBroker, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    transport = make(protocol="5")
    pump(transport, broker.accepted)
    broker.links[0].send(b"\x20\x03\x00\x84\x00")
    pump(transport, lambda: caplog.records)
    assert 'Unsupported protocol version (set broker.protocol = "3.1.1")' in warnings(caplog)


def test_a_broker_that_does_not_answer_is_given_up(
    broker: FakeBroker, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    transport = make(protocol="5", connect_timeout_s=0.1)
    pump(transport, lambda: broker.accepted() >= 3, "three attempts")
    assert "it accepts connections but does not answer (if it knows only MQTT 3.1.1" in warnings(caplog)


def test_a_broker_that_hangs_up_is_tried_again(
    broker: FakeBroker, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    transport = make()
    for attempt in (1, 2, 3):
        pump(transport, lambda n=attempt: broker.accepted() >= n, "an attempt")  # type: ignore[misc]
        broker.links[-1].sock.close()
    pump(transport, lambda: len(caplog.records) >= 3)
    assert "the broker closed it before it accepted us" in warnings(caplog) or "reset" in warnings(caplog)


@pytest.mark.parametrize("host", ["x" * 70 + ".example", "bad..name", "no.such.host.invalid"])
def test_a_name_that_cannot_be_looked_up_is_told(make: Make, caplog: pytest.LogCaptureFixture, host: str) -> None:
    transport = make(host=host)
    pump(transport, lambda: len(caplog.records) >= 2, "two messages")
    assert f"No connection to the broker at {host}:" in warnings(caplog)


def test_a_lookup_that_hangs_holds_nothing_up(broker: FakeBroker, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    hanging, real = threading.Event(), socket.create_connection

    def slow(*arguments: Any) -> socket.socket:
        hanging.wait(PATIENCE_S)
        return real(*arguments)

    monkeypatch.setattr("edgedescent_mqtt.reaching.socket.create_connection", slow)
    transport = make()
    started = time.monotonic()
    assert transport.poll(0.05) == []
    assert transport.poll(0.0) == []
    transport.close(0.5)
    assert time.monotonic() - started < 5
    hanging.set()
    # The connection that comes too late is closed, not left behind.
    until = time.monotonic() + PATIENCE_S
    while not (broker.accepted() and (broker.links[0].packets() or broker.links[0].ended)):
        assert time.monotonic() < until
        time.sleep(0.01)
    assert broker.links[0].ended
    assert broker.links[0].received == b""


def test_polling_waits_its_time_while_there_is_no_broker(make: Make) -> None:
    transport = make(port=1, reconnect_min_s=5.0, reconnect_max_s=5.0)
    transport.poll(0.2)
    started = time.monotonic()
    for _ in range(3):
        transport.poll(0.1)
    assert 0.25 < time.monotonic() - started < 2.0


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@pytest.mark.parametrize("seed", range(8))
def test_a_broker_that_talks_nonsense_never_ends_the_daemon(
    broker: FakeBroker, make: Make, protocol: str, seed: int
) -> None:
    chance = random.Random(seed)
    transport = make(protocol=protocol, connect_timeout_s=0.2)
    for _ in range(8):
        count = broker.accepted()
        pump(transport, lambda n=count: broker.accepted() > n, "another attempt")  # type: ignore[misc]
        link = broker.links[-1]
        if chance.random() < 0.7:
            link.send(b"\x20\x03\x00\x00\x00" if protocol == "5" else WELCOME)
        for _ in range(20):
            kind = chance.choice([*range(16)])
            body = chance.randbytes(chance.randrange(12))
            packet = bytes([kind << 4 | chance.choice([0, 2, chance.randrange(16)]), len(body)]) + body
            try:
                link.send(packet if chance.random() < 0.8 else chance.randbytes(9))
            except OSError:
                break
            for delivery in transport.poll(0.0):
                transport.acknowledge([delivery])
        link.sock.close()


# --- Events -----------------------------------------------------------------------------------------------------------


def test_events_are_delivered_and_acknowledged_when_told_to(broker: FakeBroker, make: Make) -> None:
    transport = make()
    link = connect(transport, broker)
    link.send(message(b"one", 1) + message(b"two", 2) + message(b"three"))
    got = [delivery for poll in deliveries(transport, 3) for delivery in poll]
    assert [(d.payload, d.packet_id, d.qos) for d in got] == [(b"one", 1, 1), (b"two", 2, 1), (b"three", 0, 0)]
    assert link.of(PUBACK) == []
    transport.acknowledge(got)
    pump(transport, lambda: len(link.of(PUBACK)) == 2)
    assert link.of(PUBACK) == [b"\x00\x01", b"\x00\x02"]


def test_acknowledgements_of_an_earlier_connection_are_left_out(broker: FakeBroker, make: Make) -> None:
    transport = make()
    first = connect(transport, broker)
    first.send(message(b"old", 1))
    old = pump_one(transport)
    first.sock.close()
    pump(transport, lambda: not transport.connected)
    transport.acknowledge([old])
    second = connect(transport, broker)
    second.send(message(b"new", 1))
    new = pump_one(transport)
    assert new.generation == old.generation + 1
    transport.acknowledge([old])
    transport.publish("marker", b"")
    pump(transport, lambda: any(b"marker" in content for content in second.of(PUBLISH)))
    assert second.of(PUBACK) == []
    transport.acknowledge([new])
    pump(transport, lambda: second.of(PUBACK) == [b"\x00\x01"])


def pump_one(transport: MqttAdapter) -> Delivery:
    """Poll until something is delivered; returns it."""
    (delivery,) = deliveries(transport, 1)[-1]
    return delivery


def test_one_poll_takes_a_bounded_number_of_events(broker: FakeBroker, make: Make) -> None:
    transport = make(receive_max=10)
    link = connect(transport, broker)
    link.send(message(b"x") * 500)
    assert max(map(len, deliveries(transport, 500))) <= 10


def test_one_poll_takes_a_bounded_number_of_bytes(broker: FakeBroker, make: Make) -> None:
    transport = make()
    link = connect(transport, broker)
    payload = bytes(200_000)
    sender = threading.Thread(target=link.send, args=(message(payload) * 40,))
    sender.start()
    sizes = [sum(len(delivery.payload) for delivery in poll) for poll in deliveries(transport, 40)]
    sender.join()
    assert max(sizes) <= INBOX_BYTES_MAX + len(payload)


def test_a_topic_that_is_no_text_does_no_harm(broker: FakeBroker, make: Make) -> None:
    transport = make()
    link = connect(transport, broker)
    link.send(message(b"x", 7, topic=b"\xff\xfe"))
    delivery = pump_one(transport)
    assert delivery.topic == "\N{REPLACEMENT CHARACTER}"


# --- Subscriptions ----------------------------------------------------------------------------------------------------


def test_a_refused_subscription_is_told_and_asked_for_again(
    broker: FakeBroker, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    transport = make()
    link = connect(transport, broker)
    for attempt in (1, 2, 3):
        pump(transport, lambda n=attempt: len(link.of(SUBSCRIBE)) == n, "a request")  # type: ignore[misc]
        link.send(b"\x90\x03" + link.of(SUBSCRIBE)[-1][:2] + b"\x80")
        pump(transport, lambda n=attempt: warnings(caplog).count("refused the subscription to 'events'") == n)  # type: ignore[misc]
    pump(transport, lambda: len(link.of(SUBSCRIBE)) == 4)
    link.send(b"\x90\x03" + link.of(SUBSCRIBE)[-1][:2] + b"\x01")
    until = time.monotonic() + 0.3
    pump(transport, lambda: time.monotonic() > until)
    assert len(link.of(SUBSCRIBE)) == 4
    assert transport.connected


def test_less_than_was_asked_for_is_told(broker: FakeBroker, make: Make, caplog: pytest.LogCaptureFixture) -> None:
    transport = make()
    link = connect(transport, broker)
    link.send(b"\x90\x03" + link.of(SUBSCRIBE)[0][:2] + b"\x00")
    pump(transport, lambda: "grants QoS 0 at most for 'events'" in warnings(caplog))


# --- Losing the connection --------------------------------------------------------------------------------------------


def test_a_taken_over_session_is_told(broker: FakeBroker, make: Make, caplog: pytest.LogCaptureFixture) -> None:
    transport = make(protocol="5")
    link = connect(transport, broker, b"\x20\x03\x00\x00\x00")
    link.send(b"\xe0\x07\x8e\x05\x1f\x00\x02hi")
    pump(transport, lambda: not transport.connected)
    assert "the broker ended it: Session taken over (does another client use the id 'edgedescent-pump'?)" in warnings(
        caplog
    )


def test_a_connection_that_is_dead_is_noticed(broker: FakeBroker, make: Make, caplog: pytest.LogCaptureFixture) -> None:
    transport = make(keepalive_s=1)
    link = connect(transport, broker)
    pump(transport, lambda: link.of(PINGREQ), "a sign of life")
    pump(transport, lambda: not transport.connected, "noticing it")
    assert "it stopped answering" in warnings(caplog)
    connect(transport, broker)


def test_a_fault_while_sending_is_noticed(broker: FakeBroker, make: Make, caplog: pytest.LogCaptureFixture) -> None:
    transport = make()
    link = connect(transport, broker)
    link.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    link.sock.close()
    transport.publish("predictions", bytes(100_000))
    pump(transport, lambda: not transport.connected)
    assert "No connection to the broker" in warnings(caplog)
    connect(transport, broker)


def test_delays_grow_while_connections_are_short_and_begin_anew_after_a_long_one(
    broker: FakeBroker, make: Make, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgedescent_mqtt.reaching.random.uniform", lambda _low, high: high)
    transport = make(reconnect_min_s=0.01, reconnect_max_s=0.05)

    def next_delay() -> str:
        caplog.clear()
        connect(transport, broker).sock.close()
        pump(transport, lambda: not transport.connected)
        return warnings(caplog).rpartition("Next attempt in ")[2]

    delays = [next_delay() for _ in range(4)]
    monkeypatch.setattr(adapter, "STABLE_S", 0.0)
    assert [*delays, next_delay()] == ["0.0 s.", "0.0 s.", "0.0 s.", "0.1 s.", "0.0 s."]


# --- Publishing -------------------------------------------------------------------------------------------------------


def test_without_a_connection_nothing_is_taken(make: Make) -> None:
    transport = make(port=1)
    assert transport.publish("predictions", b"x") is False
    transport.poll(0.05)
    assert transport.publish("predictions", b"x", retain=True) is False
    transport.acknowledge([])


@pytest.mark.parametrize("qos", [0, 1])
def test_what_waits_for_a_slow_broker_is_bounded(broker: FakeBroker, make: Make, qos: int) -> None:
    transport = make(publish_qos=qos)
    link = connect(transport, broker)
    payload = bytes(100_000)
    taken = 0
    while transport.publish("predictions", payload):
        taken += 1
        assert taken < 1000
    # What the two kernels hold between them comes on top.
    assert PENDING_BYTES_MAX / len(payload) <= taken
    # A status still finds room, and once the broker reads, answers do too.
    assert transport.publish("snapshots", b"card", retain=True)
    confirmed = 0

    def read() -> bool:
        nonlocal confirmed
        published = link.of(PUBLISH)
        for content in published[confirmed:] if qos else []:
            end = 2 + int.from_bytes(content[:2], "big")
            link.send(b"\x40\x02" + content[end : end + 2])
        confirmed = len(published)
        return any(content.endswith(b"card") for content in published)

    pump(transport, read)
    pump(transport, lambda: transport.publish("predictions", b"again"))
    pump(transport, lambda: read() and any(c.endswith(b"again") for c in link.of(PUBLISH)))


# --- Goodbye ----------------------------------------------------------------------------------------------------------


def test_the_goodbye_comes_after_everything_else(broker: FakeBroker, make: Make) -> None:
    transport = make()
    link = connect(transport, broker)
    link.send(message(b"event", 9))
    transport.acknowledge([pump_one(transport)])
    transport.publish("predictions", b"answer")
    link.send(message(b"unread", 10))
    answering = threading.Thread(target=answer_until_gone, args=(link,))
    answering.start()
    started = time.monotonic()
    transport.close(10.0)
    assert time.monotonic() - started < 5
    answering.join()
    kinds = [kind for kind, _ in link.packets()]
    assert kinds[-1] == DISCONNECT
    statuses = [json.loads(c[c.index(b"{") :])["state"] for c in link.of(PUBLISH) if b"state" in c]
    assert statuses == ["online", "stopped"]
    assert link.of(PUBACK) == [b"\x00\x09"]
    assert transport.poll(0.0) == []
    assert not transport.connected


def answer_until_gone(link: Link) -> None:
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


def test_a_goodbye_that_is_not_confirmed_leaves_the_last_will_to_the_broker(broker: FakeBroker, make: Make) -> None:
    transport = make()
    link = connect(transport, broker)
    started = time.monotonic()
    transport.close(0.2)
    assert 0.15 < time.monotonic() - started < 5
    until = time.monotonic() + PATIENCE_S
    while not (link.packets() and link.ended):
        assert time.monotonic() < until
    assert link.of(DISCONNECT) == []


# --- The parts --------------------------------------------------------------------------------------------------------


def test_delays_double_up_to_their_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgedescent_mqtt.reaching.random.uniform", lambda _low, high: high)
    backoff = Backoff(0.5, 60.0)
    assert backoff.left_s == 0
    assert [backoff.failed() for _ in range(9)] == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    assert 59 < backoff.left_s <= 60
    assert {backoff.failed() for _ in range(5000)} == {60}
    backoff.reset()
    assert backoff.failed() == 0.5


def test_delays_are_jittered() -> None:
    delays = [Backoff(1.0, 60.0).failed() for _ in range(200)]
    assert 0.5 <= min(delays) < 0.6
    assert 0.9 < max(delays) <= 1.0


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (socket.gaierror(-2, "Name or service not known"), "Name or service not known"),
        (TimeoutError("timed out"), "it did not answer in time"),
        (TimeoutError(110, "Connection timed out"), "it did not answer in time"),
        (OSError("odd"), "odd"),
        (OSError(), "OSError"),
        (UnicodeError("label too long"), "this cannot be a host's name (see `broker.host`)"),
        (ssl.SSLEOFError(8, "EOF"), "TLS failed: the connection ended (does this port speak TLS?)"),
    ],
)
def test_reasons_are_in_plain_words(error: Exception, expected: str) -> None:
    assert explain(error) == expected


def test_an_attempt_at_a_broker_that_hangs_up_during_tls_is_explained(broker: FakeBroker) -> None:
    attempt = Attempt("127.0.0.1", broker.port, timeout_s=5.0, context=ssl.create_default_context())
    while not broker.accepted():
        time.sleep(0.01)
    broker.links[0].sock.close()
    assert attempt.wait(PATIENCE_S)
    with pytest.raises(OSError) as caught:  # noqa: PT011 - what matters is how it is explained
        attempt.result()
    assert "(does this port speak TLS?)" in explain(caught.value)


def test_nothing_secret_is_logged(
    broker: FakeBroker, make: Make, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("TEST_PASSWORD", "correct-horse-7")
    transport = make(username="pump", password_env="TEST_PASSWORD")
    link = connect(transport, broker)
    assert b"correct-horse-7" in link.of(CONNECT)[0]
    link.sock.close()
    pump(transport, lambda: not transport.connected)
    monkeypatch.delenv("TEST_PASSWORD")
    pump(transport, lambda: "the variable TEST_PASSWORD is not set" in warnings(caplog))
    assert "correct-horse-7" not in caplog.text
