"""What a broker says with its acceptance and its reason codes is kept to, and told to the operator."""

from __future__ import annotations

import pytest

from support.fake_broker import (
    FakeBroker,
    FakeBrokerLink,
    MakeAdapter,
    connect,
    pump,
    warnings,
    welcome,
)
from support.mqtt_packets import CONNECT, DISCONNECT, PUBLISH, SUBSCRIBE, packet


def text(value: bytes) -> bytes:
    return len(value).to_bytes(2, "big") + value


def subscribed(link: FakeBrokerLink) -> list[list[str]]:
    """Filters of each SUBSCRIBE of MQTT 5."""
    found = []
    for content in link.of(SUBSCRIBE):
        at, names = 3 + content[2], []
        while at < len(content):
            end = at + 2 + int.from_bytes(content[at : at + 2], "big")
            names.append(content[at + 2 : end].decode())
            at = end + 1
        found.append(names)
    return found


@pytest.mark.parametrize(
    ("names", "grant", "hint"),
    [
        (("events", "p/+"), b"\x28\0", "Not subscribing to 'p/+': The broker does not take it. It knows no wildcards"),
        (
            ("events", "$share/g/p"),
            b"\x2a\0",
            "Not subscribing to '$share/g/p': The broker does not take it. It knows no",
        ),
    ],
)
def test_filters_that_it_does_not_know_are_not_asked_for(
    broker: FakeBroker,
    make: MakeAdapter,
    caplog: pytest.LogCaptureFixture,
    names: tuple[str, ...],
    grant: bytes,
    hint: str,
) -> None:
    link = connect(make(*names, protocol="5"), broker, welcome(grant))
    assert subscribed(link) == [["events"]]
    assert hint in warnings(caplog)


@pytest.mark.parametrize(
    ("code", "names"), [(0xA2, ("events", "p/+")), (0x9E, ("events", "$share/g/p")), (0xA1, ("events", "#"))]
)
def test_what_ends_a_connection_is_not_asked_for_again(
    broker: FakeBroker, make: MakeAdapter, code: int, names: tuple[str, ...]
) -> None:
    transport = make(*names, protocol="5")
    link = connect(transport, broker, welcome())
    pump(transport, lambda: sum(map(len, subscribed(link))) == 2, "both filters")
    link.send(packet(DISCONNECT, 0, bytes([code, 0])))
    pump(transport, lambda: not transport.connected)
    link = connect(transport, broker, welcome())
    # Without identifiers, the wider one is enough.
    assert subscribed(link) == ([["#"]] if code == 0xA1 else [["events"]])


def test_subscriptions_fit_into_its_packets(
    broker: FakeBroker, make: MakeAdapter, caplog: pytest.LogCaptureFixture
) -> None:
    names = [f"plant/line{i}/events" for i in range(6)]
    link = connect(make(*names, "x" * 80, protocol="5"), broker, welcome(b"\x27\0\0\0\x50"))
    contents = link.of(SUBSCRIBE)
    assert [name for group in subscribed(link) for name in group] == names
    assert len(contents) > 1
    assert all(len(content) + 2 <= 80 for content in contents)
    assert f"Not subscribing to '{'x' * 77}" in warnings(caplog)


def test_another_client_id_is_said(broker: FakeBroker, make: MakeAdapter, caplog: pytest.LogCaptureFixture) -> None:
    connect(make(protocol="5"), broker, welcome(b"\x12" + text(b"other")))
    assert "The broker calls this client 'other' instead of `broker.client_id`" in warnings(caplog)


def test_the_status_counts_among_the_unconfirmed(broker: FakeBroker, make: MakeAdapter) -> None:
    transport = make(protocol="5", publish_qos=1)
    link = connect(transport, broker, welcome(b"\x21\0\x01"))
    assert not transport.publish("predictions", b"x")
    assert not transport.publish("snapshots", b"card", retain=True)
    (status,) = link.of(PUBLISH)
    link.send(b"\x40\x02" + status[8:10])
    pump(transport, lambda: transport.publish("predictions", b"x"))
    pump(transport, lambda: len(link.of(PUBLISH)) == 2)
    # Over the next connection the answer goes again, and the status waits for its confirmation.
    link.sock.close()
    pump(transport, lambda: not transport.connected)
    count = broker.accepted()
    pump(transport, lambda: broker.accepted() > count, "a connection")
    link = broker.links[-1]
    pump(transport, lambda: link.of(CONNECT), "its CONNECT")
    link.send(welcome(b"\x21\0\x01"))
    pump(transport, lambda: link.of(PUBLISH) and link.of(SUBSCRIBE))
    for _ in range(5):
        transport.poll(0.01)
    (answer,) = link.of(PUBLISH)
    assert b"predictions" in answer
    link.send(b"\x40\x02" + answer[13:15])
    pump(transport, lambda: len(link.of(PUBLISH)) == 2)
    assert b"online" in link.of(PUBLISH)[1]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (0x85, "Client identifier not valid: 'because' (see `broker.client_id`)"),
        (0x8A, "Banned: 'because' (the broker's administrator has banned this client)"),
        (0x8C, "Bad authentication method: 'because' (it wants another way to log in than user name and password)"),
        (0x97, "Quota exceeded: 'because' (it has a quota that is used up)"),
        (0x9F, "Connection rate exceeded: 'because' (raise `broker.reconnect_min_s`)"),
    ],
)
def test_a_refusal_is_told_with_the_brokers_words_and_advice(
    broker: FakeBroker, make: MakeAdapter, caplog: pytest.LogCaptureFixture, code: int, said: str
) -> None:
    transport = make(protocol="5")
    pump(transport, lambda: broker.accepted() and broker.links[0].of(CONNECT), "a CONNECT")
    why = b"\x1f" + text(b"because")
    broker.links[0].send(packet(2, 0, bytes([0, code, len(why)]) + why))
    pump(transport, lambda: broker.accepted() > 1)
    assert f"it refused the connection: {said}" in warnings(caplog)


def test_another_server_is_named(broker: FakeBroker, make: MakeAdapter, caplog: pytest.LogCaptureFixture) -> None:
    transport = make(protocol="5")
    pump(transport, lambda: broker.accepted() and broker.links[0].of(CONNECT), "a CONNECT")
    other = b"\x1c" + text(b"b2.example:1883")
    broker.links[0].send(packet(2, 0, bytes([0, 0x9D, len(other)]) + other))
    link = connect(transport, broker, welcome())
    assert "Server moved, use 'b2.example:1883' (see `broker.host`)" in warnings(caplog)
    link.send(packet(DISCONNECT, 0, bytes([0x96, 0])))
    pump(transport, lambda: not transport.connected)
    assert "the broker ended it: Message rate too high (see its limit on the rate of messages). Next" in warnings(
        caplog
    )
