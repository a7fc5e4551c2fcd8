"""Damage campaign: faults in every file of a state folder, for every learner, on each way that reads it.

A run must end with the weights of one without faults, bit for bit, or say what was lost and count it.
"""

from damage.campaign import Outcome, examine

__all__ = ["Outcome", "examine"]
