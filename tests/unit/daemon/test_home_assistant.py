"""Discovery by Home Assistant: the payloads follow its rules, their templates read ours, and they are sent in time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgedescent.config import Config, HomeAssistant, convert
from edgedescent.daemon.home_assistant import discovery_messages
from edgedescent.errors import ConfigError
from edgedescent.interfaces import Delivery
from support.daemon_harness import DaemonHarness, event

TABLE = {"discovery": True, "unit": "W", "device_class": "power"}
# Keys of an MQTT sensor in Home Assistant's documentation, as far as they are used here, with their types.
SENSOR = {
    "name": str,
    "unique_id": str,
    "state_topic": str,
    "value_template": str,
    "unit_of_measurement": str,
    "device_class": str,
    "state_class": str,
    "entity_category": str,
    "availability_topic": str,
    "availability_template": str,
    "device": dict,
    "origin": dict,
}
DEVICE = {"identifiers": list, "name": str, "manufacturer": str, "sw_version": str}


def announced(device: str = "pump") -> dict[str, dict[str, Any]]:
    messages = discovery_messages(Config(device=device, home_assistant=HomeAssistant(**TABLE)))  # type: ignore[arg-type]
    return {topic: json.loads(payload) for topic, payload in messages}


@pytest.mark.parametrize("device", ["pump", "heat pump/2 °"])
def test_the_payloads_follow_the_rules_of_the_sensor(device: str) -> None:
    found = announced(device)
    assert len(found) == 2
    for topic, payload in found.items():
        prefix, component, node, name, last = topic.split("/")
        assert (prefix, component, last) == ("homeassistant", "sensor", "config")
        assert all(sign.isascii() and (sign.isalnum() or sign in "_-") for sign in node + name)
        assert {key: type(value) for key, value in payload.items()}.items() <= SENSOR.items()
        assert {key: type(value) for key, value in payload["device"].items()} == DEVICE
        assert payload["origin"]["name"]
        assert payload["state_class"] == "measurement"
    assert len({payload["unique_id"] for payload in found.values()}) == 2
    assert len({json.dumps(payload["device"]) for payload in found.values()}) == 1


def test_the_templates_read_what_the_daemon_publishes(tmp_path: Path) -> None:
    jinja2 = pytest.importorskip("jinja2")
    harness = DaemonHarness(tmp_path, home_assistant=TABLE).recover()
    many = json.dumps([json.loads(event(i)) for i in range(3)]).encode()
    harness.receive(event(7), many)
    harness.receive()
    published = {topic: (payload, retain) for topic, payload, retain in harness.transport.published}
    for name, wanted in (("prediction", "predictions"), ("error", "metrics")):
        payload, retain = published[f"homeassistant/sensor/edgedescent_pump/{name}/config"]
        assert retain
        sensor = json.loads(payload)
        assert sensor["state_topic"] == f"edgedescent/pump/{wanted}"
        template = jinja2.Environment().from_string(sensor["value_template"])
        for topic, said, _ in harness.transport.published:
            if topic == sensor["state_topic"]:
                value = json.loads(said)
                shown = template.render(value_json=value)
                newest = value[-1] if isinstance(value, list) else value
                expected = newest["prediction"] if name == "prediction" else newest.get("mae_recent")
                assert shown == str(expected)
        available = jinja2.Environment().from_string(sensor["availability_template"])
        shown = [available.render(value_json={"state": state}) for state in ("online", "catching_up", "offline")]
        assert shown == ["online", "online", "offline"]


@pytest.mark.parametrize("label", [{"horizon_s": 10}, {"by": "id"}])
def test_a_sensor_shows_no_prediction_whose_label_is_there(label: dict[str, Any]) -> None:
    jinja2 = pytest.importorskip("jinja2")
    tables = {"inputs": {"meter": {"topics": ["m"]}}, "label": {"input": "meter", "feature": "meter.power", **label}}
    config = convert({"device": "pump", **tables, "home_assistant": {"discovery": True}}, Config)
    (_, payload), *_ = discovery_messages(config)
    template = jinja2.Environment().from_string(json.loads(payload)["value_template"])
    asked, learned = {"prediction": 2.0, "time": 20.0}, {"prediction": 1.0, "y": 1.5, "time": 10.0}
    shown = [template.render(value_json=value) for value in ([learned, asked], asked, learned, [learned])]
    assert shown == ["2.0", "2.0", "", ""]


def test_it_is_announced_once_for_each_connection(tmp_path: Path) -> None:
    harness = DaemonHarness(tmp_path, home_assistant=TABLE).recover()

    def count() -> int:
        return sum(topic.startswith("homeassistant/") for topic, _, _ in harness.transport.published)

    harness.receive(Delivery("edgedescent/pump/events", event(1)))
    harness.receive()
    assert count() == 2
    harness.transport.connected = False
    harness.receive()
    harness.transport.connected = True
    harness.receive()
    assert count() == 4


def test_nothing_is_announced_unless_it_is_asked_for() -> None:
    assert discovery_messages(Config(device="pump")) == []


def test_a_wrong_prefix_is_refused() -> None:
    from edgedescent.config import convert

    with pytest.raises(ConfigError, match=r"^`home_assistant.prefix` is 'a/#': expected `str` matching regex"):
        convert({"device": "pump", "home_assistant": {"prefix": "a/#"}}, Config)
