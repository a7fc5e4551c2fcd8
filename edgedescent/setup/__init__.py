"""Setting up a device: what is heard on a broker, and a configuration that learns from it."""
