"""Encoder of events: names to table rows, standardized values and categories."""
