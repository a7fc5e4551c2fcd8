"""Demonstration: a broker, a daemon and a replay in one command."""
