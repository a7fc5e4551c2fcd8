"""Reason codes of MQTT 5 (section 2.4) for an operator: in words, with what the broker adds and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edgedescent.errors import shown
from edgedescent_mqtt.connect import PAHO_REASONS, explain

SESSION_TAKEN_OVER, PACKET_TOO_LARGE = 0x8E, 0x95
RETAIN_NOT_SUPPORTED, QOS_NOT_SUPPORTED = 0x9A, 0x9B
NO_SHARED_SUBSCRIPTIONS, NO_SUBSCRIPTION_IDENTIFIERS, NO_WILDCARDS = 0x9E, 0xA1, 0xA2

_RULES = "Check its access rules."
_QUOTA = "It has a quota that is used up."
CONNECTION_ADVICE = MappingProxyType(
    {
        0x84: 'set broker.protocol = "3.1.1"',
        0x85: "see `broker.client_id`",
        0x86: "see `broker.username` and its password",
        0x87: "see `broker.username` and its password, and the broker's access rules",
        0x8A: "the broker's administrator has banned this client",
        0x8C: "it wants another way to log in than user name and password",
        0x90: "see `topics.status`",
        0x93: "see its limit on unconfirmed messages",
        PACKET_TOO_LARGE: "see its limit on the size of packets",
        0x96: "see its limit on the rate of messages",
        0x97: "it has a quota that is used up",
        0x9C: "see `broker.host`",
        0x9D: "see `broker.host`",
        0x9F: "raise `broker.reconnect_min_s`",
    }
)
"""Advice on the reason codes of CONNACK and DISCONNECT (sections 3.2.2.2 and 3.14.2.1), to be put into brackets."""
SUBSCRIPTION_ADVICE = MappingProxyType(
    {
        0x80: _RULES,
        0x83: _RULES,
        0x87: _RULES,
        0x8F: "It does not take such a filter: name others in `topics.events`.",
        0x97: "It has a limit on subscriptions.",
        NO_SHARED_SUBSCRIPTIONS: "It knows no shared subscriptions: leave out `$share/<group>/`.",
        NO_SUBSCRIPTION_IDENTIFIERS: "They are left out from now on.",
        NO_WILDCARDS: "It knows no wildcards: name each topic in `topics.events`.",
    }
)
"""Advice on the reason codes of SUBACK (section 3.9.3)."""
PUBLICATION_ADVICE = MappingProxyType({0x87: _RULES, 0x90: _RULES, 0x97: _QUOTA})
"""Advice on the reason codes of PUBACK (section 3.4.2.1)."""


def worded(reason: ReasonCode, properties: Properties | None = None) -> str:
    """Return a reason with the text that the broker gives for it and the server that it points to, if any.

    >>> from paho.mqtt.packettypes import PacketTypes
    >>> worded(ReasonCode(PacketTypes.CONNACK, "Quota exceeded"))
    'Quota exceeded'
    """
    found = {} if properties is None else vars(properties)
    text = f": {shown(found['ReasonString'])}" if found.get("ReasonString") else ""
    other = f", use {shown(found['ServerReference'])}" if found.get("ServerReference") else ""
    return f"{reason}{text}{other}"


def advice(reason: ReasonCode, by_code: Mapping[int, str]) -> str:
    """Return advice as a further sentence; an empty string if there is none."""
    return f" {by_code[reason.value]}" if reason.value in by_code else ""


def ending(reason: ReasonCode, properties: Properties | None, fault: OSError | None, *, told: bool) -> str:
    """Return why a connection has ended; an empty string if nothing shows it.

    Args:
        reason: Reason code, of the broker's or of paho's.
        properties: Properties of the broker's DISCONNECT.
        fault: Fault of the socket.
        told: True if the broker has sent a DISCONNECT.
    """
    if told:
        return f"the broker ended it: {worded(reason, properties)}{hint(reason)}"
    if fault is not None:
        return explain(fault)
    return PAHO_REASONS.get(reason.value, "")


def hint(reason: ReasonCode) -> str:
    """Return advice on the end of a connection, in brackets; an empty string if there is none."""
    return f" ({CONNECTION_ADVICE[reason.value]})" if reason.value in CONNECTION_ADVICE else ""
