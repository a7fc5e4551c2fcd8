"""A broker that does not handle unacknowledged events as MQTT asks of it is noticed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.fake_broker import (
    WELCOME_BACK,
    FakeBroker,
    FakeBrokerLink,
    MakeAdapter,
    adapters_for,
    connect,
    deliveries,
    message,
    pump,
    pump_one,
    warnings,
    welcome,
)

FORGETS = "The broker has kept the session but does not send"


@pytest.fixture
def broker() -> Iterator[FakeBroker]:
    with FakeBroker() as made:
        yield made


@pytest.fixture
def make(broker: FakeBroker) -> Iterator[MakeAdapter]:
    with adapters_for(broker) as make_adapter:
        yield make_adapter


def cut(transport: object, link: FakeBrokerLink) -> None:
    link.sock.close()
    pump(transport, lambda: not transport.connected)  # type: ignore[arg-type, attr-defined]


def known_session(make: MakeAdapter, broker: FakeBroker) -> str:
    """What an earlier process knows of the session that it has made."""
    earlier = make()
    connect(earlier, broker)
    return earlier.memory


@pytest.mark.parametrize(
    ("first", "forgotten"),
    [
        (message(b"1", 7, dup=True), None),
        # It numbers each connection anew.
        (message(b"1", 1, dup=True), None),
        (message(b"9", 1), "messages again"),
        (message(b"2", 8), "messages again"),
        # Of what it had sent, one has come, and one came to nobody.
        (message(b"3", 9), "1 messages again"),
        (message(b"3", 9, dup=True), "1 messages again"),
        (message(b"8", 14), "6 messages again"),
    ],
)
def test_a_broker_that_forgets_what_was_under_way_is_told(
    broker: FakeBroker, make: MakeAdapter, caplog: pytest.LogCaptureFixture, first: bytes, forgotten: str | None
) -> None:
    transport = make()
    link = connect(transport, broker)
    link.send(message(b"1", 7))
    pump_one(transport)
    cut(transport, link)
    link = connect(transport, broker, WELCOME_BACK)
    link.send(first)
    pump_one(transport)
    assert (FORGETS in warnings(caplog)) == (forgotten is not None)
    assert (forgotten or "") in warnings(caplog)
    assert transport.counts["messages_forgotten"] == (int(forgotten[0]) if forgotten and forgotten[0].isdigit() else 0)


def test_nothing_is_missed_where_all_was_acknowledged_or_the_session_is_new(
    broker: FakeBroker, make: MakeAdapter, caplog: pytest.LogCaptureFixture
) -> None:
    transport = make()
    link = connect(transport, broker)
    link.send(message(b"1", 65_535))
    assert transport.acknowledge([pump_one(transport)])
    cut(transport, link)
    link = connect(transport, broker, WELCOME_BACK)
    link.send(message(b"2", 1))
    pump_one(transport)
    cut(transport, link)
    link = connect(transport, broker)
    link.send(message(b"3", 9))
    pump_one(transport)
    assert FORGETS not in warnings(caplog)


def test_messages_that_are_sent_again_unmarked_are_marked(
    broker: FakeBroker, make: MakeAdapter, caplog: pytest.LogCaptureFixture
) -> None:
    transport = make()
    transport.resume(known_session(make, broker), 2)
    link = connect(transport, broker, WELCOME_BACK)
    ids = [65_534, 65_535, 1, 2, 3, 2]
    link.send(b"".join(message(b"x", packet_id) for packet_id in ids))
    found = [one for poll in deliveries(transport, 6) for one in poll]
    assert [one.duplicate for one in found] == [True, True, True, True, False, False]
    assert warnings(caplog).count("sends messages again without marking them") == 1


@pytest.mark.parametrize(
    "first", [message(b"x", 1), message(b"x", 3_000), message(b"x", 8, dup=True), message(b"x", 11)]
)
def test_new_messages_are_not_marked(broker: FakeBroker, make: MakeAdapter, first: bytes) -> None:
    transport = make()
    transport.resume(known_session(make, broker), 10)
    link = connect(transport, broker, WELCOME_BACK)
    link.send(first + message(b"x", 9) + message(b"x", 10))
    found = [one for poll in deliveries(transport, 3) for one in poll]
    assert [one.duplicate for one in found[1:]] == [False, False]


def test_a_broker_that_marks_is_believed_from_then_on(broker: FakeBroker, make: MakeAdapter) -> None:
    transport = make()
    transport.resume(known_session(make, broker), 10)
    link = connect(transport, broker, WELCOME_BACK)
    link.send(message(b"x", 10, dup=True))
    assert pump_one(transport).duplicate
    later = make()
    later.resume(transport.memory, 10)
    link = connect(later, broker, WELCOME_BACK)
    link.send(message(b"x", 9))
    assert not pump_one(later).duplicate


@pytest.mark.parametrize(
    ("saved", "packet_id", "lost"),
    [(5, 5, 0), (5, 6, 0), (5, 8, 2), (5, 3_000, 0), (0, 1, 0), (0, 41, 40), (None, 41, 0)],
)
def test_the_next_process_knows_where_the_last_one_was(
    broker: FakeBroker,
    make: MakeAdapter,
    caplog: pytest.LogCaptureFixture,
    saved: int | None,
    packet_id: int,
    lost: int,
) -> None:
    transport = make()
    transport.resume(known_session(make, broker), saved)
    link = connect(transport, broker, WELCOME_BACK)
    link.send(message(b"0", topic=b"events") + message(b"1", packet_id))
    deliveries(transport, 2)
    assert transport.counts["messages_forgotten"] == lost
    assert (FORGETS in warnings(caplog)) == bool(lost)


@pytest.mark.parametrize("qos", [0, 1])
def test_more_than_the_receive_maximum_is_said_once(
    broker: FakeBroker, make: MakeAdapter, caplog: pytest.LogCaptureFixture, qos: int
) -> None:
    transport = make(protocol="5", receive_max=2)
    link = connect(transport, broker, welcome())
    link.send(b"".join(message(b"x", qos * (i + 1), five=True) for i in range(6)))
    assert len(sum(deliveries(transport, 6), [])) == 6  # noqa: RUF017
    assert warnings(caplog).count("more unacknowledged events than the 2 that `broker.receive_max` permits") == qos
