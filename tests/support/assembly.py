"""Assemblers for tests: made from TOML, given messages, and their steps read."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from edgedescent.assembly import Assembler, AssemblySettings, Dropped, Row, Unusable
from edgedescent.config import Config, convert

Step = Row | Dropped | Unusable


class Sent(NamedTuple):
    """Message of a sensor, and the time of its arrival."""

    topic: str
    payload: bytes
    received_at: float


def sent(topic: str, received_at: float, **fields: Any) -> Sent:
    return Sent(topic, json.dumps(fields).encode(), received_at)


def config_of(toml: str) -> Config:
    return convert({"device": "home", "learner": "LinearRegressor", **tomllib.loads(toml)}, Config)


def settings_of(toml: str) -> AssemblySettings:
    settings = config_of(toml).assembly_settings()
    assert settings is not None
    return settings


class Assembly:
    """Assembler with a learner that predicts the number of the row."""

    def __init__(self, toml: str) -> None:
        self.settings = settings_of(toml)
        self.assembler = Assembler(self.settings)
        self.counts: Counter[str] = Counter()
        self.n_rows = 0

    def take(self, *messages: Sent) -> list[Step]:
        steps: list[Step] = []
        for message in messages:
            for step in self.assembler.take(message.topic, message.payload, message.received_at, self.counts):
                if isinstance(step, Row):
                    step.prediction = float(self.n_rows)
                    self.n_rows += 1
                steps.append(step)
        return steps

    def tick(self, received_at: float) -> list[Step]:
        return self.take(Sent("", b"", received_at))

    def learned(self, messages: Iterable[Sent]) -> list[tuple[float, dict[str, Any], float]]:
        """Time, features and label of each event that is learned."""
        return [
            (step.time, step.x, step.y) for step in self.take(*messages) if isinstance(step, Row) and step.y is not None
        ]

    def restarted(self) -> Assembly:
        """Another one that continues with the saved state."""
        other = object.__new__(Assembly)
        other.settings, other.counts, other.n_rows = self.settings, self.counts.copy(), self.n_rows
        other.assembler = Assembler(self.settings)
        other.assembler.load_state_dict(self.assembler.state_dict())
        return other


def bits(assembler: Assembler) -> dict[str, bytes]:
    return {name: value.tobytes() for name, value in assembler.state_dict().items()}
