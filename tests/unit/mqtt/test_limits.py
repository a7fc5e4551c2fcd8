"""What a broker does not permit is adapted to with a warning, whether it says so or only hangs up."""

from __future__ import annotations

import pytest

from edgedescent_mqtt import publisher
from edgedescent_mqtt.limits import PACKET_BYTES_MAX, SUSPECT_BYTES
from support.fake_broker import (
    FakeBroker,
    MakeAdapter,
    connect,
    message,
    pump,
    pump_one,
    warnings,
    welcome,
)
from support.mqtt_packets import CONNECT, DISCONNECT, PINGREQ, PUBLISH, packet, split_packets

WILL_QOS, WILL_RETAIN = 0x18, 0x20


def will(content: bytes) -> tuple[int, bool]:
    """QoS and retention of the last will of a CONNECT."""
    flags = content[7]
    return (flags & WILL_QOS) >> 3, bool(flags & WILL_RETAIN)


def next_connect(transport: object, broker: FakeBroker, count: int) -> bytes:
    """Wait for the CONNECT of the `count`-th connection."""
    pump(transport, lambda: broker.accepted() >= count and broker.links[count - 1].of(CONNECT), "a CONNECT")  # type: ignore[arg-type]
    return broker.links[count - 1].of(CONNECT)[0]


@pytest.mark.parametrize(
    ("code", "adapted", "said"),
    [
        (0x9A, (1, False), "Retain not supported; it is asked again without a retained last will"),
        (0x9B, (0, True), "QoS not supported; it is asked again with a last will of QoS 0"),
    ],
)
def test_a_refused_will_is_adapted(
    broker: FakeBroker, make: MakeAdapter, caplog: pytest.LogCaptureFixture, code: int, adapted: object, said: str
) -> None:
    transport = make(protocol="5")
    assert will(next_connect(transport, broker, 1)) == (1, True)
    broker.links[0].send(packet(2, 0, bytes([0, code, 0])))
    assert will(next_connect(transport, broker, 2)) == adapted
    assert said in warnings(caplog)


def test_what_the_broker_does_not_grant_is_said_once_and_respected(
    broker: FakeBroker, make: MakeAdapter, caplog: pytest.LogCaptureFixture
) -> None:
    transport = make(protocol="5")
    # Session expiry 60 s, QoS 0, nothing retained, packets of 200 bytes.
    grants = welcome(b"\x11\0\0\0\x3c", b"\x24\0", b"\x25\0", b"\x27\0\0\0\xc8")
    for _ in range(2):
        link = connect(transport, broker, grants)
        assert transport.publish("snapshots", b"card", retain=True)
        assert transport.publish("metrics", b"{}")
        pump(transport, lambda link=link: len(link.of(PUBLISH)) == 3, "three messages")  # type: ignore[misc]
        flags = [flags for kind, flags, _, _ in split_packets(link.received) if kind == PUBLISH]
        assert flags == [0, 0, 0]
        assert transport.payload_bytes_max("metrics") == 200 - 17
        link.sock.close()
        pump(transport, lambda: not transport.connected)
    for text in ("for 60 s; `broker", "retains no messages", "with QoS 0 only", "packets of at most 200 bytes"):
        assert warnings(caplog).count(text) == 1, text


def test_a_broker_without_a_say_gets_what_was_asked_for(broker: FakeBroker, make: MakeAdapter) -> None:
    transport = make(protocol="5")
    connect(transport, broker, welcome())
    assert transport.payload_bytes_max("t") > PACKET_BYTES_MAX - 100


def test_the_keepalive_of_the_broker_counts(broker: FakeBroker, make: MakeAdapter) -> None:
    transport = make(protocol="5", keepalive_s=60)
    link = connect(transport, broker, welcome(b"\x13\0\x01"))
    pump(transport, lambda: link.of(PINGREQ), "a ping")


def test_unconfirmed_messages_stay_within_its_receive_maximum(broker: FakeBroker, make: MakeAdapter) -> None:
    transport = make(protocol="5", publish_qos=1)
    link = connect(transport, broker, welcome(b"\x21\0\x03"))
    sent = sum(transport.publish("predictions", b"x") for _ in range(10))
    # The status is one of them.
    assert sent == 2
    pump(transport, lambda: len(link.of(PUBLISH)) == 3)
    content = link.of(PUBLISH)[1]
    link.send(b"\x40\x02" + content[13:15])
    pump(transport, lambda: transport.publish("predictions", b"x"))


@pytest.mark.parametrize(("code", "hint"), [(0x87, "Check its access rules"), (0x97, "a quota that is used up")])
def test_a_refused_message_is_counted_and_said(
    broker: FakeBroker, make: MakeAdapter, caplog: pytest.LogCaptureFixture, code: int, hint: str
) -> None:
    transport = make(protocol="5", publish_qos=1)
    link = connect(transport, broker, welcome())
    assert transport.publish("predictions", b"x")
    pump(transport, lambda: len(link.of(PUBLISH)) == 2)
    status, answer = link.of(PUBLISH)
    # That nobody has subscribed is no refusal.
    link.send(b"\x40\x03" + status[8:10] + b"\x10" + b"\x40\x03" + answer[13:15] + bytes([code]))
    pump(transport, lambda: transport.counts["publications_refused"] == 1)
    assert "The broker refused the message to 'predictions'" in warnings(caplog)
    assert hint in warnings(caplog)


@pytest.mark.parametrize("accepts", [(1, False), (0, True), (0, False)])
def test_with_3_1_1_other_wills_are_tried(
    broker: FakeBroker, make: MakeAdapter, caplog: pytest.LogCaptureFixture, accepts: tuple[int, bool]
) -> None:
    transport = make()
    for attempt in range(1, 7):
        if will(next_connect(transport, broker, attempt)) == accepts:
            break
        broker.links[-1].sock.close()
    link = broker.links[-1]
    link.send(b"\x20\x02\0\0")
    pump(transport, lambda: link.of(PUBLISH), "the status")
    (flags,) = (flags for kind, flags, _, _ in split_packets(link.received) if kind == PUBLISH)
    assert (flags >> 1, bool(flags & 1)) == accepts
    assert ("retains no messages" in warnings(caplog)) == (not accepts[1])
    link.sock.close()
    # It stays with what was accepted.
    assert will(next_connect(transport, broker, attempt + 1)) == accepts


def test_one_failure_does_not_cost_the_retained_status(broker: FakeBroker, make: MakeAdapter) -> None:
    transport = make()
    next_connect(transport, broker, 1)
    broker.links[0].sock.close()
    assert will(next_connect(transport, broker, 2)) == (1, True)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_broker_that_ends_the_connection_behind_large_messages_gets_smaller_ones(
    broker: FakeBroker,
    make: MakeAdapter,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    protocol: str,
) -> None:
    monkeypatch.setattr(publisher, "GRACE_S", 0.0)
    transport = make(protocol=protocol)
    greeting = welcome() if protocol == "5" else b"\x20\x02\0\0"
    for _ in range(2):
        link = connect(transport, broker, greeting)
        assert transport.payload_bytes_max("t") > PACKET_BYTES_MAX - 100
        # An end behind small ones, or behind one that it has taken, means nothing.
        transport.publish("t", bytes(100))
        link.sock.close()
        pump(transport, lambda: not transport.connected)
        link = connect(transport, broker, greeting)
        transport.publish("t", bytes(50_000))
        pump(transport, lambda link=link: link.of(PINGREQ), "a ping")  # type: ignore[misc]
        link.send(b"\xd0\0" + message(b"x") if protocol == "3.1.1" else b"\xd0\0" + packet(3, 0, b"\0\x06events\0x"))
        pump_one(transport)
        link.sock.close()
        pump(transport, lambda: not transport.connected)
    for _ in range(2):
        link = connect(transport, broker, greeting)
        transport.publish("t", bytes(50_000))
        pump(transport, lambda link=link: link.of(PINGREQ), "a ping")  # type: ignore[misc]
        link.sock.close()
        pump(transport, lambda: not transport.connected)
    assert transport.payload_bytes_max("t") == 25_000 - 11
    assert "behind a message of 50000 bytes" in warnings(caplog)
    assert SUSPECT_BYTES < 25_000


def test_a_ping_may_be_answered_before_a_large_message_is_refused(broker: FakeBroker, make: MakeAdapter) -> None:
    transport = make()
    for _ in range(2):
        link = connect(transport, broker)
        transport.publish("t", bytes(50_000))
        pump(transport, lambda link=link: link.of(PINGREQ), "a ping")  # type: ignore[misc]
        link.send(b"\xd0\0")
        link.sock.close()
        pump(transport, lambda: not transport.connected)
    assert transport.payload_bytes_max("t") == 25_000 - 11


def test_packet_too_large_is_believed_at_once(broker: FakeBroker, make: MakeAdapter) -> None:
    transport = make(protocol="5")
    link = connect(transport, broker, welcome())
    transport.publish("t", bytes(50_000))
    pump(transport, lambda: link.of(PINGREQ))
    link.send(packet(DISCONNECT, 0, b"\x95\0"))
    pump(transport, lambda: not transport.connected)
    assert transport.payload_bytes_max("t") == 25_000 - 11


def test_the_hint_at_3_1_1_also_comes_where_it_hangs_up(
    broker: FakeBroker, make: MakeAdapter, caplog: pytest.LogCaptureFixture
) -> None:
    transport = make(protocol="5")
    next_connect(transport, broker, 1)
    # The refusal of a broker that knows only 3.1.1.
    broker.links[0].send(b"\x20\x02\0\x01")
    next_connect(transport, broker, 2)
    assert 'Unsupported protocol version (set broker.protocol = "3.1.1")' in warnings(caplog)
    broker.links[1].sock.close()
    next_connect(transport, broker, 3)
    assert 'before accepting it (if it knows only MQTT 3.1.1, set broker.protocol = "3.1.1")' in warnings(caplog)


def test_a_session_that_another_client_takes_over_and_ends_is_said(
    broker: FakeBroker, make: MakeAdapter, caplog: pytest.LogCaptureFixture
) -> None:
    transport = make(protocol="5", client_id="pump-1")
    link = connect(transport, broker, welcome())
    link.send(packet(DISCONNECT, 0, b"\x8e\0"))
    pump(transport, lambda: not transport.connected)
    assert "another client has taken over the session, with the client id 'pump-1'" in warnings(caplog)
    assert transport.counts["sessions_taken_over"] == 1
    next_connect(transport, broker, 2)
    broker.links[1].send(welcome())
    pump(transport, lambda: transport.connected)
    assert "because another client has ended it with the client id 'pump-1'" in warnings(caplog)
    assert transport.counts["sessions_lost"] == 1
