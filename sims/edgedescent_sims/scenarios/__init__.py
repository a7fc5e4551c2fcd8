"""Scenarios: a stream with drifts and faults, and the candidates that are compared on it."""
