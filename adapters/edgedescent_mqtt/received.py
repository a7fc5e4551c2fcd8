"""Conversion of paho-mqtt's messages to deliveries."""

from __future__ import annotations

from paho.mqtt.client import MQTTMessage

from edgedescent.interfaces import Delivery


def to_delivery(message: MQTTMessage, generation: int = 0) -> Delivery:
    """Return a received message as a delivery.

    A topic that is not UTF-8 becomes U+FFFD, to which nobody publishes.

    Args:
        message: Message as a callback of paho's gets it.
        generation: Number of the connection.
    """
    try:
        topic = message.topic
    except UnicodeDecodeError:
        topic = "\N{REPLACEMENT CHARACTER}"
    found = message.properties
    return Delivery(
        topic,
        bytes(message.payload),
        message.mid,
        message.qos,
        message.dup,
        generation,
        tuple(getattr(found, "SubscriptionIdentifier", ())),
        response_topic=getattr(found, "ResponseTopic", ""),
        correlation=bytes(getattr(found, "CorrelationData", b"")),
    )
