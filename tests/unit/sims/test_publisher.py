"""The publisher against brokers that misbehave in ways that a real one seldom does."""

from __future__ import annotations

import pytest

from edgedescent.errors import ConfigError, TransportError
from edgedescent_mqtt.buffered_socket import BufferedSocket
from edgedescent_mqtt.client import Connection
from edgedescent_sims.publish.publisher import Publisher, StopPublishing
from edgedescent_sims.publish.stream import publish
from edgedescent_sims.sources.linear_stream import LinearStream
from support.fake_broker import AnsweringBroker
from support.waiting import PATIENCE_S

CONNACK_3 = bytes.fromhex("20020000")
CONNACK_5 = bytes.fromhex("2003000000")


def Numbers(count: int) -> LinearStream:  # noqa: N802 - reads as a source of so many events
    return LinearStream(n_events=count)


def to(broker: AnsweringBroker, protocol: str = "5") -> Connection:
    return Connection("127.0.0.1", broker.port, protocol="5" if protocol == "5" else "3.1.1")


def acknowledge(mid: bytes) -> bytes:
    return b"\x40\x02" + mid


def test_a_refused_login_is_not_tried_again() -> None:
    with (
        AnsweringBroker(bytes.fromhex("20020005"), acknowledge) as broker,
        pytest.raises(TransportError, match=r"refused the connection: Not authorized") as caught,
    ):
        publish(Numbers(1), to(broker, "3.1.1"))
    assert "--password-file" in caught.value.hint


def test_a_busy_broker_is_tried_again() -> None:
    notices: list[str] = []
    with AnsweringBroker(bytes.fromhex("2003008800"), acknowledge) as broker:
        report = publish(
            Numbers(1),
            to(broker),
            connect_timeout_s=PATIENCE_S,
            notify=notices.append,
            should_stop=lambda: len(broker.links) > 1,
        )
    assert report.interrupted
    assert "Server unavailable" in notices[0]


def test_a_broker_that_stays_busy_is_given_up() -> None:
    with (
        AnsweringBroker(bytes.fromhex("2003008800"), acknowledge) as broker,
        pytest.raises(TransportError, match="No MQTT broker answers"),
    ):
        publish(Numbers(1), to(broker), connect_timeout_s=0.2)


def test_a_refused_message_is_an_error() -> None:
    with (
        AnsweringBroker(CONNACK_5, lambda mid: b"\x40\x04" + mid + b"\x87\x00") as broker,
        pytest.raises(TransportError, match="refused a message: Not authorized") as caught,
    ):
        publish(Numbers(3), to(broker), topic="secret")
    assert "secret" in caught.value.hint


def test_a_broker_that_never_acknowledges_is_an_error() -> None:
    with (
        AnsweringBroker(CONNACK_3, lambda _mid: b"") as broker,
        pytest.raises(TransportError, match=r"acknowledged nothing for 0\.3 s, with 3 messages on the way"),
    ):
        publish(Numbers(3), to(broker, "3.1.1"), ack_timeout_s=0.3)


def test_something_that_does_not_speak_mqtt_is_an_error() -> None:
    with (
        AnsweringBroker(b"", acknowledge) as broker,
        pytest.raises(TransportError, match="does not speak MQTT"),
    ):
        publish(Numbers(1), to(broker), connect_timeout_s=0.0)


@pytest.mark.parametrize("window", [1, 7, 200])
def test_the_window_is_kept(window: int) -> None:
    with AnsweringBroker(CONNACK_5, acknowledge) as broker:
        report = publish(Numbers(1000), to(broker), window=window)
        assert report.events_sent == 1000
        assert broker.most_unanswered <= window


def test_the_receive_maximum_of_the_broker_is_kept() -> None:
    with AnsweringBroker(bytes.fromhex("2006000003210005"), acknowledge) as broker:
        assert publish(Numbers(500), to(broker), window=200).events_sent == 500
        assert broker.most_unanswered <= 5


def test_messages_that_nobody_heard_are_counted() -> None:
    with AnsweringBroker(CONNACK_5, lambda mid: b"\x40\x03" + mid + b"\x10") as broker:
        assert publish(Numbers(5), to(broker)).messages_unheard == 5


def test_stopping_while_waiting_for_a_broker() -> None:
    asked = iter([False, False])
    report = publish(Numbers(5), "mqtt://127.0.0.1:1", should_stop=lambda: next(asked, True))
    assert report.interrupted
    assert report.events_sent == 0


def test_stopping_counts_what_was_acknowledged() -> None:
    seen: list[int] = []
    with AnsweringBroker(CONNACK_5, acknowledge) as broker:
        report = publish(
            Numbers(10_000),
            to(broker),
            rate=1000.0,
            on_progress=seen.append,
            should_stop=lambda: bool(seen and seen[-1] >= 100),
        )
    assert report.interrupted
    assert 100 <= report.events_sent < 10_000


def test_paho_uses_the_buffered_socket() -> None:
    with AnsweringBroker(CONNACK_5, acknowledge) as broker, Publisher(to(broker), "t") as publisher:
        assert isinstance(publisher._client.socket(), BufferedSocket)


def test_a_stop_is_heeded_before_a_message_is_sent() -> None:
    stop: list[bool] = []
    with (
        AnsweringBroker(CONNACK_5, acknowledge) as broker,
        Publisher(to(broker), "t", should_stop=lambda: bool(stop)) as publisher,
    ):
        publisher.send(b"1")
        stop.append(True)
        with pytest.raises(StopPublishing):
            publisher.send(b"2")
        publisher.drain_briefly()
        assert publisher.messages_acked == 1


@pytest.mark.parametrize("option", ["rate", "limit", "batch", "window", "ack_timeout_s"])
def test_numbers_out_of_range_are_refused(option: str) -> None:
    with pytest.raises(ValueError, match=f"`{option}` of publish"):
        publish(Numbers(1), "mqtt://127.0.0.1:1", **{option: 0})  # type: ignore[arg-type]


@pytest.mark.parametrize("topic", ["", "a/+", "a/#", "a\0"])
def test_topics_with_wildcards_are_refused(topic: str) -> None:
    with pytest.raises(ConfigError, match=r"`topic` is .*: expected"):
        publish(Numbers(1), "mqtt://127.0.0.1:1", topic=topic)
