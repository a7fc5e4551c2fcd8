"""What publishes to the simulated broker: events in order, some of which come late, out of order or twice."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from edgedescent_world.broker import Broker
from edgedescent_world.chance import Chance
from edgedescent_world.timeline import Timeline

_RETRY_S = 0.2
"""How soon a sensor tries again while the broker is down."""
_UNUSABLE = ('{"id": "u%d", "x": 3}', '{"id": "u%d"', "[%d]", '{"x": {}, "y": 1e300, "id": "u%d"}', '"%d"')


class Sent(msgspec.Struct, frozen=True):
    """One message as a sensor made it."""

    payload: bytes
    learnable: tuple[str, ...]
    """The names of the events in it that have a label: their ids, where they have some."""
    anonymous: bool = False
    """Whether its one event has no id."""


class Sensors:
    """Makes the messages of a world, and sends them at their times.

    Args:
        chance: of the world.
        timeline: of the world.
        broker: takes them.
        ratings: whether the events are ratings rather than features.
        count: how many messages.
    """

    def __init__(self, chance: Chance, timeline: Timeline, broker: Broker, *, ratings: bool, count: int) -> None:
        self._chance = chance
        self._timeline = timeline
        self._broker = broker
        self._ratings = ratings
        self._events = 0
        self._on_the_way = 0
        self.sent = [self._message(number) for number in range(count)]
        """In the order of sending."""
        rates, dice = chance.rates, chance.dice
        for number, message in enumerate(self.sent):
            # They begin when the daemon had time to subscribe, which it may have used or not.
            at = rates.duration_s * (0.1 + 0.8 * (number + dice.random()) / count)
            late = dice.expovariate(1 / rates.delay_s) if dice.random() < rates.delayed else 0.0
            self._send(message.payload, at + late)
            if dice.random() < rates.doubled:
                self._send(message.payload, at + dice.expovariate(1 / rates.delay_s))

    @property
    def done(self) -> bool:
        """Whether the broker has taken everything."""
        return self._on_the_way == 0

    def _send(self, payload: bytes, after_s: float) -> None:
        self._on_the_way += 1

        def arrive() -> None:
            if self._broker.take(payload):
                self._on_the_way -= 1
            else:
                self._timeline.after(_RETRY_S, arrive)

        self._timeline.after(after_s, arrive)

    def _message(self, number: int) -> Sent:
        dice = self._chance.dice
        kind = dice.random()
        if dice.random() < self._chance.rates.anonymous:
            event = self._event()
            name = event.pop("id")
            # No two are the same, so that one which was learned twice is found.
            event["y"] += dice.random()
            return Sent(json.dumps(event).encode(), (name,), anonymous=True)
        if kind < 0.05:
            return Sent((dice.choice(_UNUSABLE) % number).encode(), ())
        events = [self._event() for _ in range(1 if kind < 0.8 else dice.randint(2, 5))]
        if kind < 0.1:
            del events[0]["y"]
        learnable = tuple(event["id"] for event in events if "y" in event)
        return Sent(json.dumps(events if kind >= 0.8 else events[0]).encode(), learnable)

    def _event(self) -> dict[str, Any]:
        dice = self._chance.dice
        self._events += 1
        event: dict[str, Any] = {"id": f"e{self._events}"}
        if self._ratings:
            event.update(user=dice.randint(1, 9), item=f"i{dice.randint(1, 9)}", y=dice.randint(1, 5))
        else:
            x = {"temp": dice.gauss(20, 5), "load": dice.random()}
            event.update(x=x, y=3 * x["temp"] - 5 * x["load"] + dice.gauss(0, 1))
        return event
