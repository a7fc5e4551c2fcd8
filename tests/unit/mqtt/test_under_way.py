"""A broker that does not handle unacknowledged events as MQTT asks of it is noticed."""

from __future__ import annotations

import json

import pytest

from edgedescent_mqtt.under_way import NEW_MAX
from support.fake_broker import (
    WELCOME_BACK,
    FakeBroker,
    FakeBrokerLink,
    MakeAdapter,
    connect,
    deliveries,
    message,
    pump,
    pump_one,
    warnings,
    welcome,
)

FORGETS = "The broker has kept the session but does not send"


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
        (message(b"1", 41, dup=True), None),
        (message(b"9", 3_000, dup=True), None),
        (message(b"2", 42), "messages again"),
        # Of what it had sent, one has come, and one came to nobody.
        (message(b"3", 43), "1 messages again"),
        (message(b"3", 43, dup=True), "1 messages again"),
        (message(b"8", 48), "6 messages again"),
    ],
)
@pytest.mark.parametrize("continues", [True, False])
def test_a_broker_that_forgets_what_was_under_way_is_told(
    broker: FakeBroker,
    make: MakeAdapter,
    caplog: pytest.LogCaptureFixture,
    first: bytes,
    forgotten: str | None,
    continues: bool,
) -> None:
    transport = make()
    # What goes on behind 39 shows that the broker does not number each connection anew.
    transport.resume(known_session(make, broker), 39 if continues else 5, ())
    link = connect(transport, broker, WELCOME_BACK)
    link.send(message(b"0", 40))
    assert transport.acknowledge([pump_one(transport)])
    assert json.loads(transport.memory)["continues"] == continues
    link.send(message(b"1", 41))
    pump_one(transport)
    cut(transport, link)
    caplog.clear()
    link = connect(transport, broker, WELCOME_BACK)
    link.send(first)
    pump_one(transport)
    # Going on at 41 or 42 is proof too.
    is_told = forgotten is not None and (continues or forgotten == "messages again")
    assert (FORGETS in warnings(caplog)) == is_told
    assert not is_told or str(forgotten) in warnings(caplog)
    count = int(forgotten[0]) if is_told and forgotten and forgotten[0].isdigit() else 0
    assert transport.counts["messages_forgotten"] == count


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
    transport.resume(known_session(make, broker), 2, (65_534, 65_535, 1, 2))
    link = connect(transport, broker, WELCOME_BACK)
    ids = [65_534, 65_535, 1, 2, 3, 2]
    link.send(b"".join(message(b"x", packet_id) for packet_id in ids))
    found = [one for poll in deliveries(transport, 6) for one in poll]
    assert [one.duplicate for one in found] == [True, True, True, True, False, False]
    assert warnings(caplog).count("sends messages again without marking them") == 1


def test_messages_whose_sending_again_was_interrupted_are_marked_in_the_end(
    broker: FakeBroker, make: MakeAdapter
) -> None:
    transport = make()
    transport.resume(known_session(make, broker), 313, range(264, 314))
    link = connect(transport, broker, WELCOME_BACK)
    link.send(message(b"x", 264) + message(b"x", 265))
    again = [one for poll in deliveries(transport, 2) for one in poll]
    assert transport.acknowledge(again)
    cut(transport, link)
    link = connect(transport, broker, WELCOME_BACK)
    link.send(b"".join(message(b"x", packet_id) for packet_id in (266, 267, 313, 314)))
    rest = [one for poll in deliveries(transport, 4) for one in poll]
    assert [one.duplicate for one in again + rest] == [True, True, True, True, True, False]


def test_a_gap_of_a_broker_that_does_not_mark_is_none(
    broker: FakeBroker, make: MakeAdapter, caplog: pytest.LogCaptureFixture
) -> None:
    transport = make()
    transport.resume(known_session(make, broker), 313, (313,))
    # Sent again, behind the last one by chance, and at random.
    for packet_id in (313, 314, 859):
        link = connect(transport, broker, WELCOME_BACK)
        link.send(message(b"x", packet_id))
        assert transport.acknowledge([pump_one(transport)])
        cut(transport, link)
    assert FORGETS not in warnings(caplog)
    assert transport.counts["messages_forgotten"] == 0


def test_new_events_may_come_before_those_that_are_sent_again(broker: FakeBroker, make: MakeAdapter) -> None:
    transport = make()
    transport.resume(known_session(make, broker), 3_049, range(3_000, 3_050))
    link = connect(transport, broker, WELCOME_BACK)
    ids = [*range(700, 700 + NEW_MAX), 3_000, 764, 3_001]
    link.send(b"".join(message(b"x", packet_id) for packet_id in ids))
    found = [one for poll in deliveries(transport, len(ids)) for one in poll]
    assert [one.packet_id for one in found if one.duplicate] == [3_000, 3_001]
    # The process is ended before they are acknowledged: all come again, from two connections.
    later = make()
    later.resume(transport.memory, 764, (*range(3_002, 3_050), *ids))
    link = connect(later, broker, WELCOME_BACK)
    ids = [3_001, 3_000, 763, 764, 9_000]
    link.send(b"".join(message(b"x", packet_id) for packet_id in ids))
    found = [one for poll in deliveries(later, len(ids)) for one in poll]
    assert [one.duplicate for one in found] == [True, True, True, True, False]


@pytest.mark.parametrize(
    "first",
    [
        # It may number each connection anew; it marks; it had enough time for what it had to send again.
        message(b"x", 1),
        message(b"x", 8, dup=True),
        b"".join(message(b"x", 700 + i) for i in range(NEW_MAX + 1)),
    ],
    ids=["1", "marked", "late"],
)
def test_new_messages_are_not_marked(broker: FakeBroker, make: MakeAdapter, first: bytes) -> None:
    transport = make()
    transport.resume(known_session(make, broker), 10, (8, 9, 10))
    link = connect(transport, broker, WELCOME_BACK)
    link.send(first + message(b"x", 9) + message(b"x", 10))
    found = [one for poll in deliveries(transport, first.count(b"x") + 2) for one in poll]
    assert [one.duplicate for one in found[-2:]] == [False, False]


@pytest.mark.parametrize("is_confirmed", [True, False])
def test_what_the_broker_knows_to_be_acknowledged_does_not_come_again(
    broker: FakeBroker, make: MakeAdapter, is_confirmed: bool
) -> None:
    transport = make()
    link = connect(transport, broker)
    link.send(message(b"x", 40) + message(b"x", 41))
    assert transport.acknowledge([one for poll in deliveries(transport, 2) for one in poll])
    if is_confirmed:
        link.send(b"\xd0\x00")
        pump(transport, lambda: transport.confirmed == 1)
    link.send(message(b"x", 42))
    pump_one(transport)
    cut(transport, link)
    link = connect(transport, broker, WELCOME_BACK)
    link.send(message(b"x", 700) + message(b"x", 41) + message(b"x", 42))
    found = [one for poll in deliveries(transport, 3) for one in poll]
    assert [one.duplicate for one in found] == [False, not is_confirmed, True]


def test_a_broker_that_marks_is_believed_from_then_on(broker: FakeBroker, make: MakeAdapter) -> None:
    transport = make()
    transport.resume(known_session(make, broker), 10, (9, 10))
    link = connect(transport, broker, WELCOME_BACK)
    link.send(message(b"x", 10, dup=True))
    assert pump_one(transport).duplicate
    later = make()
    later.resume(transport.memory, 10, (9, 10))
    link = connect(later, broker, WELCOME_BACK)
    link.send(message(b"x", 9))
    assert not pump_one(later).duplicate


@pytest.mark.parametrize(
    ("saved", "packet_id", "lost"),
    [(25, 25, 0), (25, 26, 0), (25, 28, 2), (25, 3_000, 0), (0, 1, 0), (0, 41, 40), (None, 41, 0)],
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
    memory = json.loads(known_session(make, broker))
    transport.resume(json.dumps(memory | {"continues": True}), saved, ())
    link = connect(transport, broker, WELCOME_BACK)
    link.send(message(b"0", topic=b"events") + message(b"1", packet_id))
    deliveries(transport, 2)
    assert transport.counts["messages_forgotten"] == lost
    assert (FORGETS in warnings(caplog)) == bool(lost)


def test_a_broker_that_numbers_each_connection_anew_is_not_suspected(
    broker: FakeBroker, make: MakeAdapter, caplog: pytest.LogCaptureFixture
) -> None:
    transport = make()
    transport.resume(known_session(make, broker), 1, (1,))
    for packet_id in (6, 1, 10, 2, 9):
        link = connect(transport, broker, WELCOME_BACK)
        link.send(message(b"0", packet_id, dup=packet_id == 1))
        pump_one(transport)
        cut(transport, link)
    assert FORGETS not in warnings(caplog)


@pytest.mark.parametrize("qos", [0, 1])
def test_more_than_the_receive_maximum_is_said_once(
    broker: FakeBroker, make: MakeAdapter, caplog: pytest.LogCaptureFixture, qos: int
) -> None:
    transport = make(protocol="5", receive_max=2)
    link = connect(transport, broker, welcome())
    link.send(b"".join(message(b"x", qos * (i + 1), five=True) for i in range(6)))
    assert len(sum(deliveries(transport, 6), [])) == 6  # noqa: RUF017
    assert warnings(caplog).count("more unacknowledged events than the 2 that `broker.receive_max` permits") == qos
