"""Brokers that come late, go away, come back, and tell of the device's state."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from edgedescent_sims.broker.process import BrokerProcess
from support.brokers import running_broker
from support.daemon_process import assert_same_learning
from support.device_peer import DevicePeer
from support.event_streams import events
from support.fault_proxy import FaultProxy
from support.waiting import eventually


def test_a_broker_that_comes_late_is_waited_for(broker: BrokerProcess, settings: str, make_daemon: Any) -> None:
    broker.stop()
    with make_daemon(broker.port, broker=settings) as daemon:
        daemon.logged(r"WARNING No connection to the broker at 127\.0\.0\.1:\d+: Connection refused\. Next attempt", 3)
        assert daemon.status()["connected"] is False
        broker.start()
        daemon.connected()
        with DevicePeer(broker.port) as peer:
            peer.send(events(0, 20))
            peer.answered({"e19"})
        eventually(lambda: daemon.status()["connected"], "being connected")
        assert "Traceback" not in daemon.log


def test_a_restarted_broker_with_its_sessions_loses_nothing(make_daemon: Any) -> None:
    payloads = events(0, 1200)
    with running_broker("mosquitto", persistent=True) as broker:
        daemon = make_daemon(broker.port, broker="receive_max = 50")
        with daemon:
            daemon.connected()
            for part in range(3):
                with DevicePeer(broker.port) as peer:
                    peer.send(payloads[part * 400 : (part + 1) * 400])
                broker.stop()
                broker.start()
                daemon.connected(part + 2)
            daemon.counted(1200)
            daemon.stop()
        assert daemon.log.count("continuing the session") == 3
        assert_same_learning(daemon.recovered(), daemon.undisturbed(payloads))


@pytest.mark.rounds(quick=3, long=30)
@pytest.mark.parametrize("keeps", [True, False], ids=["session kept", "session lost"])
def test_a_killed_broker(make_daemon: Any, rounds: Iterable[int], chance: random.Random, keeps: bool) -> None:
    sent = 0
    with running_broker("mosquitto", persistent=keeps) as broker, FaultProxy(broker.port) as wire:
        daemon = make_daemon(wire.port, broker="receive_max = 50\nreconnect_max_s = 0.2")
        with daemon:
            daemon.connected()
            for life in rounds:
                with DevicePeer(broker.port) as peer:
                    peer.send(events(sent, sent + 200), wait=keeps)
                    if keeps:
                        broker.save()
                        # From here on, the publisher alone has what the broker had not delivered.
                        peer.send(events(sent + 200, sent + 400), wait=False)
                    eventually(lambda peer=peer: peer.answers_count > 0, "an answer")
                    time.sleep(chance.uniform(0.0, 0.1))
                    broker.kill()
                first = sent + 200 if keeps else sent
                sent += 400
                broker.start()
                daemon.connected(life + 2)
                with DevicePeer(broker.port) as peer:
                    # Packet ids begin anew: an acknowledgement left over from before would confirm a new event unread.
                    peer.send(events(first, sent))
                daemon.counted(sent)
            daemon.stop()
        told = daemon.log.count("did not keep the session")
        assert told == (0 if keeps else life + 1)
        assert "Traceback" not in daemon.log
        engine = daemon.recovered()
        assert_same_learning(engine, daemon.undisturbed(events(0, sent)))
        print(f"{life + 1} kills, {sent} events, {engine.counters['duplicates']} repeats recognized")
    for connection in wire.connections:
        # In the order of MQTT 3.1.1, section 4.6, and none that was not sent over this very connection.
        published = [event.packet_id for event in connection.published(five=True)]
        assert published[: len(connection.acknowledged())] == connection.acknowledged()


def test_the_status_tells_how_the_device_is(broker: BrokerProcess, settings: str, make_daemon: Any) -> None:
    with DevicePeer(broker.port) as peer, make_daemon(broker.port, broker=settings) as daemon:
        peer.state("online")
        daemon.kill()
        peer.state("offline")
        daemon.start()
        peer.state("online")
        daemon.stop()
        peer.state("stopped")
    if broker.kind == "mosquitto":
        with DevicePeer(broker.port) as late:
            late.state("stopped")
            assert [retained for topic, _, retained in late.received if topic == "status"] == [True]


def test_two_with_one_client_id_are_told_of_each_other(make_daemon: Any) -> None:
    with running_broker("mosquitto") as broker:
        options = 'client_id = "twin"\nreconnect_max_s = 0.5'
        with (
            make_daemon(broker.port, device="one", broker=options) as one,
            make_daemon(broker.port, device="two", broker=options) as two,
        ):
            one.logged(r"does another client use the id 'twin'\?", 2)
            two.logged(r"does another client use the id 'twin'\?", 2)
            # Delays grow although each connection is accepted, so that the two chase each other ever more slowly.
            one.logged(r"twin'\?\)\. Next attempt in 0\.[345] s")
            one.stop()
            two.stop()


def test_an_unreachable_status_file_does_not_stop_it(
    broker: BrokerProcess, settings: str, peer: DevicePeer, make_daemon: Any, tmp_path: Path
) -> None:
    missing = str(tmp_path / "nowhere")
    with make_daemon(broker.port, broker=settings, environment={"RUNTIME_DIRECTORY": missing}) as daemon:
        daemon.logged("ERROR The status cannot be written to")
        daemon.connected()
        peer.send(events(0, 10))
        peer.answered({"e9"})
        daemon.stop()
        assert daemon.log.count("The status cannot be written") == 1


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_answers_at_qos_1_survive_a_broker_that_is_slow_to_confirm(make_daemon: Any, protocol: str) -> None:
    with (
        running_broker("mosquitto") as broker,
        DevicePeer(broker.port) as peer,
        make_daemon(broker.port, broker=f'protocol = "{protocol}"\npublish_qos = 1') as daemon,
    ):
        daemon.connected()
        peer.send(events(0, 2000))
        daemon.counted(2000)
        daemon.stop()
        # More answers waited than may be on the way at a time: the goodbye comes behind them all.
        peer.answered({f"e{i}" for i in range(2000)})
        peer.state("stopped")
        assert daemon.recovered().counters["events_learned"] == 2000
