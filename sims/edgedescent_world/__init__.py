"""Simulated world: the daemon's own code on a simulated clock, disk and broker, determined by one seed."""

from edgedescent_world.soak import Totals, soak
from edgedescent_world.world import Outcome, Parts, World, simulate

__all__ = ["Outcome", "Parts", "Totals", "World", "simulate", "soak"]
