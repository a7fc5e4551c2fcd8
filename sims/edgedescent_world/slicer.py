"""Simulated slicer: a learner so slow that messages are cut into slices, between which time passes."""

from __future__ import annotations

import random
from collections.abc import Iterator

from edgedescent.engine.core import Engine
from edgedescent.engine.messages import Message
from edgedescent.engine.slicing import OnEffects, Slicer
from edgedescent_world.timeline import Timeline

SLOW = 0.4
"""Share of worlds whose learner is slow."""


class SimulatedSlicer(Slicer):
    """Slicer whose runs end after some events by chance, within a message as often as behind one.

    Args:
        timeline: Time of the world.
        dice: Random numbers for the slices alone: with those of the world, each seed would be another world.
    """

    def __init__(self, timeline: Timeline, dice: random.Random) -> None:
        super().__init__(timeline.monotonic)
        self._timeline = timeline
        self._dice = dice
        self._event_s = dice.choice((0.001, 0.05, 0.15)) if dice.random() < SLOW else 0.0
        """Time that an event takes at most; 0 if the learner is fast."""

    def run(self, engine: Engine, messages: Iterator[Message], on_effects: OnEffects) -> bool:
        """Handle some events."""
        if not self._event_s:
            return super().run(engine, messages, on_effects)
        began = engine.begun is not None
        for _ in range(self._dice.randint(1, 10)):
            self._timeline.run_until(self._timeline.now + self._event_s * self._dice.random())
            message = engine.begun
            events_max = self._dice.randint(1, 2)
            if message is not None:
                effects = engine.proceed(events_max)
            elif began or (message := next(messages, None)) is None:
                return not began
            else:
                effects = engine.begin(message, events_max)
            if effects and not on_effects(message, effects):
                return False
        return False
