"""Payload formats: bytes to events."""
