"""Feed messages to the engine in one process, without a broker, as the daemon does.

A message goes in, effects come out: predictions to publish, and dead letters with a reason. An event that was learned
before, by its id and its content, is a repeat. The engine reads no clock and no network, so the same messages give the
same bits.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

from edgedescent import LinearRegressor
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import DeadLetter, Message, Predictions

numbers = random.Random(1)


def payloads() -> Iterator[bytes]:
    """Yield 300 events, one of them twice, and two that cannot be used."""
    for i in range(300):
        temp = numbers.gauss(20, 5)
        payload = json.dumps({"id": f"event-{i}", "x": {"temp": temp}, "y": 1.5 * temp}).encode()
        yield payload
    yield payload
    yield b'{"id": "broken", "x": {"temp": 2'
    yield b'{"id": "no number", "x": {"temp": 20.0}, "y": "thirty"}'
    yield b'{"id": "to predict", "x": {"temp": 22.0}}'


engine = Engine(LinearRegressor())
last_answer = b""
for position, payload in enumerate(payloads(), start=1):
    for effect in engine.handle(Message(position, received_at=float(position), topic="events", payload=payload)):
        match effect:
            case Predictions():
                last_answer = effect.payload
            case DeadLetter():
                print(f"Dead letter, {effect.reason}: {effect.error}")

print(f"Learned {engine.counters['events_learned']}, repeated {engine.counters['duplicates']}")
print(f"Answer to the last event: {json.loads(last_answer)['prediction']:.2f}")
