"""Evaluation of predictions on a stream."""

from edgedescent.evaluation._prequential import Prequential

__all__ = ["Prequential"]
