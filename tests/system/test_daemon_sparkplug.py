"""Edge nodes of Sparkplug B over a real broker: births are asked for, wills are deaths, and kills change nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Any

import pytest
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from edgedescent_sims.broker.process import BrokerProcess
from support.daemon_process import DaemonProcess
from support.edge_node import EdgeNode, M, Sent
from support.state_folder import bits
from support.waiting import eventually

TABLES = """
[inputs.plant]
topics = ["spBv1.0/plant/+/+/#"]
format = { type = "sparkplug", rebirth = true, rebirth_interval_s = 1 }
[assembly]
emit = "plant"
lateness_s = 0.05
[label]
input = "plant"
feature = "press.motor.speed"
horizon_s = 0.1
max_age_s = 60
"""


class Node:
    """Edge node on a connection of its own, with a will, that sends its births where it is asked to."""

    def __init__(self, port: int) -> None:
        self.node = EdgeNode(clock=lambda: int(time.time() * 1000))
        self.lock = threading.Lock()
        self.n_asked = 0
        self.value = 0.0
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2)
        with self.lock:
            self.births = self._births(new=True)
            will = self.node.death()
        self.client.will_set(will.topic, will.payload, 1)
        self.client.on_message = self._on_command
        self.client.connect("127.0.0.1", port)
        granted: list[int] = []
        self.client.on_subscribe = lambda *_: granted.append(1)
        self.client.loop_start()
        self.client.subscribe("spBv1.0/plant/NCMD/press", 1)
        eventually(lambda: granted, "a subscription")
        self._publish(*self.births)

    def _births(self, *, new: bool) -> list[Sent]:
        metrics = [M("load", 0.5, 9)]
        first = self.node.connect(*metrics) if new else self.node.birth(*metrics)
        return [first, self.node.device_birth("motor", M("speed", self.value), M("count", -1, 2))]

    def _publish(self, *messages: Sent) -> None:
        for message in messages:
            self.client.publish(message.topic, message.payload, 1)

    def _on_command(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        assert b"Node Control/Rebirth" in message.payload
        with self.lock:
            self.n_asked += 1
            self._publish(*self._births(new=False))

    def send(self, n: int, *, lost: int = 0) -> None:
        """Publish so many values, before which as many messages as are lost are not."""
        with self.lock:
            for _ in range(lost):
                self.node.data("motor", M("speed", self.value))
            for _ in range(n):
                self.value += 1.0
                self._publish(self.node.data("motor", M("speed", self.value), M("count", int(-self.value) % 99, 2)))
                time.sleep(0.002)

    def die(self) -> None:
        """Lose the connection, so that the broker sends the will."""
        sock = self.client.socket()
        assert sock is not None
        self.client.on_disconnect = None
        self.client.loop_stop()
        sock.close()


@pytest.mark.rounds(quick=1, long=20)
def test_births_are_asked_for_and_kill_9_changes_nothing(
    broker: BrokerProcess, make_daemon: Any, rounds: Iterable[int], chance: Any
) -> None:
    node = Node(broker.port)
    daemon: DaemonProcess = make_daemon(
        broker.port, tables=TABLES, environment={"EDGEDESCENT_STATE__CHECKPOINT_EVENTS": "40"}
    )
    starts = 1
    with daemon:
        # The node was born before anybody listened.
        daemon.logged("INFO Receiving ", starts)
        node.send(5)
        eventually(lambda: node.n_asked, "a request for births")
        daemon.counted(1, "decoding.births")
        for _ in rounds:
            before = daemon.status().get("events_learned", 0)
            node.send(60, lost=chance.randrange(3))
            daemon.counted(before + 20)
            node.send(30)
            daemon.kill()
            node.send(30)
            daemon.start()
            starts += 1
            daemon.logged("INFO Receiving ", starts)
        node.send(20)
        learned = daemon.status().get("events_learned", 0)
        daemon.counted(learned + 5)
        node.die()
        daemon.counted(1, "decoding.deaths")
        # As long as the lateness.
        eventually(lambda: daemon.status().get("readings_waiting") == 0, "the turn of the last reading")
        daemon.stop()
        assert "Traceback" not in daemon.log
        assert "A command was sent to 'spBv1.0/plant/NCMD/press'." in daemon.log
        recovered = daemon.recovered()
        assert bits(recovered) == bits(daemon.replayed())
        assert recovered.counters["decoding.deaths"] == 1
        assert recovered.assembling is not None
        values = {one["feature"]: one["value"] for one in recovered.assembling.assembler.describe()}
        assert values == {"press.load": None, "press.motor.speed": None, "press.motor.count": None}
