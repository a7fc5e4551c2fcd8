"""Sweeps: many runs over configurations, scenarios and seeds, resumable after any kill."""
