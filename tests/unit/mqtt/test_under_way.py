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


@pytest.mark.parametrize(("packet_id", "lost"), [(5, 0), (6, 0), (8, 2), (3_000, 0)])
def test_the_next_process_knows_where_the_last_one_was(
    broker: FakeBroker, make: MakeAdapter, caplog: pytest.LogCaptureFixture, packet_id: int, lost: int
) -> None:
    transport = make()
    transport.resume("", 5)
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
