"""Slices of work, so that whoever runs an engine can do other things within a long message."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from edgedescent.engine.core import Engine
from edgedescent.engine.messages import Effect, Message

SLICE_S = 0.02
"""Time that a slice should take."""
INTERVAL_S = 0.04
"""Time after which a run ends, once the message or slice at hand is done."""
GROWTH = 4
"""Factor by which a slice may be larger than the one before."""
EVENTS_FIRST = 2
"""Number of events in the first slice: a message that has a single event is handled at once with it."""
EVENTS_MAX = 1_000_000
"""Bound on the number of events in a slice."""
LARGE_BYTES = 32_768
"""Size from which on a message may hold events much slower than those before: its first slice is one event."""

OnEffects = Callable[[Message, list[Effect]], bool]
"""Callback that receives a message and its effects, of which there is at least one; returns False for a pause."""


class Slicer:
    """Runs an engine over messages for a short time, in slices whose size follows the speed of its learner.

    The engine has no clock, and learns the same bits whatever the size of the slices.

    Args:
        clock: Monotonic clock.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> engine = Engine(LinearRegressor())
        >>> messages = [Message(i, 0.0, "events", b'{"x": {"temp": 20.1}, "y": 3.2}') for i in (1, 2)]
        >>> Slicer(lambda: 0.0).run(engine, iter(messages), lambda message, _effects: message.position < 5)
        True
        >>> engine.position
        2
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._events_max = EVENTS_FIRST
        """Number of events that a slice takes."""

    def run(self, engine: Engine, messages: Iterator[Message], on_effects: OnEffects) -> bool:
        """Go on with the message that the engine has begun, if any, then handle those that follow.

        Args:
            engine: The engine.
            messages: The messages. Those that are not begun in time stay in the iterator.
            on_effects: Called with the effects of each.

        Returns:
            False if there may be more to do: the time is up, or `on_effects` asked for a pause.
        """
        clock = self._clock
        before = clock()
        until = before + INTERVAL_S
        if (begun := engine.begun) is not None:
            effects = self._proceed(engine, self._events_max, until)
            if effects:
                on_effects(begun, effects)
            # What has to wait for the end of a message gets its turn.
            return False
        for message in messages:
            events_max = self._events_max if len(message.payload) <= LARGE_BYTES else 1
            effects = engine.begin(message, events_max)
            if effects is None:
                events_max = _next_bound(engine, events_max, clock() - before)
                if (effects := self._proceed(engine, events_max, until)) is None:
                    return False
            if effects and not on_effects(message, effects):
                return False
            now = clock()
            if now - before > 2 * SLICE_S:
                self._events_max = max(self._events_max // GROWTH, 1)
            if now >= until:
                return False
            before = now
        return True

    def _proceed(self, engine: Engine, events_max: int, until: float) -> list[Effect] | None:
        """Handle more of the message that was begun; None if some of it is left when the time is up."""
        effects: list[Effect] | None = None
        began = self._clock()
        while effects is None and began < until:
            effects = engine.proceed(events_max)
            now = self._clock()
            events_max, began = _next_bound(engine, events_max, now - began), now
        self._events_max = events_max
        return effects


def _next_bound(engine: Engine, events_max: int, took: float) -> int:
    """Bound on the events of the next slice, after one with the bound `events_max` took `took` seconds."""
    if took * GROWTH > SLICE_S:
        return max(int(events_max * SLICE_S / took), 1)
    return min(events_max * GROWTH, EVENTS_MAX) if engine.is_at_bound else events_max
