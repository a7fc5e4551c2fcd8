"""The simulated world: the daemon's own code on a simulated clock, disk and broker, all drawn from one seed."""

from edgedescent_world.runner import Outcome, Parts, World, simulate
from edgedescent_world.soak import Totals, soak

__all__ = ["Outcome", "Parts", "Totals", "World", "simulate", "soak"]
