"""Prequential metrics."""
