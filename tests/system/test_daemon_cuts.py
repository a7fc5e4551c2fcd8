"""A network that cuts connections at any byte, and either side standing still: nothing lost, nothing learned twice."""

from __future__ import annotations

import random
import signal
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest

from support.brokers import running_broker
from support.daemon_process import assert_each_learned_once, assert_same_learning
from support.device_peer import DevicePeer
from support.event_streams import Sender, events, stream, take
from support.fault_proxy import FaultProxy
from support.waiting import eventually


@pytest.mark.rounds(quick=15, long=200)
@pytest.mark.parametrize(("protocol", "nameless"), [("5", 0.3), ("3.1.1", 0.3)])
def test_cuts_at_any_byte(
    make_daemon: Any, rounds: Iterable[int], chance: random.Random, protocol: str, nameless: float
) -> None:
    source = stream(chance, nameless=nameless)
    payloads: list[bytes] = []
    sent = 0
    with running_broker("mosquitto") as broker, DevicePeer(broker.port) as peer, FaultProxy(broker.port) as wire:
        options = f'protocol = "{protocol}"\nreceive_max = 50\nreconnect_max_s = 0.2'
        with make_daemon(wire.port, broker=options, metrics_s=0.02) as daemon:
            daemon.connected()  # Makes the session, without which the broker would keep nothing.
            wire.spoil(chance)
            for done in rounds:
                while len(wire.cuts) <= done:
                    made, count = take(source, 40)
                    payloads, sent = payloads + made, sent + count
                    peer.send(made, wait=False)
                    eventually(
                        lambda done=done, sent=sent: len(wire.cuts) > done or daemon.status()["events_learned"] >= sent,
                        "a cut, or need of more events",
                    )
            wire.heal()
            status = daemon.counted(sent)
            daemon.stop()
    assert_each_learned_once(daemon, payloads, status, sent)
    ways = Counter(way for way, _ in wire.cuts)
    print(f"{dict(ways)} cuts, {sent} events, {status['duplicates']} repeats recognized")


@pytest.mark.rounds(quick=1, long=10)
@pytest.mark.parametrize("who", ["daemon", "broker"])
def test_who_stood_still_goes_on(make_daemon: Any, rounds: Iterable[int], who: str) -> None:
    sent = 0
    options = "receive_max = 50\nkeepalive_s = 5\nreconnect_max_s = 0.2\nconnect_timeout_s = 0.5"
    with (
        running_broker("mosquitto") as broker,
        DevicePeer(broker.port) as peer,
        make_daemon(broker.port, broker=options) as daemon,
    ):
        sleeper = daemon if who == "daemon" else broker
        daemon.connected()
        for life in rounds:
            made = events(sent, sent + 600)
            with Sender(peer, made, pause_s=0.005) as sender:
                before = peer.answers_count
                eventually(lambda before=before: peer.answers_count > before, "an answer")
                sleeper.send_signal(signal.SIGSTOP)
                # Either gives the other up for dead, the broker after one and a half times the keepalive.
                if who == "daemon":
                    peer.state("offline")
                else:
                    daemon.logged("it stopped answering", life + 1)
                sleeper.send_signal(signal.SIGCONT)
                daemon.connected(life + 2)
                sender.join()
            sent += len(made)
        daemon.counted(sent)
        daemon.stop()
    engine = daemon.recovered()
    assert engine.counters["events_learned"] == sent
    assert_same_learning(engine, daemon.undisturbed(events(0, sent)))
