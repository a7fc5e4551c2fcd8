"""Drift detectors: tests that raise an alarm when a stream of numbers has changed. One file each.

`DriftMonitor` runs one over the prediction errors and the inputs of a learner. Alarms are for people: nothing that
learns reads them.
"""

from edgedescent.drift._detection import Detection
from edgedescent.drift._monitor import DriftMonitor
from edgedescent.drift.adwin import ADWIN
from edgedescent.drift.alarm import Alarm
from edgedescent.drift.base import Detector
from edgedescent.drift.kswin import KSWIN
from edgedescent.drift.page_hinkley import PageHinkley
from edgedescent.registry import Registry, exported

__all__ = [
    "ADWIN",
    "DETECTORS",
    "KSWIN",
    "Alarm",
    "Detection",
    "Detector",
    "DriftMonitor",
    "PageHinkley",
]

DETECTORS: Registry[type[Detector]] = Registry(
    "detector", "edgedescent.detectors", exported(__name__, globals(), Detector), base=Detector
)
