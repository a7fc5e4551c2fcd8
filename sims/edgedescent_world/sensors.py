"""Simulated sensors: publishers of events, some of which are late, out of order, duplicated or invalid."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec

from edgedescent_world.broker import Broker
from edgedescent_world.chance import Chance
from edgedescent_world.ledger import Content
from edgedescent_world.subscriptions import TOPIC
from edgedescent_world.timeline import Timeline

_RETRY_S = 0.2
"""Time after which a sensor sends again while the broker is down."""
_SOURCES = ((1, 0.0), (1, 0.0), (1, 0.0), (1, 0.0), (1, 0.1), (2, 0.0), (3, 0.02))
"""Number of sources, and probability that one counts anew before an event; in most worlds there is nothing of this."""
_UNUSABLE = ('{"id": "u%d", "x": 3}', '{"id": "u%d"', "[%d]", '{"x": {}, "y": 1e300, "id": "u%d"}', '"%d"')


class SentMessage(msgspec.Struct, frozen=True):
    """Message as a sensor made it."""

    topic: str
    payload: bytes
    learnable: tuple[str, ...]
    """Names of its events with a label, which no two events share."""
    keys: tuple[str, ...] = ()
    """Their ids, which other events may have, if they have some."""
    anonymous: bool = False
    """True if its single event has no id."""

    @property
    def content(self) -> Content:
        """Topic and payload."""
        return self.topic, self.payload


class Source:
    """Counter that gives the events of one topic their ids.

    Args:
        topic: The topic.
        restarts: Probability that it counts anew before an event.
        dice: Decides that.
    """

    def __init__(self, topic: str, restarts: float, dice: random.Random) -> None:
        self.topic = topic
        self._restarts = restarts
        self._dice = dice
        self.life = 0
        """Number of times that it began to count anew."""
        self.count = 0

    def next_id(self) -> int | str:
        """Id of the next event: a number, or in every other life its digits."""
        self.count += 1
        if self._dice.random() < self._restarts:
            self.life, self.count = self.life + 1, 1
        return str(self.count) if self.life % 2 else self.count


class Publishers:
    """Senders of messages, which try again while the broker is down.

    Args:
        timeline: Time of the world.
        broker: Receives the messages.
    """

    sent: list[SentMessage]
    """Messages in the order of sending."""

    def __init__(self, timeline: Timeline, broker: Broker) -> None:
        self._timeline = timeline
        self._broker = broker
        self._unsent = 0

    @property
    def done(self) -> bool:
        """True once the broker has accepted all messages."""
        return self._unsent == 0

    def _send(self, message: SentMessage, after_s: float) -> None:
        self._unsent += 1

        def arrive() -> None:
            if self._broker.accept(*message.content):
                self._unsent -= 1
            else:
                self._timeline.after(_RETRY_S, arrive)

        self._timeline.after(after_s, arrive)


class Sensors(Publishers):
    """Publishers of all messages of a world, scheduled over its time.

    Args:
        chance: Random source of the world.
        timeline: Time of the world.
        broker: Receives the messages.
        ratings: True for events with user and item, False for events with features.
        id_scope: What an id belongs to: with ``device``, no two sources send the same event.
        count: Number of messages.
        several: True for several sources in any case.
    """

    def __init__(
        self,
        chance: Chance,
        timeline: Timeline,
        broker: Broker,
        *,
        ratings: bool,
        id_scope: str,
        count: int,
        several: bool = False,
    ) -> None:
        super().__init__(timeline, broker)
        self._chance = chance
        self._ratings = ratings
        self._events = 0
        n_sources, restarts = _SOURCES[-1] if several else chance.ids.choice(_SOURCES)
        self._sources = [
            Source(f"{TOPIC}/{number}" if number else TOPIC, restarts, chance.ids) for number in range(n_sources)
        ]
        self._count = n_sources > 1 or restarts > 0
        """True if the sources count, each for itself; else no two events have the same id."""
        self._at_rest = chance.ids.random() < 0.5 and id_scope == "topic"
        """True if the events of sources that count say no more than how far they are."""
        self.sent = [self._message(number) for number in range(count)]
        rates, dice = chance.rates, chance.dice
        for number, message in enumerate(self.sent):
            # The first tenth of the time is left for the daemon to subscribe, which it may fail to do.
            at = rates.duration_s * (0.1 + 0.8 * (number + dice.random()) / count)
            late = dice.expovariate(1 / rates.delay_s) if dice.random() < rates.delayed else 0.0
            self._send(message, at + late)
            if dice.random() < rates.doubled:
                self._send(message, at + dice.expovariate(1 / rates.delay_s))

    def _message(self, number: int) -> SentMessage:
        dice, source = self._chance.dice, self._chance.ids.choice(self._sources)
        kind = dice.random()
        if dice.random() < self._chance.rates.anonymous:
            name, event = self._event(source)
            del event["id"]
            # The label makes the payload unique, so that an event learned twice is detected.
            event["y"] += dice.random()
            return SentMessage(source.topic, json.dumps(event).encode(), (name,), anonymous=True)
        if kind < 0.05:
            return SentMessage(source.topic, (dice.choice(_UNUSABLE) % number).encode(), ())
        events = [self._event(source) for _ in range(1 if kind < 0.8 else dice.randint(2, 5))]
        if kind < 0.1:
            del events[0][1]["y"]
        bodies = [event for _, event in events]
        learnable = {name: f"{source.topic} {event['id']!r}" for name, event in events if "y" in event}
        payload = json.dumps(bodies if kind >= 0.8 else bodies[0]).encode()
        return SentMessage(source.topic, payload, tuple(learnable), tuple(learnable.values()))

    def _event(self, source: Source) -> tuple[str, dict[str, Any]]:
        """Name and body of a new event."""
        dice = self._chance.dice
        self._events += 1
        name = f"e{self._events}"
        event: dict[str, Any] = {"id": source.next_id() if self._count else name}
        if self._ratings:
            event.update(user=dice.randint(1, 9), item=f"i{dice.randint(1, 9)}", y=dice.randint(1, 5))
            if self._count:
                # So that no two events of a source say the same.
                event["y"] += self._events / 1024
        else:
            x = {"temp": dice.gauss(20, 5), "load": dice.random()}
            event.update(x=x, y=3 * x["temp"] - 5 * x["load"] + dice.gauss(0, 1))
        if self._count and self._at_rest:
            says: dict[str, Any] = {"user": 1, "item": "i1"} if self._ratings else {"x": {"temp": source.count}}
            event.update(says, y=1 + source.count % 5 + source.life / 1024)
        return name, event
