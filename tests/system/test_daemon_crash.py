"""Killed at any instant: every event is learned exactly once, to the very same bits."""

from __future__ import annotations

import json
import os
import random
import threading
import time
from typing import Any

import pytest
from brokers import running_broker
from daemons import Peer, assert_same_learning, event, events, eventually, ids_in

from edgedescent_sims.broker import BrokerKind

ROUNDS = 5
EVENTS = 3000


def seed() -> int:
    """A new one for each run; `EDGEDESCENT_SEED` repeats one."""
    chosen = int(os.environ.get("EDGEDESCENT_SEED", random.randrange(2**32)))
    print(f"repeat with EDGEDESCENT_SEED={chosen}")
    return chosen


@pytest.mark.parametrize(
    ("kind", "protocol", "learner"),
    [
        ("mosquitto", "5", "LinearRegressor"),
        ("mosquitto", "5", "MatrixFactorization"),
        ("mosquitto", "3.1.1", "LinearRegressor"),
    ],
)
def test_kill_9_neither_loses_nor_doubles(make_daemon: Any, kind: BrokerKind, protocol: str, learner: str) -> None:
    chance = random.Random(seed())
    payloads: list[bytes] = []
    first = 0
    while first < EVENTS:
        count = chance.choice([1, 1, 1, 1, 7])
        made = [
            event(i)
            if learner == "LinearRegressor"
            else {"id": f"e{i}", "user": i % 40, "item": f"i{i % 23}", "y": i % 6}
            for i in range(first, first + count)
        ]
        payloads.append(json.dumps(made if count > 1 else made[0]).encode())
        first += count
    with running_broker(kind) as broker, Peer(broker.port) as peer:
        daemon = make_daemon(
            broker.port,
            broker=f'protocol = "{protocol}"\nreceive_max = 50',
            learner=learner,
            tables="[limits]\nevents_per_message_max = 10",
        )
        with daemon:
            daemon.connected()  # The first connection makes the session; from then on the broker keeps events.
            sender = threading.Thread(target=send_slowly, args=(peer, payloads))
            sender.start()
            for life in range(1, ROUNDS + 1):
                daemon.counted(first * life // (ROUNDS + 1))
                time.sleep(chance.uniform(0.0, 0.1))
                daemon.kill()
                daemon.start()
            sender.join()
            daemon.counted(first)
            daemon.stop()
        # Twice at most 50 messages of at most 7 events may have come again after each kill, and no other.
        recovered = daemon.recovered()
        assert recovered.counters["events_learned"] == first
        journaled = ids_in(message.payload for message in daemon.journal())
        assert set(journaled) == set(ids_in(payloads))
        assert recovered.counters["duplicates"] == len(journaled) - first
        assert recovered.counters["dead_letters"] == 0
        assert_same_learning(recovered, daemon.undisturbed(payloads))
        assert_same_learning(recovered, daemon.undisturbed(m.payload for m in daemon.journal()))
        assert "Traceback" not in daemon.log


def send_slowly(peer: Peer, payloads: list[bytes]) -> None:
    """In order, and slowly enough that kills fall into the middle."""
    for start in range(0, len(payloads), 20):
        peer.send(payloads[start : start + 20], wait=False)
        time.sleep(0.02)


def test_kill_9_while_a_checkpoint_is_written(make_daemon: Any) -> None:
    payloads = events(0, 1500)
    chance = random.Random(seed())
    with (
        running_broker("mosquitto") as broker,
        Peer(broker.port) as peer,
        make_daemon(broker.port, environment={"EDGEDESCENT_STATE__CHECKPOINT_EVENTS": "1"}) as daemon,
    ):
        daemon.connected()
        peer.send(payloads, wait=False)
        for life in range(1, 5):
            daemon.logged("INFO Checkpoint", life)
            time.sleep(chance.uniform(0.0, 0.02))
            daemon.kill()
            daemon.start()
        daemon.counted(1500)
        daemon.stop()
    assert_same_learning(daemon.recovered(), daemon.undisturbed(payloads))


def test_answers_that_a_crash_kept_back_are_sent_after_it(make_daemon: Any) -> None:
    payloads = events(0, 400)
    with running_broker("mosquitto") as broker, Peer(broker.port) as peer, make_daemon(broker.port) as daemon:
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
