"""Publishing a source to an MQTT broker, and the command `edgedescent replay`."""
