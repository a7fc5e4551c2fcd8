"""A broker that permits little: the daemon goes on learning, and what it cannot send is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.daemon_process import DaemonProcess
from support.device_peer import DevicePeer
from support.event_streams import events
from support.secured_broker import SecuredBroker
from support.waiting import eventually

PROTOCOLS = pytest.mark.parametrize("protocol", ["5", "3.1.1"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "broker"
    made.mkdir()
    return made


def settled(daemon: DaemonProcess) -> None:
    """Wait until everything is committed and so acknowledged."""
    eventually(lambda: daemon.status().get("messages_uncommitted") == 0, "the commit")


@PROTOCOLS
def test_an_answer_larger_than_the_broker_takes_holds_nothing_up(make_daemon: Any, folder: Path, protocol: str) -> None:
    with (
        SecuredBroker(folder, options=["max_packet_size 131072"]) as broker,
        DevicePeer(broker.port) as peer,
        make_daemon(broker.port, broker=f'protocol = "{protocol}"') as daemon,
    ):
        daemon.connected()
        # 81 KB, whose answer has 297 KB.
        questions = b"[" + b",".join([b'{"x":{}}'] * 10_000)[: 9 * 9_000 - 1] + b"]"
        assert len(questions) < 131_072
        peer.send([questions])
        daemon.counted(9_000, "events_predicted")
        peer.send(events(0, 10))
        daemon.counted(10)
        settled(daemon)
        status = daemon.status()
        if protocol == "5":
            eventually(lambda: len(peer.answers()) == 9_010, "all answers, in parts")
            assert status["answers_split"] == 1
            assert daemon.log.count("Connected to") == 1
            assert status["events_predicted"] == 9_000
        else:
            # The broker does not say what it takes. What it sends again is acknowledged before it is answered.
            assert 1 <= daemon.log.count("No connection to the broker") <= 3
            assert status["events_predicted"] <= 4 * 9_000
            before = len(peer.answers())

            def answered() -> bool:
                peer.send([questions])
                eventually(lambda: daemon.status().get("messages_uncommitted") == 0, "the commit")
                return len(peer.answers()) >= before + 9_000

            eventually(answered, "an answer in parts")
            assert "answers are split into messages of at most" in daemon.log
        daemon.stop()
        connections = daemon.log.count("Connected to")
        daemon.start()
        daemon.connected(connections + 1)
        peer.send(events(10, 20))
        daemon.counted(20)
        daemon.stop()
        assert daemon.log.count("Connected to") <= connections + 2


def test_what_cannot_be_split_is_left_out_and_counted(make_daemon: Any, folder: Path) -> None:
    with (
        SecuredBroker(folder, options=["max_packet_size 300"]) as broker,
        DevicePeer(broker.port) as peer,
        make_daemon(broker.port) as daemon,
    ):
        daemon.connected()
        peer.send([json.dumps({"id": "i" * 150, "x": {}, "y": 1}).encode(), *events(0, 10)])
        daemon.counted(11)
        # The metrics are larger than that: they are in the status file, and not on the broker.
        daemon.logged("WARNING The broker takes messages of at most 2.. bytes on 'edgedescent/pump/metrics'")
        peer.answered({"e9"})
        assert daemon.counted(1, "publications_too_large")["connected"]
        assert daemon.log.count("on 'edgedescent/pump/metrics'") == 1
        assert daemon.log.count("Connected to") == 1
        daemon.stop()


@PROTOCOLS
@pytest.mark.parametrize("option", ["retain_available false", "max_qos 0", "max_qos 1"])
def test_a_broker_that_permits_less_is_adapted_to(make_daemon: Any, folder: Path, protocol: str, option: str) -> None:
    with (
        SecuredBroker(folder, options=[option]) as broker,
        DevicePeer(broker.port) as peer,
        make_daemon(broker.port, broker=f'protocol = "{protocol}"\nreconnect_max_s = 0.2') as daemon,
    ):
        daemon.connected()
        peer.state("online")
        # A broker of QoS 0 takes nothing better from the sensors either.
        peer.send(events(0, 20), qos=int(option != "max_qos 0"), wait=False)
        daemon.counted(20)
        peer.answered({"e19"})
        connections = daemon.log.count("Connected to")
        assert ("WARNING The broker retains no messages" in daemon.log) == option.startswith("retain")
        assert ("takes messages with QoS 0 only" in daemon.log) == (option == "max_qos 0")
        daemon.kill()
        peer.state("offline")
        daemon.start()
        daemon.connected(2)
        daemon.stop()
        peer.state("stopped")
        assert connections == 1
