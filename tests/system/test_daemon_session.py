"""The session that a broker keeps: what it is subscribed to, and what it sends more than once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from support.brokers import running_broker
from support.daemon_process import DaemonProcess
from support.waiting import PATIENCE_S, eventually


def publish(port: int, *messages: tuple[str, bytes]) -> None:
    """Publish with QoS 1 and wait for the confirmations."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    for topic, payload in messages:
        client.publish(topic, payload, qos=1).wait_for_publish(PATIENCE_S)
    client.disconnect()
    client.loop_stop()


def plain(y: float) -> bytes:
    """An event without an id."""
    return json.dumps({"x": {"a": 1.0}, "y": y}).encode()


def topics(*filters: str) -> str:
    return f"[topics]\nevents = {json.dumps(filters)}"


def change(daemon: DaemonProcess, before: str, after: str) -> None:
    text = daemon.config_path.read_text()
    assert before in text
    daemon.config_path.write_text(text.replace(before, after))


def learned_from(daemon: DaemonProcess) -> list[str]:
    return [message.topic for message in daemon.journal()]


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@pytest.mark.parametrize(
    ("before", "after", "unasked"),
    [("old/#", "new/#", "old/1"), ("new/#", "new/+/e", "new/1"), ("new/+", "new/#", "old/1")],
    ids=["other", "narrower", "wider"],
)
def test_only_what_the_file_names_is_heard(
    make_daemon: Any, protocol: str, before: str, after: str, unasked: str
) -> None:
    heard = after.replace("+", "1").replace("#", "1")
    with running_broker("mosquitto", persistent=True) as broker:
        daemon = make_daemon(broker.port, broker=f'protocol = "{protocol}"', tables=topics(before))
        with daemon:
            daemon.logged("INFO Receiving")
            daemon.stop()
            # One waits in the session for the filter that goes.
            publish(broker.port, (unasked, plain(1)))
            change(daemon, before, after)
            daemon.start()
            daemon.logged(f"INFO No longer receiving {before.replace('+', '.')}, which `topics.events` does not name")
            publish(broker.port, (unasked, plain(2)), (heard, plain(3)))
            daemon.counted(1)
            status = daemon.status()
            daemon.stop()
            assert learned_from(daemon) == [heard]
            assert status["messages_unasked"] == (before != "new/+")
            said = f"Messages to '{unasked}' match no filter of `topics.events`"
            assert daemon.log.count(said) == (before != "new/+")
            # A third life has nothing to end, and the broker nothing more to acknowledge.
            daemon.start()
            daemon.logged("INFO Receiving", 3)
            publish(broker.port, (unasked, plain(4)), (heard, plain(5)))
            daemon.counted(2)
            daemon.stop()
            assert daemon.log.count("No longer receiving") == 1
            assert learned_from(daemon) == [heard, heard]


def test_what_an_unknown_session_holds_is_refused(make_daemon: Any) -> None:
    with running_broker("mosquitto", persistent=True) as broker:
        stranger = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id="edgedescent-pump", clean_session=False, protocol=mqtt.MQTTv311
        )
        subscribed: list[int] = []
        stranger.on_connect = lambda client, *_: client.subscribe("lost/#", qos=1)
        stranger.on_subscribe = lambda *_: subscribed.append(1)
        stranger.connect("127.0.0.1", broker.port)
        stranger.loop_start()
        eventually(lambda: subscribed, "a subscription")
        stranger.disconnect()
        stranger.loop_stop()
        with make_daemon(broker.port, broker='protocol = "3.1.1"') as daemon:
            daemon.connected()
            publish(broker.port, *[("lost/1", plain(i)) for i in range(50)], ("edgedescent/pump/events", plain(1)))
            daemon.counted(1)
            assert daemon.counted(50, "messages_unasked")["messages"] == 1
            daemon.stop()
            assert daemon.log.count("match no filter") == 1
            # All were acknowledged, the refused ones too.
            daemon.start()
            daemon.connected(2)
            publish(broker.port, ("edgedescent/pump/events", plain(1)))
            daemon.counted(2)
            assert daemon.status()["messages_unasked"] == 0
            daemon.stop()


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@pytest.mark.parametrize("filters", [("p/#", "p/+/e"), ("p/+/e", "p/#"), ("p/+/e", "+/1/e", "p/1/#")])
def test_an_event_that_matches_two_filters_is_learned_once(
    make_daemon: Any, protocol: str, filters: tuple[str, ...]
) -> None:
    with running_broker("mosquitto", persistent=True) as broker:
        daemon = make_daemon(broker.port, broker=f'protocol = "{protocol}"', tables=topics(*filters))
        with daemon:
            daemon.logged("INFO Receiving", len(filters) if protocol == "5" or len(filters) == 3 else 1)
            publish(broker.port, *[("p/1/e", plain(0))] * 50)
            daemon.counted(50)
            publish(broker.port, ("p/1/e", plain(1)))
            daemon.counted(51)
            status = daemon.status()
            assert status["messages_copied"] == (51 * (len(filters) - 1) if protocol == "5" else 0)
            daemon.stop()
            publish(broker.port, *[("p/1/e", plain(0))] * 5)
            # The order in the file does not matter to what waits.
            change(daemon, json.dumps(filters), json.dumps(filters[::-1]))
            daemon.start()
            daemon.counted(56)
            daemon.stop()
            copies = len(filters) if protocol == "5" else 1
            assert [message.topic for message in daemon.journal()] == ["p/1/e"] * 56 * copies
            counters = daemon.recovered().counters
            assert (counters["events_learned"], counters["messages_copied"]) == (56, 56 * (copies - 1))
