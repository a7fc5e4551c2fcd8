"""Private MQTT brokers on the loopback interface."""
