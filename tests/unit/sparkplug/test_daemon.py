"""Sparkplug B in the daemon: requests for births are published, counters are told, recovery asks for nothing."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edgedescent.daemon.exposition import render
from edgedescent.daemon.input_checks import inputs_of
from edgedescent.interfaces import Delivery
from edgedescent.state.recovery import recover
from edgedescent.state.store import Store
from support.daemon_harness import DaemonHarness
from support.edge_node import EdgeNode, M
from support.state_folder import bits

TABLES: dict[str, Any] = {
    "inputs": {"plant": {"topics": ["spBv1.0/plant/+/+/#"], "format": {"type": "sparkplug", "rebirth": True}}},
    "assembly": {"lateness_s": 0.0},
    "label": {"input": "plant", "feature": "press.a", "horizon_s": 20.0},
}


@pytest.fixture
def harness(tmp_path: Path) -> DaemonHarness:
    return DaemonHarness(tmp_path, **TABLES).recover()


@pytest.fixture
def node(harness: DaemonHarness) -> EdgeNode:
    return EdgeNode(clock=lambda: int(harness.clock.time() * 1000))


def commands(harness: DaemonHarness) -> list[str]:
    return [topic for topic, *_ in harness.transport.published if "/NCMD/" in topic]


def test_a_request_is_published_once_and_not_again_by_recovery(
    harness: DaemonHarness, node: EdgeNode, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.INFO)
    node.connect(M("a", 1.0))
    for _ in range(5):
        harness.receive(Delivery(*node.data("", M("a", 2.0))))
        harness.clock.now += 1.0
    # What is not committed yet.
    harness.receive()
    assert commands(harness) == ["spBv1.0/plant/NCMD/press"]
    assert "A command was sent to 'spBv1.0/plant/NCMD/press'." in caplog.text
    engine = harness.daemon.engine
    harness.store.close()
    store = Store(tmp_path, read_only=True)
    assert bits(recover(harness.config, store)) == bits(engine)
    store.close()
    harness.restart()
    harness.recover()
    harness.receive()
    assert commands(harness) == []


def test_a_missing_birth_is_told_once_and_by_check(
    harness: DaemonHarness, node: EdgeNode, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    node.connect(M("a", 1.0))
    for _ in range(5):
        harness.receive(Delivery(*node.data("", M("a", 2.0))))
        harness.wait(20.0)
    told = "The node 'plant/press' sent metrics that no birth introduced"
    assert sum(record.getMessage().startswith(told) for record in caplog.records) == 1
    harness.daemon.stop()
    harness.daemon.close()
    assert told in "".join(map(str, inputs_of(harness.config, tmp_path)))
    harness.restart()
    harness.recover()
    harness.receive(Delivery(*node.birth(M("a", 2.0))))
    harness.daemon.stop()
    harness.daemon.close()
    assert told not in "".join(map(str, inputs_of(harness.config, tmp_path)))


def test_a_request_without_a_connection_is_given_again_later(
    harness: DaemonHarness, node: EdgeNode, caplog: pytest.LogCaptureFixture
) -> None:
    harness.transport.connected = False
    node.connect(M("a", 1.0))
    harness.receive(Delivery(*node.data("", M("a", 2.0))))
    assert "A command to 'spBv1.0/plant/NCMD/press' was not sent." in caplog.text
    harness.transport.connected = True
    harness.clock.now += 61.0
    harness.receive(Delivery(*node.data("", M("a", 2.0))))
    assert commands(harness) == ["spBv1.0/plant/NCMD/press"]


def test_what_is_counted_is_in_the_metrics(harness: DaemonHarness, node: EdgeNode) -> None:
    harness.receive(Delivery(*node.connect(M("a", 1.0))))
    node.data("", M("a", 2.0))
    harness.receive(Delivery(*node.data("", M("a", 3.0))), Delivery(*node.death()))
    metrics = harness.daemon.metrics()
    expected = {"births": 1, "deaths": 1, "sequence_gaps": 1, "messages_missed": 1, "rebirths_requested": 1}
    assert {name: metrics[f"decoding.{name}"] for name in expected} == expected
    families = {family.name: family for family in text_string_to_metric_families(render(metrics).decode())}
    samples = {sample.labels["what"]: sample.value for sample in families["edgedescent_decoding"].samples}
    assert samples == expected
