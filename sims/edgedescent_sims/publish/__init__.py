"""Publisher of events to an MQTT broker."""
