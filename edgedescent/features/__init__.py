"""Encoders of events: mapping of names to table rows, standardization of values, categories."""
