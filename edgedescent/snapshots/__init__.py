"""Snapshots: the live model as a file that other runtimes serve, published only after a parity check.

This code runs in a process of its own, beside the daemon or without one. It reads the state and never writes it, and
needs packages that are too large for the daemon.
"""
