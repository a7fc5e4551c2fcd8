"""Sparkplug B payloads: the protobuf messages, from the field numbers and types of the specification.

References:
    Sparkplug Specification, version 3.0.0, section 6.4 "Sparkplug B MQTT payload definition"; Eclipse Foundation, 2022
    (ISO/IEC 20237).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from edgedescent.errors import InvalidEventError

try:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    from google.protobuf.message import DecodeError
except ModuleNotFoundError as error:
    # By the name of the package, for the hint how to install it.
    raise ModuleNotFoundError("No module named 'google.protobuf'", name="protobuf") from error

TIMESTAMP_MAX_MS = 10**14
"""Bound on timestamps, which is in the year 5138: calendars end soon beyond."""
GOOD = 192
"""Quality code of a value that can be used; 0 is bad and 500 is stale."""
BOOLEAN = 11
"""Datatype of a boolean."""
REBIRTH = "Node Control/Rebirth"
"""Metric by which a host application asks a node to send its births again."""

_Kind = descriptor_pb2.FieldDescriptorProto
_UINT32, _UINT64, _BOOL, _STRING = _Kind.TYPE_UINT32, _Kind.TYPE_UINT64, _Kind.TYPE_BOOL, _Kind.TYPE_STRING
_VALUE = "value"
"""The group of fields of which a metric has one. Datasets, templates, bytes and extensions are not declared, so that
the library skips them."""
_MESSAGES: dict[str, list[tuple[str, int, int | str, str]]] = {
    "Payload": [("timestamp", 1, _UINT64, ""), ("metrics", 2, "Metric", "repeated"), ("seq", 3, _UINT64, "")],
    "Metric": [
        ("name", 1, _STRING, ""),
        ("alias", 2, _UINT64, ""),
        ("timestamp", 3, _UINT64, ""),
        ("datatype", 4, _UINT32, ""),
        ("is_null", 7, _BOOL, ""),
        ("properties", 9, "PropertySet", ""),
        ("int_value", 10, _UINT32, _VALUE),
        ("long_value", 11, _UINT64, _VALUE),
        ("float_value", 12, _Kind.TYPE_FLOAT, _VALUE),
        ("double_value", 13, _Kind.TYPE_DOUBLE, _VALUE),
        ("boolean_value", 14, _BOOL, _VALUE),
        ("string_value", 15, _STRING, _VALUE),
    ],
    "PropertySet": [("keys", 1, _STRING, "repeated"), ("values", 2, "PropertyValue", "repeated")],
    "PropertyValue": [("int_value", 3, _UINT32, "")],
}
"""Name, number, type, and label or group of each field that is used, by message."""


def _message_class(name: str) -> type[Any]:
    """Class of a message, in a pool of its own: other packages may bring a definition of the same names."""
    file = descriptor_pb2.FileDescriptorProto(
        name="sparkplug_b.proto", package="edgedescent.sparkplug", syntax="proto2"
    )
    for message, fields in _MESSAGES.items():
        declared = file.message_type.add(name=message)
        if any(label == _VALUE for *_, label in fields):
            declared.oneof_decl.add(name=_VALUE)
        for field, number, kind, label in fields:
            added = declared.field.add(name=field, number=number)
            added.label = _Kind.LABEL_REPEATED if label == "repeated" else _Kind.LABEL_OPTIONAL
            if isinstance(kind, str):
                added.type, added.type_name = _Kind.TYPE_MESSAGE, f".{file.package}.{kind}"
            else:
                added.type = kind
            if label == _VALUE:
                added.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    kind_of: type[Any] = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{file.package}.{name}"))
    return kind_of


Message = _message_class("Payload")
"""Class of the protobuf message of a payload."""


class Metric(NamedTuple):
    """Metric of a payload, as it was transported."""

    name: str
    """Empty where it has an alias only."""
    alias: int | None
    timestamp: int | None
    """Milliseconds since 1970."""
    datatype: int
    """Number of its datatype; 0 where it has none."""
    field: str | None
    """Field that holds the value; None where there is none, or one that is not read."""
    value: Any
    is_null: bool
    """True if there is no value, or its quality is not good."""


class Payload(NamedTuple):
    """Payload of a message of an edge node."""

    timestamp: int | None
    """Milliseconds since 1970."""
    seq: int | None
    metrics: list[Metric]


def read_payload(data: bytes) -> Payload:
    """Read a payload.

    Raises:
        InvalidEventError: If it is none, or a timestamp or sequence number is out of range.
    """
    try:
        message = Message.FromString(data)
        payload = Payload(
            message.timestamp if message.HasField("timestamp") else None,
            message.seq if message.HasField("seq") else None,
            [_metric(one) for one in message.metrics],
        )
    except (DecodeError, UnicodeDecodeError) as error:
        raise InvalidEventError("malformed", f"The Sparkplug B payload is malformed: {error}") from error
    for timestamp in (payload.timestamp, *(one.timestamp for one in payload.metrics)):
        if timestamp is not None and timestamp >= TIMESTAMP_MAX_MS:
            raise InvalidEventError("out_of_range", f"Expected milliseconds since 1970 as timestamp, got {timestamp}.")
    if payload.seq is not None and payload.seq > 255:
        raise InvalidEventError("out_of_range", f"Expected a sequence number from 0 to 255, got {payload.seq}.")
    return payload


def _metric(one: Any) -> Metric:
    field = one.WhichOneof(_VALUE)
    name, value = one.name, None if field is None else getattr(one, field)
    if isinstance(name, bytes) or isinstance(value, bytes):
        # What the library makes of a text that is not UTF-8.
        raise InvalidEventError("malformed", "The Sparkplug B payload is malformed: a text is not UTF-8.")
    return Metric(
        name,
        one.alias if one.HasField("alias") else None,
        one.timestamp if one.HasField("timestamp") else None,
        one.datatype,
        field,
        value,
        one.is_null or (one.HasField("properties") and _quality(one.properties) != GOOD),
    )


def _quality(properties: Any) -> int:
    """Quality code of a metric; good where it says nothing of it."""
    for key, value in zip(properties.keys, properties.values, strict=False):
        if key == "Quality" and value.HasField("int_value"):
            return int(value.int_value)
    return GOOD


def rebirth_request(at_ms: int) -> bytes:
    """Payload of the command by which a node is asked to send its births again.

    Args:
        at_ms: Time of the request, in milliseconds since 1970.

    Example:
        >>> read_payload(rebirth_request(1_767_607_200_000)).metrics[0].name
        'Node Control/Rebirth'
    """
    message = Message(timestamp=at_ms)
    message.metrics.add(name=REBIRTH, timestamp=at_ms, datatype=BOOLEAN, boolean_value=True)
    data: bytes = message.SerializeToString(deterministic=True)
    return data
