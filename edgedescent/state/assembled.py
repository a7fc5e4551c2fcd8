"""Events that the inputs of a configuration make of recorded messages, without a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from edgedescent.assembly import Row
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import DeadLetter, Message
from edgedescent.engine.settings import EngineSettings
from edgedescent.errors import ConfigError
from edgedescent.learners import LinearRegressor


class AssembledEvents:
    """Events of recorded messages, as a device with these settings makes them.

    Args:
        settings: Settings of the engine, with inputs.
        messages: The messages, in order.

    Attributes:
        counters: What happened, by name, once the events were read.
        dead_letters: The first dead letters.

    Raises:
        ConfigError: If there are no inputs.
    """

    def __init__(self, settings: EngineSettings, messages: Iterable[Message]) -> None:
        if settings.assembly is None:
            raise ConfigError("There are no `inputs`: each message holds whole events.", "See docs/streams.md.")
        settings = msgspec.structs.replace(settings, quarantine=False, drift=None, interval=None)
        self._engine = Engine(LinearRegressor(), **settings.options())
        self._messages = messages
        self.dead_letters: list[DeadLetter] = []

    @property
    def counters(self) -> Counter[str]:
        """Counters of the assembler so far, by name."""
        return self._engine.counters

    def __iter__(self) -> Iterator[Row]:
        rows: list[Row] = []
        engine = self._engine
        assert engine.assembling is not None  # noqa: S101 - the constructor has checked it
        engine.assembling.on_row = rows.append
        for message in self._messages:
            if message.position > engine.position + 1:
                engine.skip_to(message.position - 1)
            effects = engine.handle(message)
            if len(self.dead_letters) < 100:
                self.dead_letters += [effect for effect in effects if isinstance(effect, DeadLetter)]
            yield from rows
            rows.clear()
