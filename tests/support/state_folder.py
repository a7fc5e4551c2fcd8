"""State folders for tests: configurations, messages of every kind, and a run that learns them as the daemon does."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from edgedescent.config import Config, State, describe
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import DeadLetter, Effect, Message
from edgedescent.state import codec
from edgedescent.state.recovery import recover
from edgedescent.state.store import Store

NOW = 1_700_000_000.0


def a_config(folder: Path, **learner: Any) -> Config:
    """The configuration of a daemon whose state lies in `folder`."""
    return Config(device="pump", learner=learner or {"type": "LinearRegressor"}, state=State(path=str(folder)))


def payloads(count: int, *, takes: str = "features", seed: int = 0) -> list[bytes]:
    """Messages of every kind: events and arrays, labels, questions, repeats, and what no decoder takes."""
    rng = random.Random(seed)
    events: list[dict[str, Any]] = []

    def event(number: int) -> dict[str, Any]:
        if events and rng.random() < 0.1:
            return rng.choice(events)
        made: dict[str, Any] = {"id": f"e{number}" if number % 3 else number, "y": rng.gauss(10, 3)}
        if takes == "features":
            names = rng.sample(["temp", "wind", "µ", "rain", "site"], rng.randint(0, 5))
            made["x"] = {name: rng.choice([rng.gauss(5, 2), rng.randint(-9, 9), True, None]) for name in names}
        else:
            made.update(user=rng.randint(1, 6), item=f"i{rng.randint(1, 9)}")
        if rng.random() < 0.15:
            del made["y"]
        events.append(made)
        return made

    made: list[bytes] = []
    for number in range(count):
        kind = rng.random()
        if kind < 0.08:
            made.append(rng.choice([b"", b"\xff", b'{"x": 3}', b'{"y": 1}', b'[{"x": {}, "user": 1, "item": 2}, 7]']))
        elif kind < 0.3:
            made.append(json.dumps([event(100 * number + i) for i in range(rng.randint(0, 4))]).encode())
        else:
            made.append(json.dumps(event(100 * number)).encode())
    return made


class Run:
    """Takes messages in as the daemon does: journals, learns and keeps dead letters."""

    def __init__(self, config: Config, **options: Any) -> None:
        self.config = config
        self.store = Store(config.state.path, **options)
        self.effects: list[tuple[int, Effect]] = []
        self.engine = recover(config, self.store, self._on_effect)

    def _on_effect(self, position: int, effect: Effect) -> None:
        self.effects.append((position, effect))
        if isinstance(effect, DeadLetter):
            self.store.add_dead_letter(effect)

    def append(self, batch: Iterable[bytes]) -> None:
        """Journal a batch without learning it."""
        first = self.store.last_position + 1
        messages = [Message(first + i, NOW, "pump/events", payload) for i, payload in enumerate(batch)]
        self.store.append(messages, self.engine.position)

    def learn(self) -> None:
        """Learn what is in the journal."""
        if self.engine.position < self.store.last_position:
            self.engine.configure(**self.config.engine_settings().options())
        for message in self.store.read(self.engine.position):
            for effect in self.engine.handle(message):
                self._on_effect(message.position, effect)

    def take(self, batch: Iterable[bytes]) -> None:
        """Journal a batch and learn it."""
        self.append(batch)
        self.learn()

    def checkpoint(self) -> None:
        """Save the engine."""
        self.store.checkpoint(self.engine.state_dict(), self.engine.position, NOW, describe(self.engine.learner))


def bits(engine: Engine) -> bytes:
    """The state of an engine as bytes, for comparing every bit."""
    return codec.encode(engine.state_dict())


def batches(items: list[bytes], size: int) -> list[list[bytes]]:
    """Split a list into parts of `size`."""
    return [items[i : i + size] for i in range(0, len(items), size)]


def moved(config: Config, folder: Path) -> Config:
    """The same configuration for another state folder."""
    return msgspec.structs.replace(config, state=State(path=str(folder)))
