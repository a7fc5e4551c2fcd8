"""The metrics in Prometheus's text format."""

from __future__ import annotations

import json
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from edgedescent.assembly.rows import COUNTERS
from edgedescent.daemon.exposition import DEAD_LETTERS, FAMILIES, PREFIX, render
from edgedescent.interfaces import Delivery
from support.daemon_harness import DaemonHarness


def families(metrics: dict[str, Any]) -> dict[str, Any]:
    return {family.name: family for family in text_string_to_metric_families(render(metrics).decode())}


def test_every_metric_of_the_daemon_is_there(tmp_path: Any) -> None:
    harness = DaemonHarness(tmp_path).recover()
    harness.receive(b'{"x": {"a": 1}, "y": 2}', b'{"x": {"a": 1}, "y": 4}', b'{"x": {"a": 1}}', b"nonsense")
    metrics = harness.daemon.metrics()
    elsewhere = ("device", "state", "version", "drift_alarms")
    names = {
        name
        for name in metrics
        if not name.startswith(("dead_letters", "drift_alarms.", "duplicates.")) and name not in elsewhere
    }
    assert names <= FAMILIES.keys()
    found = families(metrics)
    assert {PREFIX + FAMILIES[name].name.removesuffix("_total") for name in names} <= found.keys()
    (letter,) = found["edgedescent_dead_letters"].samples
    assert (letter.labels, letter.value) == ({"device": "pump", "reason": "malformed"}, 1)


def test_every_metric_of_inputs_is_there(tmp_path: Any) -> None:
    harness = DaemonHarness(
        tmp_path,
        inputs={"meter": {"topics": ["meter"], "fields": {"power": "P"}, "time": "t"}},
        assembly={"lateness_s": 0},
        label={"input": "meter", "feature": "meter.power", "horizon_s": 20.0, "season_s": 40.0},
    ).recover()
    metrics = harness.daemon.metrics()
    assert [metrics[name] for name in COUNTERS] == [0] * len(COUNTERS)
    began = harness.clock.time() - 500.0
    rows = [json.dumps({"t": began + time, "P": 5.0}).encode() for time in (0, 20, 40, 60, 80, 100, 120, 0)]
    harness.receive(*(Delivery("meter", row) for row in rows))
    after = harness.daemon.metrics()
    assert after["readings_late"] == 1
    own = after.keys() - DaemonHarness(tmp_path / "plain").recover().daemon.metrics().keys()
    names = {name for name in own if not name.startswith("dead_letters")}
    assert names >= {*COUNTERS, "forecast_mae_last_value"}
    found = families(after)
    assert {PREFIX + FAMILIES[name].name.removesuffix("_total") for name in names} <= found.keys()
    [sample] = found["edgedescent_readings_late"].samples
    assert sample.value == 1


def test_drift_alarms_are_counted_by_what_was_watched() -> None:
    found = families({"device": "pump", "drift_alarms": 3, "drift_alarms.input": 3})
    samples = {sample.labels["watched"]: sample.value for sample in found["edgedescent_drift_alarms"].samples}
    assert samples == {"error": 0.0, "input": 3.0}


def test_names_say_kind_and_unit() -> None:
    for family in (*FAMILIES.values(), DEAD_LETTERS):
        assert (family.kind == "counter") == family.name.endswith("_total"), family
        assert family.meaning.endswith(".")
        assert "\n" not in family.meaning
    assert len({family.name for family in FAMILIES.values()}) == len(FAMILIES)


def test_labels_are_escaped_and_numbers_survive() -> None:
    device = 'pump "7"\\ü'
    found = families({"device": device, "messages": 2**53, "mae": 0.1 + 0.2, "rmse": float("inf"), "mae_mean": None})
    assert found["edgedescent_messages"].samples[0].value == 2**53
    assert found["edgedescent_mean_absolute_error"].samples[0].value == 0.1 + 0.2
    assert found["edgedescent_mean_absolute_error"].samples[0].labels == {"device": device}
    assert found["edgedescent_root_mean_squared_error"].samples[0].value == float("inf")
    assert "edgedescent_mean_absolute_error_mean" not in found
