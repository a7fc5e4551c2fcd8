"""Engines for tests: made, given messages, and their effects read."""

from __future__ import annotations

import json
import math
from typing import Any

from edgedescent import LinearRegressor, MatrixFactorization
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import Connection, DeadLetter, Effect, Message, Predictions
from edgedescent.learners import Learner

KINDS: list[type[Learner]] = [LinearRegressor, MatrixFactorization]


def an_engine(kind: type[Learner] = LinearRegressor, **limits: float | None) -> Engine:
    return Engine(kind(), **limits)  # type: ignore[arg-type]


def tell(engine: Engine, *events: object) -> list[Effect]:
    """Send an event, or several as an array."""
    return send(engine, json.dumps(events[0] if len(events) == 1 else events).encode())


def send(
    engine: Engine,
    payload: bytes,
    packet_id: int = 0,
    *,
    again: bool = False,
    at_s: float = 5.0,
    topic: str = "pump/events",
    over: Connection | None = None,
) -> list[Effect]:
    return engine.handle(Message(engine.position + 1, at_s, topic, payload, packet_id, again, over))


def answers(effects: list[Effect]) -> Any:
    (effect,) = effects
    assert isinstance(effect, Predictions)
    return json.loads(effect.payload)


def letters(effects: list[Effect]) -> list[DeadLetter]:
    return [effect for effect in effects if isinstance(effect, DeadLetter)]


def event(number: int, **more: object) -> dict[str, object]:
    return {"id": number, "x": {"a": number % 5, "b": math.sin(number)}, "y": number % 7, **more}
