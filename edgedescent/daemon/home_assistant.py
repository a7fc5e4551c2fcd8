"""Discovery by Home Assistant: predictions and error as sensors of a device, announced over MQTT."""

from __future__ import annotations

import json
import re
from typing import Any

import edgedescent
from edgedescent.config import Config, answer_template
from edgedescent.config.answers import sensor_source
from edgedescent.engine.head import horizon_name

_UNITS = (("d", 86_400.0), ("h", 3600.0), ("min", 60.0))


def discovery_messages(config: Config) -> list[tuple[str, bytes]]:
    """Topics and payloads that make Home Assistant show the device; none where it is not configured.

    They are published retained. A prediction is the newest of its message; the error is the fading mean absolute error
    of about the last thousand events. Of several horizons, each has both.

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
    node = "edgedescent_" + _object_id(config.device)
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
    sensors: dict[str, dict[str, Any]] = {}
    for horizon in config.marks:
        prediction, error = _sensors(config, horizon)
        if table.device_class:
            prediction["device_class"] = table.device_class
        end = "" if horizon is None else f"_{_object_id(horizon_name(horizon))}"
        sensors |= {f"prediction{end}": prediction, f"error{end}": error}
    return [
        (
            f"{table.prefix}/sensor/{node}/{name}/config",
            json.dumps({**own, "unique_id": f"{node}_{name}", **shared}).encode(),
        )
        for name, own in sensors.items()
    ]


def _sensors(config: Config, horizon: float | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Sensors of the prediction and of its error.

    Args:
        config: The configuration.
        horizon: Horizon of the forecasts, of several; None for the only model.
    """
    # Several answers of one message are an array, the newest prediction last.
    answers = ["([value_json] if value_json is mapping else value_json)"]
    if config.label is not None and config.label.comes_later:
        # Only what is not known yet. A message without that renders to nothing, which changes no sensor.
        answers.append("rejectattr('y', 'defined')")
    topic, errors, ahead = config.topic("predictions"), "value_json", ""
    if horizon is not None:
        answers.append(f"selectattr('horizon_s', 'eq', {horizon!r})")
        errors, ahead = f"value_json.horizons['{horizon_name(horizon)}']", f" {_duration(horizon)} ahead"
    answer = f"{{{{ {' | '.join(answers)} | map(attribute='prediction') | list | last | default('') }}}}"
    template = answer_template(config)
    if template is not None:
        topic, answer = sensor_source(template, config, horizon)
    return (
        {"name": f"Prediction{ahead}", "state_topic": topic, "value_template": answer},
        {
            "name": f"Mean absolute error{ahead}",
            "state_topic": config.topic("metrics"),
            "value_template": f"{{{{ {errors}.mae_recent | default(none) }}}}",
            "entity_category": "diagnostic",
        },
    )


def _object_id(text: str) -> str:
    """Text with the characters that may stand in an object id."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", text)


def _duration(seconds: float) -> str:
    """Text of a duration in the largest unit of which it is a multiple, such as ``6 h``."""
    unit, size = next(((unit, size) for unit, size in _UNITS if seconds % size == 0), ("s", 1.0))
    return f"{seconds / size:g} {unit}"
