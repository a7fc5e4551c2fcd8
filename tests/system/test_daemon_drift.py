"""Drift alarms of a real daemon over a real broker, through a kill."""

from __future__ import annotations

import json
from typing import Any

from edgedescent.engine.messages import DriftAlarm, Message
from edgedescent_sims.broker.process import BrokerProcess
from support.daemon_process import assert_same_learning
from support.device_peer import DevicePeer
from support.waiting import eventually

TABLES = '[drift]\ninputs_max = 1\n[drift.detector]\ntype = "PageHinkley"\nthreshold = 5.0'


def drifting(n: int) -> list[bytes]:
    """Events whose input has another mean after every 150."""
    return [
        json.dumps({"id": f"e{i}", "x": {"a": i * 7 % 11 + 30.0 * (i // 150)}, "y": float(i * 7 % 11)}).encode()
        for i in range(n)
    ]


def content(alarm: dict[str, Any]) -> dict[str, Any]:
    """All of an alarm but the time of its message."""
    return {key: value for key, value in alarm.items() if key != "time"}


def test_alarms_go_on_after_a_kill_and_repeats_are_recognized(
    broker: BrokerProcess, settings: str, make_daemon: Any
) -> None:
    payloads = drifting(900)
    daemon = make_daemon(broker.port, broker=settings, tables=TABLES)
    with DevicePeer(broker.port) as peer:
        with daemon:
            daemon.connected()
            peer.send(payloads[:500])
            peer.answered({"e499"})
            eventually(lambda: len(peer.of("drift")) >= 2, "two alarms")
            daemon.kill()
        with daemon:
            daemon.connected()
            peer.send(payloads[500:])
            status = daemon.counted(900)
            undisturbed = daemon.undisturbed([])
            expected = [
                json.loads(effect.payload)
                for position, payload in enumerate(payloads, 1)
                for effect in undisturbed.handle(Message(position, 0.0, "edgedescent/pump/events", payload))
                if isinstance(effect, DriftAlarm)
            ]
            numbers = [alarm["number"] for alarm in expected]
            eventually(lambda: {json.loads(one)["number"] for one in peer.of("drift")} == set(numbers), "every alarm")
            daemon.stop()
        found = [json.loads(payload) for payload in peer.of("drift")]
    assert len(expected) >= 5
    assert status["drift_alarms"] == len(expected)
    assert [content(alarm) for alarm in status["drift"]] == [content(alarm) for alarm in expected[-8:]]
    # An alarm that came twice has the same number and says the same; without the repeats it is as if there was no kill.
    by_number = {alarm["number"]: alarm for alarm in found}
    assert all(by_number[alarm["number"]] == alarm for alarm in found)
    assert [content(by_number[number]) for number in numbers] == [content(alarm) for alarm in expected]
    assert_same_learning(daemon.recovered(), undisturbed)
