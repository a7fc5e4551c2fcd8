"""The command `edgedescent demo`: broker, daemon and replay on one machine."""
