"""The MQTT transport: paho-mqtt driven by the daemon's own loop."""

from edgedescent_mqtt.adapter import MqttAdapter

__all__ = ["MqttAdapter"]
