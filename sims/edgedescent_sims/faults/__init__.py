"""Faults: disturbances of what arrives.

A new fault is one file with a class derived from `Fault`, and a line here that exports it.
"""

from __future__ import annotations

from edgedescent.registry import Registry, exported
from edgedescent_sims.faults.base import Fault
from edgedescent_sims.faults.bursts import Bursts
from edgedescent_sims.faults.clock_ahead import ClockAhead
from edgedescent_sims.faults.clock_skew import ClockSkew
from edgedescent_sims.faults.delayed_messages import DelayedMessages
from edgedescent_sims.faults.doubled_messages import DoubledMessages
from edgedescent_sims.faults.dropped_messages import DroppedMessages
from edgedescent_sims.faults.label_delay import LabelDelay
from edgedescent_sims.faults.missing_labels import MissingLabels
from edgedescent_sims.faults.missing_values import MissingValues
from edgedescent_sims.faults.outage import Outage
from edgedescent_sims.faults.poisoned_labels import PoisonedLabels
from edgedescent_sims.faults.quantization import Quantization
from edgedescent_sims.faults.reordered_messages import ReorderedMessages
from edgedescent_sims.faults.sensor_bias import SensorBias
from edgedescent_sims.faults.sensor_noise import SensorNoise
from edgedescent_sims.faults.spikes import Spikes
from edgedescent_sims.faults.stuck_sensor import StuckSensor

__all__ = [
    "FAULTS",
    "Bursts",
    "ClockAhead",
    "ClockSkew",
    "DelayedMessages",
    "DoubledMessages",
    "DroppedMessages",
    "Fault",
    "LabelDelay",
    "MissingLabels",
    "MissingValues",
    "Outage",
    "PoisonedLabels",
    "Quantization",
    "ReorderedMessages",
    "SensorBias",
    "SensorNoise",
    "Spikes",
    "StuckSensor",
]

FAULTS: Registry[type[Fault]] = Registry(
    "fault", "edgedescent.faults", exported(__name__, globals(), Fault), base=Fault
)
"""Faults by name."""
