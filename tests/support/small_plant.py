"""A small home and plant, as its devices publish: eleven topics in the shapes of common gateways."""

from __future__ import annotations

import json
import math
import random
from datetime import UTC, datetime

import msgspec

from edgedescent.setup.heard import Heard

START = 1_767_607_200.0
NUMERIC = {
    *("bathroom.temperature", "bathroom.humidity", "bathroom.battery", "window.contact", "window.battery"),
    *("freezer.ENERGY.Power", "freezer.ENERGY.Voltage", "heater.apower", "heater.output", "heater.temperature.tC"),
    *("house_power", "outdoor", "front_door", "press.values.0", "press.values.1", "weather.1", "weather.2"),
    *("tank.level", "flow.0", "flow.1"),
}
"""Ends of the names of the features that `init` must find."""


def plant(minutes: int, seed: int = 0, *, start: float = START, step_s: float = 60.0) -> list[Heard]:
    """Messages of so many minutes, or other steps, in the order of their arrival."""
    dice, heard = random.Random(seed), []
    power = 300.0
    for i in range(minutes):
        at = start + step_s * i
        power = 0.9 * power + 0.1 * (300 + 200 * math.sin(2 * math.pi * at / 86_400)) + dice.gauss(0, 8)
        iso = datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        inside = 21 + dice.gauss(0, 0.3)
        sent: list[tuple[str, object]] = [
            (
                "zigbee2mqtt/bathroom",
                {"temperature": inside, "humidity": 50 + dice.gauss(0, 4), "battery": 97, "last_seen": iso},
            ),
            ("zigbee2mqtt/window", {"contact": dice.random() < 0.9, "battery": 100, "last_seen": iso}),
            ("tele/freezer/SENSOR", {"Time": iso[:-1], "ENERGY": {"Power": 80 + dice.gauss(0, 3), "Voltage": 231}}),
            ("heater/status/switch:0", {"id": 0, "output": i % 3 == 0, "apower": 1480.5, "temperature": {"tC": 41.2}}),
            ("homeassistant/sensor/house_power/state", f"{power:.1f}"),
            ("homeassistant/sensor/outdoor/state", f"{5 + dice.gauss(0, 1):.1f} °C"),
            ("homeassistant/binary_sensor/front_door/state", "on" if dice.random() < 0.1 else "off"),
            ("plant/press", {"ts": at * 1000, "values": [4213 + dice.randrange(9), 6120]}),
            ("weather", f"{iso};{4 + dice.random():.1f};{dice.randrange(400)}"),
            ("plant/tank", msgspec.msgpack.encode({"level": dice.random()})),
            ("plant/flow", f"[{dice.random():.3f}, {dice.random():.3f}]"),
        ]
        for place, (topic, payload) in enumerate(sent):
            encoded = payload if isinstance(payload, bytes) else payload.encode() if isinstance(payload, str) else None
            heard.append(
                Heard(topic, encoded if encoded is not None else json.dumps(payload).encode(), at + place / 64)
            )
    return heard
