"""A stream that means harm: the daemon stays up and small, answers what is good, and counts the rest by reason."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from typing import Any

import numpy as np
import pytest

from support.brokers import running_broker
from support.device_peer import DevicePeer
from support.hostile_payloads import EVENTS_MAX, LIMIT_BYTES, HostilePayloads
from support.waiting import eventually

AT_ONCE = 500
PACKET_BYTES_MAX = LIMIT_BYTES + 65_536
"""What the daemon asks the broker to keep from it is larger than this."""


@pytest.mark.rounds(quick=6, long=200)
@pytest.mark.parametrize(
    ("learner", "takes", "held_max", "peak_max"),
    [
        # A table full of long names stays; what a payload as long as allowed takes is given back.
        ("LinearRegressor", "features", 60, 66),
        ("FactorizationMachine", "features", 100, 100),
        ("MLPRegressor", "features", 100, 100),
        ("auto", "features", 100, 100),
        ("MatrixFactorization", "ratings", 100, 100),
    ],
)
def test_hostile_payloads(
    make_daemon: Any,
    rounds: Iterable[int],
    chance: random.Random,
    learner: str,
    takes: str,
    held_max: int,
    peak_max: int,
) -> None:
    source = iter(HostilePayloads(chance, takes))
    expected: Counter[str] = Counter()
    ids: list[str] = []
    delivered = 0
    with (
        running_broker("mosquitto") as broker,
        DevicePeer(broker.port) as peer,
        # Absurd labels are to reach the learner.
        make_daemon(
            broker.port, learner=learner, metrics_s=0.05, environment={"EDGEDESCENT_LIMITS__QUARANTINE": "false"}
        ) as daemon,
    ):
        daemon.connected()
        assert daemon.config.limits.payload_bytes_max == LIMIT_BYTES
        assert daemon.config.limits.events_per_message_max == EVENTS_MAX
        for _ in rounds:
            made = list(islice(source, AT_ONCE))
            peer.send([payload.data for payload in made], topics=[payload.topic for payload in made])
            arriving = [item for item in made if item.topic == "events" and len(item.data) <= PACKET_BYTES_MAX]
            delivered += len(arriving)
            for payload in arriving:
                expected += payload.rejected
                ids += payload.answered
            status = daemon.counted(delivered, "messages")
        # Free pages go back to the system with each report.
        eventually(
            lambda: daemon.memory_mib()[0] < held_max,
            f"less than {held_max} MiB; it holds {daemon.memory_mib()[0]:.1f} when the last message was handled",
        )
        held_mib, peak_mib = daemon.memory_mib()
        # The answers are sent before the status that counts them, but over another way.
        eventually(lambda: peer.answers_count and set(ids) <= answered(peer).keys(), "an answer to each good event")
        # A message counts from its first slice on, its dead letters and events as they are found.
        eventually(lambda: learned_or_predicted(daemon.status()) >= len(ids), "a count of each good event")
        status = daemon.counted(expected.total(), "dead_letters")
        daemon.stop()
    print(f"{delivered} messages arrived; {len(ids)} good events; {dict(expected)}")
    print(f"{held_mib:.1f} MiB, at most {peak_mib:.1f} MiB")
    counted = {name.partition(".")[2]: n for name, n in status.items() if name.startswith("dead_letters.")}
    assert counted == expected
    assert status["dead_letters"] == expected.total()
    assert status["messages"] == delivered
    assert status["duplicates"] == 0
    assert learned_or_predicted(status) == len(ids)
    answers = answered(peer)
    assert answers.keys() == set(ids)
    assert all(isinstance(value, float) and np.isfinite(value) for value in answers.values())
    assert "Traceback" not in daemon.log
    for name, values in daemon.recovered().learner.state_dict().items():
        if isinstance(values, np.ndarray) and values.dtype.kind == "f":
            assert np.isfinite(values).all(), name
    assert peak_mib < peak_max


def learned_or_predicted(status: dict[str, Any]) -> int:
    """How many good events a status counts."""
    return sum(status.get(name, 0) for name in ("events_learned", "events_predicted"))


def answered(peer: DevicePeer) -> dict[str, Any]:
    """The predictions by id."""
    found: dict[str, Any] = {}
    for payload in peer.of("predictions"):
        answer = json.loads(payload)
        for item in answer if isinstance(answer, list) else [answer]:
            found[str(item.get("id", ""))] = item["prediction"]
    return found
