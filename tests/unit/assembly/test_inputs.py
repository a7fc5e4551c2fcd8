"""Inputs: topics, fields, words, units and times."""

from __future__ import annotations

import json
import math
from typing import Any

import cbor2
import msgspec
import pytest

from edgedescent.assembly.input_spec import InputSpec
from edgedescent.assembly.inputs import Input
from edgedescent.errors import ConfigError, InvalidEventError


def made(**table: Any) -> Input:
    return Input("meter", 0, msgspec.convert({"topics": ["t"], **table}, InputSpec))


def read(one: Input, payload: Any, topic: str = "t") -> dict[str, Any]:
    levels = one.match(topic)
    assert levels is not None
    encoded = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    [value] = one.decode(encoded)
    return one.read(topic, levels, value).values


@pytest.mark.parametrize(
    ("pattern", "topic", "levels"),
    [
        ("zigbee2mqtt/{room}", "zigbee2mqtt/kitchen", {"room": "kitchen"}),
        ("zigbee2mqtt/{room}", "zigbee2mqtt/kitchen/set", None),
        ("{site}/+/{machine}", "north/x/press", {"site": "north", "machine": "press"}),
        ("plant/#", "plant", {}),
        ("plant/#", "plant/a/b", {}),
        ("plant/#", "plants", None),
        ("#", "$SYS/uptime", None),
        ("+/x", "$SYS/x", None),
        ("a.b/+", "axb/c", None),
    ],
)
def test_a_pattern_matches_as_its_filter_does(pattern: str, topic: str, levels: dict[str, str] | None) -> None:
    assert made(topics=[pattern]).match(topic) == levels


def test_shared_references_of_cbor_count_as_often_as_they_are_used() -> None:
    # A list of six references to a list of six references, and so on: a few bytes stand for 6 ** 10 empty lists.
    value: object = []
    for _ in range(10):
        value = [value] * 6
    payload = cbor2.dumps(value, value_sharing=True)
    assert len(payload) < 300
    with pytest.raises(InvalidEventError, match="more than 4096 values"):
        read(made(format="cbor"), payload)


def test_the_names_of_fields_that_are_remembered_are_bounded() -> None:
    one = made()
    for start in range(0, 20_000, 1000):
        read(one, {f"k{n}": 1 for n in range(start, start + 1000)})
    assert len(one._prefixes["t"]) <= 4096


def test_what_is_excluded_is_not_read() -> None:
    one = made(topics=["z/{room}", "z/{room}/state"], exclude=["z/bridge", "z/bridge/#"])
    assert one.match("z/hall") == {"room": "hall"}
    assert one.match("z/bridge") is None
    assert one.match("z/bridge/state") is None


@pytest.mark.parametrize(
    ("table", "payload", "topic", "values"),
    [
        # Every number, under its path.
        ({}, {"a": {"b": 1}, "c": True, "d": "x", "e": None}, "t", {"meter.a.b": 1.0, "meter.c": 1.0, "meter.e": None}),
        ({"topics": ["z/{room}"]}, {"temperature": 21.5}, "z/hall", {"hall.temperature": 21.5}),
        ({"topics": ["z/{room}"], "tags": ["room"]}, {"t": 1}, "z/hall", {"meter.t": 1.0, "room": "hall"}),
        ({"name": "shelly.{field}", "fields": {"power": "apower"}}, {"apower": 3}, "t", {"shelly.power": 3.0}),
        # Bare values.
        ({"format": "scalar"}, b" 21.5\n", "t", {"meter": 21.5}),
        ({"format": "scalar"}, b"ON", "t", {"meter": 1.0}),
        ({"format": "scalar"}, b"unavailable", "t", {"meter": None}),
        ({"format": "scalar"}, b"closed", "t", {"meter": 0.0}),
        ({"format": "scalar", "topics": ["{kind}/{name}/state"]}, b"7", "sensor/power/state", {"sensor.power": 7.0}),
        ({"format": "scalar", "words": {"heating": 2, "Frost": "missing"}}, b"HEATING", "t", {"meter": 2.0}),
        ({"format": "scalar", "words": {"heating": 2, "Frost": "missing"}}, b"frost", "t", {"meter": None}),
        ({"format": "scalar"}, b"eco", "t", {"meter": "eco"}),
        # Declared fields.
        ({"fields": {"p": "E.P", "v": "E.V"}}, {"E": {"P": 5}}, "t", {"meter.p": 5.0}),
        ({"fields": {"p": "E.P"}}, {"E": {"P": None}}, "t", {"meter.p": None}),
        ({"fields": {"p": {"path": ["a.b", "0"]}}}, {"a.b": [4]}, "t", {"meter.p": 4.0}),
        ({"fields": {"p": {"path": "p", "scale": 0.001, "offset": 1}}}, {"p": 500}, "t", {"meter.p": 1.5}),
        ({"fields": {"p": {"path": "p", "unit": "°C"}}}, {"p": "21.5 °C"}, "t", {"meter.p": 21.5}),
        ({"fields": {"p": {"path": "p", "words": {"low": 1}}}}, {"p": "LOW"}, "t", {"meter.p": 1.0}),
        ({"fields": {"p": {"path": "p", "category": True}}}, {"p": 3}, "t", {"meter.p": "3"}),
        ({"fields": {"p": {"path": "p", "category": True}}}, {"p": "open"}, "t", {"meter.p": "open"}),
        ({"fields": {"p": "p"}, "decimal_comma": True}, {"p": "20,5"}, "t", {"meter.p": 20.5}),
        ({"fields": {"p": "p"}}, b'{"p": NaN}', "t", {"meter.p": None}),
        ({"fields": {"p": "p"}}, b'{"p": 1e200}', "t", {"meter.p": None}),
        ({"path": "data.0", "fields": {"p": "p"}}, {"data": [{"p": 1}]}, "t", {"meter.p": 1.0}),
        # An array of a PLC gateway.
        ({"fields": {"flow": "values.1"}}, {"values": [1, 2]}, "t", {"meter.flow": 2.0}),
    ],
)
def test_values_become_features(table: dict[str, Any], payload: Any, topic: str, values: dict[str, Any]) -> None:
    found = read(made(**table), payload, topic)
    assert {name: value for name, value in found.items() if name in values or not name.startswith("meter.")} == values


@pytest.mark.parametrize(
    ("table", "payload", "reason", "message"),
    [
        ({"fields": {"p": "p"}}, {"p": [1]}, "wrong_type", "Expected a number or text, got list. - at `p`"),
        ({"path": "a.b"}, {"a": 1}, "missing_field", "The payload has nothing at `a.b`."),
        ({"records": True}, {"a": 1}, "wrong_type", "Expected a list of readings, got dict."),
        (
            {"time": "t"},
            {"t": "soon"},
            "wrong_type",
            "Expected seconds or milliseconds since 1970, or a time by RFC 333",
        ),
        ({"id": "id"}, {"id": [1]}, "wrong_type", "Expected a text or an integer as id, got list."),
        ({}, b"oops", "malformed", "JSON is malformed"),
        ({}, b'{"p": 1e999}', "out_of_range", "Number out of range"),
        ({}, json.loads("[" * 20 + "]" * 20), "too_deep", "The payload is nested more than 16 levels deep."),
    ],
)
def test_what_cannot_be_read_has_a_reason(table: dict[str, Any], payload: Any, reason: str, message: str) -> None:
    with pytest.raises(InvalidEventError) as caught:
        read(made(**table), payload)
    assert caught.value.reason == reason
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("zone", "value", "expected"),
    [
        ("UTC", 1_767_607_200, 1_767_607_200.0),
        ("UTC", 1_767_607_200_500, 1_767_607_200.5),
        ("UTC", "1767607200", 1_767_607_200.0),
        ("UTC", "2026-01-05T10:00:00Z", 1_767_607_200.0),
        ("Europe/Paris", "2026-01-05T11:00:00", 1_767_607_200.0),
        ("Europe/Paris", "2026-01-05T10:00:00Z", 1_767_607_200.0),
        ("UTC", None, math.nan),
    ],
)
def test_times_are_read_as_devices_write_them(zone: str, value: Any, expected: float) -> None:
    reading = made(time="t", time_zone=zone).read("t", {}, {"t": value, "p": 1})
    assert reading.time == expected or (math.isnan(reading.time) and math.isnan(expected))


def test_a_list_of_records_is_as_many_readings() -> None:
    one = made(records=True, path="rows", time="t", fields={"p": "p"})
    payload = b'{"rows": [{"t": 1, "p": 5}, {"t": 2, "p": 6}]}'
    readings = [one.read("t", {}, value) for value in one.decode(payload)]
    assert [(reading.time, reading.values) for reading in readings] == [
        (1.0, {"meter.p": 5.0}),
        (2.0, {"meter.p": 6.0}),
    ]
    with pytest.raises(InvalidEventError, match=r"^The message has 2 readings, more than the 1 that are taken.$"):
        one.decode(payload, 1)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"topics": ["a+/b"]},
            "`inputs.meter.topics[0]` is 'a+/b': expected a topic, with +, # and {name} only as whole",
        ),
        ({"topics": ["a/#/b"]}, "`inputs.meter.topics[0]` is 'a/#/b': expected a topic"),
        ({"topics": ["{a}/{a}"]}, "`inputs.meter.topics[0]` is '{a}/{a}': expected a different name for each level."),
        ({"topics": ["{a}/x", "{b}/y"]}, "`inputs.meter.topics` is ['{a}/x', '{b}/y']: expected the same level names"),
        ({"tags": ["room"]}, "`inputs.meter.tags[0]` is 'room': expected a level that is named in every topic."),
        (
            {"name": "{rom}.{field}"},
            "`inputs.meter.name` is '{rom}.{field}': `{rom}` is neither a level of every topic",
        ),
        ({"name": "x"}, "`inputs.meter.name` is 'x': expected {field} in it, for several fields."),
        ({"key": "{room}"}, "`inputs.meter.key` is '{room}': expected a path, or a level of every topic."),
        ({"time_zone": "Mars"}, "`inputs.meter.time_zone` is 'Mars': expected a time zone that this machine knows"),
        ({"words": {"on": "x"}}, "`inputs.meter.words.on` is 'x': expected a number or \"missing\"."),
        ({"fields": {"p": 3}}, None),
        (
            {"fields": {"p": {"scale": 0}}},
            "`inputs.meter.fields.p.scale` is 0.0: expected a finite number other than 0.",
        ),
        ({"fields": {"p": {"pth": "x"}}}, "`inputs.meter.fields.p`: Object contains unknown field `pth`."),
    ],
)
def test_a_wrong_table_is_named(table: dict[str, Any], message: str | None) -> None:
    if message is None:
        spec = InputSpec(topics=("t",), fields=table["fields"])
        with pytest.raises(ConfigError, match=r"^`inputs.meter.fields.p` is 3: expected a path, or a table"):
            Input("meter", 0, spec)
        return
    with pytest.raises(ConfigError) as caught:
        made(**table)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("table", "feature", "expected"),
    [
        ({}, "meter.anything", True),
        ({"fields": {"p": "p"}}, "meter.p", True),
        ({"fields": {"p": "p"}}, "meter.q", False),
        ({"topics": ["z/{room}"], "fields": {"t": "t"}}, "hall.t", True),
        ({"topics": ["z/{room}"], "fields": {"t": "t"}}, "hall.u", False),
        ({"format": "scalar"}, "meter", True),
        ({"format": "scalar"}, "metre", False),
        ({"topics": ["{room}/t"], "format": "scalar"}, "hall", True),
        ({"topics": ["{room}/t"], "format": "scalar", "tags": ["room"]}, "room", True),
    ],
)
def test_it_is_known_which_features_an_input_may_have(table: dict[str, Any], feature: str, expected: bool) -> None:
    assert made(**table).may_yield(feature) is expected
