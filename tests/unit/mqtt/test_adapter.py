"""What goes over a connection: events, subscriptions, answers; the broker says exactly what the test wants."""

from __future__ import annotations

import logging
import threading
import time

import pytest

from edgedescent_mqtt.adapter import INBOX_BYTES_MAX
from edgedescent_mqtt.buffered_socket import PENDING_BYTES_MAX
from support.fake_broker import (
    FakeBroker,
    MakeAdapter,
    connect,
    deliveries,
    message,
    pump,
    pump_one,
    warnings,
)
from support.mqtt_packets import PUBACK, PUBLISH, SUBSCRIBE

# --- Events -----------------------------------------------------------------------------------------------------------


def test_events_are_delivered_and_acknowledged_when_told_to(broker: FakeBroker, make: MakeAdapter) -> None:
    transport = make()
    link = connect(transport, broker)
    link.send(message(b"one", 1) + message(b"two", 2) + message(b"three"))
    got = [delivery for poll in deliveries(transport, 3) for delivery in poll]
    assert [(d.payload, d.packet_id, d.qos) for d in got] == [(b"one", 1, 1), (b"two", 2, 1), (b"three", 0, 0)]
    assert link.of(PUBACK) == []
    transport.acknowledge(got)
    pump(transport, lambda: len(link.of(PUBACK)) == 2)
    assert link.of(PUBACK) == [b"\x00\x01", b"\x00\x02"]


def test_acknowledgements_of_an_earlier_connection_are_left_out(broker: FakeBroker, make: MakeAdapter) -> None:
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


def test_one_poll_takes_a_bounded_number_of_events(broker: FakeBroker, make: MakeAdapter) -> None:
    transport = make(receive_max=10)
    link = connect(transport, broker)
    link.send(message(b"x") * 500)
    assert max(map(len, deliveries(transport, 500))) <= 10


def test_one_poll_takes_a_bounded_number_of_bytes(broker: FakeBroker, make: MakeAdapter) -> None:
    transport = make()
    link = connect(transport, broker)
    payload = bytes(200_000)
    sender = threading.Thread(target=link.send, args=(message(payload) * 40,))
    sender.start()
    sizes = [sum(len(delivery.payload) for delivery in poll) for poll in deliveries(transport, 40)]
    sender.join()
    assert max(sizes) <= INBOX_BYTES_MAX + len(payload)


def test_a_topic_that_is_no_text_does_no_harm(broker: FakeBroker, make: MakeAdapter) -> None:
    transport = make()
    link = connect(transport, broker)
    link.send(message(b"x", 7, topic=b"\xff\xfe"))
    delivery = pump_one(transport)
    assert delivery.topic == "\N{REPLACEMENT CHARACTER}"


# --- Subscriptions ----------------------------------------------------------------------------------------------------


def test_a_refused_subscription_is_told_and_asked_for_again(
    broker: FakeBroker, make: MakeAdapter, caplog: pytest.LogCaptureFixture
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


def test_less_than_was_asked_for_is_told(
    broker: FakeBroker, make: MakeAdapter, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    transport = make()
    link = connect(transport, broker)
    link.send(b"\x90\x03" + link.of(SUBSCRIBE)[0][:2] + b"\x00")
    pump(transport, lambda: "Receiving events with QoS 0." in warnings(caplog))
    pump(transport, lambda: "grants no better QoS than that" in warnings(caplog))


# --- Publishing -------------------------------------------------------------------------------------------------------


def test_without_a_connection_nothing_is_taken(make: MakeAdapter) -> None:
    transport = make(port=1)
    assert transport.publish("predictions", b"x") is False
    transport.poll(0.05)
    assert transport.publish("predictions", b"x", retain=True) is False
    transport.acknowledge([])


@pytest.mark.parametrize("qos", [0, 1])
def test_what_waits_for_a_slow_broker_is_bounded(broker: FakeBroker, make: MakeAdapter, qos: int) -> None:
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
