"""Prediction intervals in the answers of a real daemon over a real broker."""

from __future__ import annotations

import json
from typing import Any

from edgedescent.engine.messages import Message
from edgedescent_sims.broker.process import BrokerProcess
from support.daemon_process import assert_same_learning
from support.device_peer import DevicePeer
from support.event_streams import events


def test_answers_carry_intervals_that_go_on_after_a_kill(
    broker: BrokerProcess, settings: str, make_daemon: Any
) -> None:
    payloads = events(0, 300)
    daemon = make_daemon(broker.port, broker=settings, tables="[predictions]\ninterval = 0.9")
    with DevicePeer(broker.port) as peer:
        with daemon:
            daemon.connected()
            peer.send(payloads[:200])
            peer.answered({"e199"})
            daemon.kill()
        with daemon:
            daemon.connected()
            peer.send(payloads[200:])
            found = peer.answered({"e0", "e1", "e150", "e299"})
            daemon.counted(300)
            daemon.stop()
    assert "low" not in found["e0"]
    for name in ("e150", "e299"):
        assert found[name]["low"] < found[name]["prediction"] < found[name]["high"]
    # What a run that was never killed would have answered, to the last bit.
    undisturbed = daemon.undisturbed(payloads[:-1])
    (answer,) = undisturbed.handle(Message(300, 0.0, "edgedescent/pump/events", payloads[-1]))
    assert json.loads(answer.payload) == found["e299"]
    recovered = daemon.recovered()
    assert_same_learning(recovered, undisturbed)
    metrics = recovered.metrics()
    assert metrics["interval_coverage"] == undisturbed.metrics()["interval_coverage"]
    assert 0.8 < metrics["interval_coverage"] < 1.0
