"""What paho-mqtt received, as the daemon takes it."""

from __future__ import annotations

from paho.mqtt.client import MQTTMessage

from edgedescent.interfaces import Delivery


def delivered(message: MQTTMessage, generation: int = 0) -> Delivery:
    """A message of paho's; a topic that is no UTF-8 becomes one that nobody publishes to.

    Args:
        message: as a callback gets it.
        generation: the connection's.
    """
    try:
        topic = message.topic
    except UnicodeDecodeError:
        topic = "\N{REPLACEMENT CHARACTER}"
    return Delivery(topic, bytes(message.payload), message.mid, message.qos, message.dup, generation)
