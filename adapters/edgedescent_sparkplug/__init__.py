"""Sparkplug B adapter: decodes what the edge nodes of a plant publish, by their births, aliases and deaths."""

from edgedescent_sparkplug.decoder import SparkplugDecoder

__all__ = ["SparkplugDecoder"]
