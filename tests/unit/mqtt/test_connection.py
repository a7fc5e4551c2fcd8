"""Reaching a broker, losing it and taking leave of it, where the broker says exactly what the test wants."""

from __future__ import annotations

import json
import logging
import random
import re
import socket
import ssl
import threading
import time
from typing import Any

import pytest

from edgedescent_mqtt import adapter
from edgedescent_mqtt.client import Connection
from edgedescent_mqtt.connect import Backoff, ConnectAttempt, explain
from support.fake_broker import (
    WELCOME,
    FakeBroker,
    FakeBrokerLink,
    MakeAdapter,
    answer_until_gone,
    connect,
    deliveries,
    message,
    pump,
    pump_one,
    warnings,
)
from support.mqtt_packets import CONNECT, DISCONNECT, PINGREQ, PUBACK, PUBLISH
from support.waiting import PATIENCE_S, at_least, eventually, sooner_than

# --- Connecting -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (1, "it refused the connection|it does not speak MQTT|the broker closed it before accepting it"),
        (2, r"it refused the connection: Client identifier not valid \(see `broker\.client_id`\)"),
        (3, "it refused the connection: Server unavailable"),
        (4, r"it refused the connection: Bad user name or password \(see `broker\.username` and its password\)"),
        (5, "it refused the connection: Not authorized"),
    ],
)
def test_a_refusal_is_told_once_and_tried_again(
    broker: FakeBroker, make: MakeAdapter, caplog: pytest.LogCaptureFixture, code: int, expected: str
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
    broker: FakeBroker, make: MakeAdapter, caplog: pytest.LogCaptureFixture
) -> None:
    transport = make(protocol="5")
    pump(transport, broker.accepted)
    broker.links[0].send(b"\x20\x03\x00\x84\x00")
    pump(transport, lambda: caplog.records)
    assert 'Unsupported protocol version (set broker.protocol = "3.1.1")' in warnings(caplog)


def test_a_broker_that_does_not_answer_is_given_up(
    broker: FakeBroker, make: MakeAdapter, caplog: pytest.LogCaptureFixture
) -> None:
    transport = make(protocol="5", connect_timeout_s=0.1)
    pump(transport, lambda: broker.accepted() >= 3, "three attempts")
    assert "it accepts connections but does not answer (if it knows only MQTT 3.1.1" in warnings(caplog)


def test_a_broker_that_hangs_up_is_tried_again(
    broker: FakeBroker, make: MakeAdapter, caplog: pytest.LogCaptureFixture
) -> None:
    transport = make()
    for attempt in (1, 2, 3):
        pump(transport, lambda n=attempt: broker.accepted() >= n, "an attempt")  # type: ignore[misc]
        broker.links[-1].sock.close()
    pump(transport, lambda: len(caplog.records) >= 3)
    assert "the broker closed it before accepting it" in warnings(caplog) or "reset" in warnings(caplog)


@pytest.mark.parametrize("host", ["x" * 70 + ".example", "bad..name", "no.such.host.invalid"])
def test_a_name_that_cannot_be_looked_up_is_told(
    make: MakeAdapter, caplog: pytest.LogCaptureFixture, host: str
) -> None:
    transport = make(host=host)
    pump(transport, lambda: len(caplog.records) >= 2, "two messages")
    assert f"No connection to the broker at {host}:" in warnings(caplog)


def test_a_lookup_that_hangs_holds_nothing_up(
    broker: FakeBroker, make: MakeAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging, real = threading.Event(), socket.create_connection

    def slow(*arguments: Any) -> socket.socket:
        hanging.wait(PATIENCE_S)
        return real(*arguments)

    monkeypatch.setattr("edgedescent_mqtt.connect.socket.create_connection", slow)
    transport = make()
    with sooner_than(PATIENCE_S):
        assert transport.poll(0.05) == []
        assert transport.poll(0.0) == []
        transport.close(0.5)
    hanging.set()
    # The connection that comes too late is closed, not left behind.
    eventually(
        lambda: broker.accepted() and (broker.links[0].packets() or broker.links[0].ended), "the end of the connection"
    )
    assert broker.links[0].ended
    assert broker.links[0].received == b""


def test_polling_waits_its_time_while_there_is_no_broker(make: MakeAdapter) -> None:
    transport = make(port=1, reconnect_min_s=PATIENCE_S, reconnect_max_s=PATIENCE_S)
    transport.poll(0.2)
    with at_least(0.3):
        for _ in range(3):
            transport.poll(0.1)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@pytest.mark.parametrize("seed", range(8))
def test_a_broker_that_talks_nonsense_never_ends_the_daemon(
    broker: FakeBroker, make: MakeAdapter, protocol: str, seed: int
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


# --- Losing the connection --------------------------------------------------------------------------------------------


def test_a_taken_over_session_is_told(broker: FakeBroker, make: MakeAdapter, caplog: pytest.LogCaptureFixture) -> None:
    transport = make(protocol="5")
    link = connect(transport, broker, b"\x20\x03\x00\x00\x00")
    link.send(b"\xe0\x07\x8e\x05\x1f\x00\x02hi")
    pump(transport, lambda: not transport.connected)
    assert "another client has taken over the session, with the client id 'edgedescent-pump'" in warnings(caplog)


def test_a_connection_that_is_dead_is_noticed(
    broker: FakeBroker, make: MakeAdapter, caplog: pytest.LogCaptureFixture
) -> None:
    transport = make(keepalive_s=1)
    link = connect(transport, broker)
    pump(transport, lambda: link.of(PINGREQ), "a sign of life")
    pump(transport, lambda: not transport.connected, "noticing it")
    assert "it stopped answering" in warnings(caplog)
    connect(transport, broker)


def test_a_connection_of_which_nothing_is_taken_is_kept(broker: FakeBroker, make: MakeAdapter) -> None:
    transport = make(keepalive_s=1)
    link = connect(transport, broker)
    link.send(message(b"first", 1) + message(b"second", 2))
    started = time.monotonic()
    while time.monotonic() < started + 2.5 or len(link.of(PINGREQ)) < 3:
        assert time.monotonic() < started + PATIENCE_S
        # Whatever waits to be read, it takes its time.
        with at_least(0.1):
            assert transport.poll(0.1, take=False) == []
    # Twice as often as the broker asks for, though its answers are not read.
    assert len(link.of(PINGREQ)) <= 2 * (time.monotonic() - started) + 1
    assert transport.connected
    link.send(b"\xd0\x00" * len(link.of(PINGREQ)))
    assert [delivery.payload for poll in deliveries(transport, 2) for delivery in poll] == [b"first", b"second"]
    pump(transport, lambda: transport.connected)


def test_a_connection_of_which_nothing_is_taken_can_end(broker: FakeBroker, make: MakeAdapter) -> None:
    transport = make()
    link = connect(transport, broker)
    link.sock.close()
    until = time.monotonic() + PATIENCE_S
    while transport.connected:
        assert time.monotonic() < until
        assert transport.poll(0.05, take=False) == []
    # And a new one comes to be without anything being taken.
    while not transport.connected:
        assert time.monotonic() < until
        if broker.accepted() > 1 and not broker.links[-1].ended and broker.links[-1].of(CONNECT):
            broker.links[-1].send(WELCOME)
        assert transport.poll(0.05, take=False) == []


def test_it_tells_how_many_messages_may_be_under_way(make: MakeAdapter) -> None:
    assert make(receive_max=77).window == 77
    assert make(qos=0).window is None


def test_a_fault_while_sending_is_noticed(
    broker: FakeBroker, make: MakeAdapter, caplog: pytest.LogCaptureFixture
) -> None:
    transport = make()
    link = connect(transport, broker)
    link.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    link.sock.close()
    transport.publish("predictions", bytes(100_000))
    pump(transport, lambda: not transport.connected)
    assert "No connection to the broker" in warnings(caplog)
    connect(transport, broker)


def test_delays_grow_while_connections_are_short_and_begin_anew_after_a_long_one(
    broker: FakeBroker, make: MakeAdapter, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgedescent_mqtt.connect.random.uniform", lambda _low, high: high)
    transport = make(reconnect_min_s=0.01, reconnect_max_s=0.05)

    def next_delay() -> str:
        caplog.clear()
        connect(transport, broker).sock.close()
        pump(transport, lambda: not transport.connected)
        return warnings(caplog).rpartition("Next attempt in ")[2]

    delays = [next_delay() for _ in range(4)]
    monkeypatch.setattr(adapter, "STABLE_S", 0.0)
    assert [*delays, next_delay()] == ["0.0 s.", "0.0 s.", "0.0 s.", "0.1 s.", "0.0 s."]


def test_what_an_earlier_connection_left_unconfirmed_does_not_outlive_the_greeting(
    broker: FakeBroker, make: MakeAdapter
) -> None:
    transport = make()
    link = connect(transport, broker)
    assert transport.publish("status", b'{"state": "disk_full"}', retain=True)
    pump(transport, lambda: len(link.of(PUBLISH)) == 2, "the state")
    link.sock.close()
    pump(transport, lambda: not transport.connected, "the end")
    link = connect(transport, broker)
    pump(transport, lambda: len(link.of(PUBLISH)) >= 3, "what was not confirmed, and the greeting")
    states = [json.loads(content[content.index(b"{") :])["state"] for content in link.of(PUBLISH)]
    # The first greeting was not confirmed either.
    assert states == ["online", "disk_full", "online"]


# --- Goodbye ----------------------------------------------------------------------------------------------------------


def test_the_goodbye_comes_after_everything_else(broker: FakeBroker, make: MakeAdapter) -> None:
    transport = make()
    link = connect(transport, broker)
    link.send(message(b"event", 9))
    transport.acknowledge([pump_one(transport)])
    transport.publish("predictions", b"answer")
    link.send(message(b"unread", 10))
    answering = threading.Thread(target=answer_until_gone, args=(link,))
    answering.start()
    with sooner_than(PATIENCE_S):
        transport.close(PATIENCE_S)
    answering.join()
    kinds = [kind for kind, _ in link.packets()]
    assert kinds[-1] == DISCONNECT
    statuses = [json.loads(c[c.index(b"{") :])["state"] for c in link.of(PUBLISH) if b"state" in c]
    assert statuses == ["online", "stopped"]
    assert link.of(PUBACK) == [b"\x00\x09"]
    assert transport.poll(0.0) == []
    assert not transport.connected


@pytest.mark.parametrize("if_quiet", [False, True])
def test_a_goodbye_that_is_not_heeded_is_cut_short(broker: FakeBroker, make: MakeAdapter, *, if_quiet: bool) -> None:
    transport = make()
    link = connect(transport, broker)
    with at_least(0.2):
        assert transport.close(0.2, if_quiet=if_quiet)
    await_the_end(link)
    assert link.packets()[-1] == (DISCONNECT, b"")
    assert not transport.connected


def test_where_the_broker_says_no_more_the_last_will_is_left_to_it(broker: FakeBroker, make: MakeAdapter) -> None:
    transport = make()
    link = connect(transport, broker)
    transport.publish("snapshots", b"card", retain=True)
    assert not transport.close(10.0, if_quiet=True)
    with at_least(0.2):
        assert transport.close(0.2)
    await_the_end(link)
    assert link.of(DISCONNECT) == []


def test_it_does_not_leave_while_anything_is_under_way(broker: FakeBroker, make: MakeAdapter) -> None:
    transport = make()
    link = connect(transport, broker)
    transport.publish("snapshots", b"card of the state", retain=True)
    assert not transport.close(10.0, if_quiet=True)
    assert transport.connected
    pump(transport, lambda: len(link.of(PUBLISH)) == 2, "the card")
    answering = threading.Thread(target=answer_until_gone, args=(link,))
    link.send(message(b"event", 9))
    assert not transport.close(10.0, if_quiet=True)
    answering.start()
    transport.acknowledge([pump_one(transport)])
    until = time.monotonic() + PATIENCE_S
    while not transport.close(10.0, if_quiet=True):
        assert time.monotonic() < until
        assert transport.poll(0.01) == []
    answering.join()
    assert link.of(PUBACK) == [b"\x00\x09"]
    assert link.packets()[-1] == (DISCONNECT, b"")


def await_the_end(link: FakeBrokerLink) -> None:
    until = time.monotonic() + PATIENCE_S
    while not (link.packets() and link.ended):
        assert time.monotonic() < until


# --- The parts --------------------------------------------------------------------------------------------------------


def test_delays_double_up_to_their_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgedescent_mqtt.connect.random.uniform", lambda _low, high: high)
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
        (UnicodeError("label too long"), "this is not the name of a host"),
        (ssl.SSLEOFError(8, "EOF"), "TLS failed: the connection ended (does this port speak TLS?)"),
    ],
)
def test_reasons_are_in_plain_words(error: Exception, expected: str) -> None:
    assert explain(error) == expected


def test_an_attempt_at_a_broker_that_hangs_up_during_tls_is_explained(broker: FakeBroker) -> None:
    connection = Connection("127.0.0.1", broker.port, tls=ssl.create_default_context())
    attempt = ConnectAttempt(connection, timeout_s=PATIENCE_S)
    eventually(broker.accepted, "a connection")
    broker.links[0].sock.close()
    assert attempt.wait(PATIENCE_S)
    with pytest.raises(OSError) as caught:  # noqa: PT011 - what matters is how it is explained
        attempt.result()
    assert "(does this port speak TLS?)" in explain(caught.value)


def test_nothing_secret_is_logged(
    broker: FakeBroker, make: MakeAdapter, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("TEST_PASSWORD", "correct-horse-7")
    transport = make(username="pump", password_env="TEST_PASSWORD")
    link = connect(transport, broker)
    assert b"correct-horse-7" in link.of(CONNECT)[0]
    link.sock.close()
    pump(transport, lambda: not transport.connected)
    monkeypatch.delenv("TEST_PASSWORD")
    pump(transport, lambda: "`broker.password_env` names a variable that is not set" in warnings(caplog))
    assert "correct-horse-7" not in caplog.text
