"""A broker that does not handle unacknowledged events as MQTT asks of it is noticed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

from support.fake_broker import (
    WELCOME_BACK,
    FakeBroker,
    FakeBrokerLink,
    MakeAdapter,
    adapters_for,
    answer_until_gone,
    connect,
    deliveries,
    message,
    pump,
    pump_one,
    warnings,
    welcome,
)
from support.waiting import PATIENCE_S

FORGETS = "the broker has sent nothing again"


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


@pytest.mark.parametrize("resends", [True, False])
def test_a_broker_that_forgets_what_was_under_way(
    broker: FakeBroker, make: MakeAdapter, caplog: pytest.LogCaptureFixture, resends: bool
) -> None:
    transport = make()
    link = connect(transport, broker)
    link.send(message(b"1", 7))
    pump_one(transport)
    cut(transport, link)
    link = connect(transport, broker, WELCOME_BACK)
    link.send(message(b"1", 7, dup=True) if resends else message(b"2", 8))
    pump_one(transport)
    assert (FORGETS in warnings(caplog)) == (not resends)
    assert json.loads(transport.memory)["resends"] == resends
    # One that has shown once that it does is believed.
    cut(transport, link)
    caplog.clear()
    link = connect(transport, broker, WELCOME_BACK)
    link.send(message(b"3", 9))
    pump_one(transport)
    assert (FORGETS in warnings(caplog)) == (not resends)


def test_nothing_is_missed_where_all_was_acknowledged_or_the_session_is_new(
    broker: FakeBroker, make: MakeAdapter, caplog: pytest.LogCaptureFixture
) -> None:
    transport = make()
    link = connect(transport, broker)
    link.send(message(b"1", 7))
    assert transport.acknowledge([pump_one(transport)])
    cut(transport, link)
    link = connect(transport, broker, WELCOME_BACK)
    link.send(message(b"2", 8))
    pump_one(transport)
    cut(transport, link)
    link = connect(transport, broker)
    link.send(message(b"3", 1))
    pump_one(transport)
    assert FORGETS not in warnings(caplog)


@pytest.mark.parametrize("in_order", [True, False])
def test_the_next_process_knows_how_the_last_one_ended(
    broker: FakeBroker, make: MakeAdapter, caplog: pytest.LogCaptureFixture, in_order: bool
) -> None:
    first = make()
    link = connect(first, broker)
    if in_order:
        answering = threading.Thread(target=answer_until_gone, args=(link,))
        answering.start()
        assert first.close(PATIENCE_S)
        answering.join()
    second = make()
    second.resume(first.memory)
    link = connect(second, broker, WELCOME_BACK)
    link.send(message(b"1", 1))
    pump_one(second)
    assert (FORGETS in warnings(caplog)) == (not in_order)


@pytest.mark.parametrize("qos", [0, 1])
def test_more_than_the_receive_maximum_is_said_once(
    broker: FakeBroker, make: MakeAdapter, caplog: pytest.LogCaptureFixture, qos: int
) -> None:
    transport = make(protocol="5", receive_max=2)
    link = connect(transport, broker, welcome())
    link.send(b"".join(message(b"x", qos * (i + 1), five=True) for i in range(6)))
    assert len(sum(deliveries(transport, 6), [])) == 6  # noqa: RUF017
    assert warnings(caplog).count("more unacknowledged events than the 2 that `broker.receive_max` permits") == qos
