"""Simulated sensors: publishers of events, some of which are late, out of order, duplicated or invalid."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from edgedescent_world.broker import Broker
from edgedescent_world.chance import Chance
from edgedescent_world.subscriptions import topic_of
from edgedescent_world.timeline import Timeline

_RETRY_S = 0.2
"""Time after which a sensor sends again while the broker is down."""
_UNUSABLE = ('{"id": "u%d", "x": 3}', '{"id": "u%d"', "[%d]", '{"x": {}, "y": 1e300, "id": "u%d"}', '"%d"')


class SentMessage(msgspec.Struct, frozen=True):
    """Message as a sensor made it."""

    payload: bytes
    learnable: tuple[str, ...]
    """Names of its events with a label: their ids, if they have some."""
    anonymous: bool = False
    """True if its single event has no id."""


class Sensors:
    """Publishers of all messages of a world, scheduled over its time.

    Args:
        chance: Random source of the world.
        timeline: Time of the world.
        broker: Receives the messages.
        ratings: True for events with user and item, False for events with features.
        count: Number of messages.
        topics: Number of topics to which they are published.
    """

    def __init__(
        self, chance: Chance, timeline: Timeline, broker: Broker, *, ratings: bool, count: int, topics: int = 1
    ) -> None:
        self._chance = chance
        self._timeline = timeline
        self._broker = broker
        self._ratings = ratings
        self._topics = topics
        self._events = 0
        self._unsent = 0
        self.sent = [self._message(number) for number in range(count)]
        """Messages in the order of sending."""
        rates, dice = chance.rates, chance.dice
        for number, message in enumerate(self.sent):
            # The first tenth of the time is left for the daemon to subscribe, which it may fail to do.
            at = rates.duration_s * (0.1 + 0.8 * (number + dice.random()) / count)
            late = dice.expovariate(1 / rates.delay_s) if dice.random() < rates.delayed else 0.0
            self._send(message.payload, at + late)
            if dice.random() < rates.doubled:
                self._send(message.payload, at + dice.expovariate(1 / rates.delay_s))

    @property
    def done(self) -> bool:
        """True once the broker has accepted all messages."""
        return self._unsent == 0

    def _send(self, payload: bytes, after_s: float) -> None:
        self._unsent += 1

        def arrive() -> None:
            if self._broker.accept(topic_of(payload, self._topics), payload):
                self._unsent -= 1
            else:
                self._timeline.after(_RETRY_S, arrive)

        self._timeline.after(after_s, arrive)

    def _message(self, number: int) -> SentMessage:
        dice = self._chance.dice
        kind = dice.random()
        if dice.random() < self._chance.rates.anonymous:
            event = self._event()
            name = event.pop("id")
            # The label makes the payload unique, so that an event learned twice is detected.
            event["y"] += dice.random()
            return SentMessage(json.dumps(event).encode(), (name,), anonymous=True)
        if kind < 0.05:
            return SentMessage((dice.choice(_UNUSABLE) % number).encode(), ())
        events = [self._event() for _ in range(1 if kind < 0.8 else dice.randint(2, 5))]
        if kind < 0.1:
            del events[0]["y"]
        learnable = tuple(event["id"] for event in events if "y" in event)
        return SentMessage(json.dumps(events if kind >= 0.8 else events[0]).encode(), learnable)

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
