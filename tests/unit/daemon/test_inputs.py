"""Inputs in the daemon: ticks are journaled, recovery repeats them, and what is odd is told."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from edgedescent.daemon.input_checks import inputs_of
from edgedescent.interfaces import Delivery
from edgedescent.state.recovery import recover
from edgedescent.state.store import Store
from support.daemon_harness import DaemonHarness
from support.state_folder import bits

TABLES: dict[str, Any] = {
    "inputs": {
        "meter": {"topics": ["meter"], "fields": {"power": "P"}, "silent_after_s": 100.0},
        "room": {"topics": ["room/{name}"], "format": "scalar"},
    },
    "assembly": {"every_s": 10.0},
    "label": {"input": "meter", "feature": "meter.power", "horizon_s": 20.0, "max_age_s": 60.0},
}


def power(value: float) -> Delivery:
    return Delivery("meter", json.dumps({"P": value}).encode())


def test_a_tick_is_made_where_nothing_comes_and_recovery_repeats_it(tmp_path: Path) -> None:
    harness = DaemonHarness(tmp_path, **TABLES).recover()
    harness.receive(power(5.0), Delivery("room/hall", b"21.5"))
    harness.receive()
    assert harness.daemon.engine.counters["ticks"] == 0
    for _ in range(52):
        harness.wait(1.0)
    engine = harness.daemon.engine
    # An event at each multiple of ten seconds from the first readings on, and its label twenty seconds later.
    assert engine.counters["ticks"] == engine.counters["events_predicted"] == 6
    assert harness.learned == 4
    [first, *_] = harness.transport.of("predictions")
    assert first["time"] % 10 == 0
    # Nothing is acknowledged for a tick.
    assert harness.transport.acknowledged == [b'{"P": 5.0}', b"21.5"]
    harness.store.close()
    store = Store(tmp_path, read_only=True)
    recovered = recover(harness.config, store)
    ticks = [message for message in store.read(after=0) if not message.topic]
    store.close()
    assert len(ticks) == 6
    assert bits(recovered) == bits(engine)


@pytest.mark.parametrize("kind", ["killed", "disconnected"])
def test_what_the_broker_kept_comes_before_a_tick(tmp_path: Path, kind: str) -> None:
    meter = {"topics": ["meter"], "fields": {"power": "P"}, "time": "t"}
    tables = {
        "inputs": {"meter": meter},
        "assembly": {"every_s": 10.0, "lateness_s": 5.0},
        "label": {**TABLES["label"], "max_age_s": 300.0},
    }
    harness = DaemonHarness(tmp_path, **tables).recover()
    began = harness.clock.time()

    def readings(first: int, last: int) -> list[bytes | Delivery]:
        return [Delivery("meter", json.dumps({"t": began + i, "P": i}).encode()) for i in range(first, last)]

    harness.receive(*readings(0, 30))
    harness.receive()
    if kind == "killed":
        harness.clock.now += 600.0
        harness.store.close()
        harness.restart()
        harness.recover()
    else:
        harness.transport.connected = False
        harness.wait(600.0)
        harness.transport.connected = True
    # It takes some polls.
    for first in range(30, 600, 30):
        harness.wait(0.5)
        harness.receive(*readings(first, first + 30))
    engine = harness.daemon.engine
    assert engine.counters["readings_late"] == engine.counters["ticks"] == 0
    assert engine.counters["events_predicted"] == 60
    for _ in range(3):
        harness.wait(5.0)
    assert engine.counters["ticks"] > 0


def test_messages_bring_the_time_so_that_no_tick_is_needed(tmp_path: Path) -> None:
    harness = DaemonHarness(tmp_path, **TABLES).recover()
    for i in range(30):
        harness.clock.now += 1.0
        harness.receive(power(float(i)))
    assert harness.daemon.engine.counters["ticks"] <= 3
    assert harness.daemon.engine.counters["events_predicted"] >= 2


def test_a_silent_input_is_told_once_and_when_it_speaks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    harness = DaemonHarness(tmp_path, **TABLES, metrics={"interval_s": 1.0}).recover()
    caplog.set_level(logging.INFO)
    harness.receive(power(5.0))
    for _ in range(130):
        harness.wait(1.0)
    silent = "The input 'meter' has fallen silent"
    assert sum(silent in record.getMessage() for record in caplog.records) == 1
    assert harness.daemon.metrics()["inputs_silent"] == 1
    harness.receive(power(6.0))
    harness.wait(2.0)
    assert "The input 'meter' sends again." in caplog.text
    assert harness.daemon.metrics()["inputs_silent"] == 0


def test_check_explains_each_feature(tmp_path: Path) -> None:
    tables = {
        **TABLES,
        "inputs": {**TABLES["inputs"], "door": {"topics": ["door"], "format": "scalar", "max_age_s": 5.0}},
    }
    harness = DaemonHarness(tmp_path, **tables).recover()
    assert "no state yet" in str([*inputs_of(harness.config, tmp_path / "none")][1])
    harness.receive(Delivery("door", b"open"), Delivery("room/hall", b"unavailable"))
    harness.clock.now += 10.0
    harness.receive(power(5.0))
    harness.daemon.stop()
    harness.daemon.close()
    results = [(one.level, str(one)) for one in inputs_of(harness.config, tmp_path)]
    assert [level for level, _ in results] == ["ok", "warning", "warning", "ok"]
    text = "\n".join(line for _, line in results)
    assert "3 inputs, 0 derived features; an event by 'interval', which predicts 'meter.power', 20 s ahead." in text
    assert "door of 'door' is missing: its last value was 1.0, 10 s before the newest reading." in text
    assert "hall of 'room' is missing: its last value was a gap; missing in 100.0% of the events." in text
    assert "meter.power of 'meter': 5.0, 0 s before the newest reading." in text
