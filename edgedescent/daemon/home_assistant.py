"""Discovery by Home Assistant: predictions and error as sensors of a device, announced over MQTT."""

from __future__ import annotations

import json
import re
from typing import Any

import edgedescent
from edgedescent.config import Config, answer_template
from edgedescent.config.answers import value_template

ANSWER = "{{ (value_json if value_json is mapping else value_json | last).prediction }}"
"""Template of the prediction. Several answers of one message are an array, the newest prediction last."""


def discovery_messages(config: Config) -> list[tuple[str, bytes]]:
    """Topics and payloads that make Home Assistant show the device; none where it is not configured.

    They are published retained. A prediction is the newest of its message; the error is the fading mean absolute error
    of about the last thousand events.

    Args:
        config: The configuration.

    Example:
        >>> from edgedescent.config import HomeAssistant
        >>> config = Config(device="heat pump", home_assistant=HomeAssistant(discovery=True, unit="W"))
        >>> discovery_messages(config)[0][0]
        'homeassistant/sensor/edgedescent_heat_pump/prediction/config'

    References:
        https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery and …/integrations/sensor.mqtt
    """
    table = config.home_assistant
    if not table.discovery:
        return []
    # Only these characters may stand in an object id.
    node = "edgedescent_" + re.sub(r"[^a-zA-Z0-9_-]", "_", config.device)
    shared: dict[str, Any] = {
        "availability_topic": config.topic("status"),
        "availability_template": "{{ 'offline' if value_json.state in ('offline', 'stopping') else 'online' }}",
        "state_class": "measurement",
        "device": {
            "identifiers": [node],
            "name": table.name or config.device,
            "manufacturer": "EdgeDescent",
            "sw_version": edgedescent.__version__,
        },
        "origin": {"name": "EdgeDescent", "sw_version": edgedescent.__version__},
    }
    if table.unit:
        shared["unit_of_measurement"] = table.unit
    template = answer_template(config)
    sensors: dict[str, dict[str, Any]] = {
        "prediction": {
            "name": "Prediction",
            "state_topic": config.topic("predictions"),
            "value_template": ANSWER if template is None else value_template(template, config),
        },
        "error": {
            "name": "Mean absolute error",
            "state_topic": config.topic("metrics"),
            "value_template": "{{ value_json.mae_recent | default(none) }}",
            "entity_category": "diagnostic",
        },
    }
    if table.device_class:
        sensors["prediction"]["device_class"] = table.device_class
    return [
        (
            f"{table.prefix}/sensor/{node}/{name}/config",
            json.dumps({**own, "unique_id": f"{node}_{name}", **shared}).encode(),
        )
        for name, own in sensors.items()
    ]
