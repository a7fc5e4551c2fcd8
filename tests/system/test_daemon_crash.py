"""Killed at any instant: every event is learned exactly once, to the very same bits."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterable
from typing import Any

import pytest

from support.brokers import running_broker
from support.daemon_process import assert_each_learned_once, assert_same_learning
from support.device_peer import DevicePeer
from support.event_streams import Sender, events, stream, take
from support.waiting import eventually

MESSAGES = 400
"""Of each round: many of them wait in the broker when it ends."""


@pytest.mark.rounds(quick=4, long=200)
@pytest.mark.parametrize(
    ("protocol", "learner", "nameless"),
    [
        ("5", "LinearRegressor", 0.3),
        ("5", "MatrixFactorization", 0.0),
        ("3.1.1", "LinearRegressor", 0.3),
    ],
)
def test_kill_9_neither_loses_nor_doubles(
    make_daemon: Any, rounds: Iterable[int], chance: random.Random, protocol: str, learner: str, nameless: float
) -> None:
    source = stream(chance, learner=learner, nameless=nameless)
    payloads: list[bytes] = []
    sent = 0
    with running_broker("mosquitto") as broker, DevicePeer(broker.port) as peer:
        daemon = make_daemon(
            broker.port,
            broker=f'protocol = "{protocol}"\nreceive_max = 50',
            learner=learner,
            tables="[limits]\nevents_per_message_max = 10",
        )
        with daemon:
            daemon.connected()  # The first connection makes the session; from then on the broker keeps events.
            for _ in rounds:
                made, count = take(source, MESSAGES)
                payloads, sent = payloads + made, sent + count
                before = peer.answers_count
                with Sender(peer, made, pause_s=0.005) as sender:
                    if chance.random() < 0.8:
                        eventually(lambda before=before: peer.answers_count > before, "an answer")
                        time.sleep(chance.uniform(0.0, 0.15))
                    else:
                        # While it starts, recovers or connects.
                        time.sleep(chance.uniform(0.0, 1.0))
                    daemon.kill()
                    daemon.start()
                    sender.join()
            status = daemon.counted(sent)
            daemon.stop()
        assert_each_learned_once(daemon, payloads, status, sent)
        repeats = {name: status.get(f"duplicates.{name}", 0) for name in ("id", "redelivered")}
        print(f"{sent} events in {len(payloads)} messages; repeats recognized: {repeats}")


@pytest.mark.rounds(quick=3, long=50)
def test_kill_9_while_a_checkpoint_is_written(make_daemon: Any, rounds: Iterable[int], chance: random.Random) -> None:
    sent = 0
    with (
        running_broker("mosquitto") as broker,
        DevicePeer(broker.port) as peer,
        make_daemon(broker.port, environment={"EDGEDESCENT_STATE__CHECKPOINT_EVENTS": "1"}) as daemon,
    ):
        daemon.connected()
        for _ in rounds:
            before = daemon.log.count("INFO Checkpoint")
            peer.send(events(sent, sent + 300), wait=False)
            sent += 300
            daemon.logged("INFO Checkpoint", before + 1)
            time.sleep(chance.uniform(0.0, 0.02))
            daemon.kill()
            daemon.start()
        daemon.counted(sent)
        daemon.stop()
    assert_same_learning(daemon.recovered(), daemon.undisturbed(events(0, sent)))


def test_answers_that_a_crash_kept_back_are_sent_after_it(make_daemon: Any) -> None:
    payloads = events(0, 400)
    with running_broker("mosquitto") as broker, DevicePeer(broker.port) as peer, make_daemon(broker.port) as daemon:
        daemon.connected()
        peer.send(payloads, wait=False)
        daemon.counted(1)
        daemon.kill()
        daemon.start()
        daemon.counted(400)
        eventually(lambda: peer.answers()[-1:] and peer.answers()[-1]["id"] == "e399", "the last answer")
        predicted = {answer["id"]: answer["prediction"] for answer in peer.answers()}
        engine = daemon.undisturbed([])
        for payload in payloads:
            item = json.loads(payload)
            prediction = engine.learner.predict_learn_one(item["x"], item["y"])
            # An answer may come twice after a crash, or not at all at QoS 0, but never another one.
            assert predicted.get(item["id"], prediction) == prediction
