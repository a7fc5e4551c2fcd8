"""History of the engine's settings: which of them held for which messages of the journal."""

from __future__ import annotations

import math
import zlib
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from edgedescent.engine.core import Engine
from edgedescent.engine.settings import EngineSettings
from edgedescent.errors import ConfigError, StateError


class _Entry(msgspec.Struct, frozen=True, array_like=True):
    """Settings, and the position of the first message that they hold for."""

    position: int
    settings: EngineSettings


class SettingsMark(NamedTuple):
    """Mark of a history, by which an older one is recognized."""

    since: int
    """Position of the first message that its last settings hold for; 0 if it has none."""
    checksum: int
    """Checksum of the history."""


UNKNOWN = SettingsMark(0, 0)
"""Mark of a history that holds nothing."""


class SettingsHistory:
    """Settings of an engine by position, in order.

    Settings hold from the message at their position on, not before: the state of an engine behind a message depends
    on nothing that was configured later. So checkpoints are the same whether they were saved before or after a change.

    Args:
        entries: The entries, in order; none where nothing is known.

    Example:
        >>> history = SettingsHistory().with_change(1, EngineSettings()).with_change(8, EngineSettings(dedup_window=9))
        >>> [history.at(position).dedup_window for position in (0, 7, 8)]
        [65536, 65536, 9]
    """

    def __init__(self, entries: Sequence[_Entry] = ()) -> None:
        self._entries = tuple(entries)

    def __bool__(self) -> bool:
        return bool(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def at(self, position: int) -> EngineSettings | None:
        """Settings that hold for the message at a position; None where nothing is known."""
        if not self._entries:
            return None
        return self._entries[max(self._count_up_to(position) - 1, 0)].settings

    def next_change(self, after: int) -> float:
        """Position of the first message behind `after` that other settings hold for; infinite if there is none."""
        number = self._count_up_to(after)
        return self._entries[number].position if number < len(self._entries) else math.inf

    def _count_up_to(self, position: int) -> int:
        return bisect_right(self._entries, position, key=lambda entry: entry.position)

    @property
    def mark(self) -> SettingsMark:
        """Mark of this history."""
        if not self._entries:
            return UNKNOWN
        return SettingsMark(self._entries[-1].position, zlib.crc32(self.encode().encode()))

    def lacks(self, mark: SettingsMark, position: int) -> bool:
        """True if settings are missing that have held for messages.

        A history that is newer than the mark lacks nothing: the mark is written behind it.

        Args:
            mark: Mark of the newest history.
            position: Position of the last message when it was written.
        """
        return mark.since <= position and self.mark != mark and self.mark.since <= mark.since

    def with_change(self, position: int, settings: EngineSettings, needed_after: int = 0) -> SettingsHistory:
        """History in which settings hold from a position on, without what is not needed any more.

        Args:
            position: Position of the next message.
            settings: The settings; those before them are kept if they are the same.
            needed_after: Position behind which messages may be processed again.
        """
        first = max(self._count_up_to(needed_after) - 1, 0)
        entries = [entry for entry in self._entries[first:] if entry.position < position]
        if not entries or entries[-1].settings != settings:
            entries.append(_Entry(position, settings))
        return SettingsHistory(entries)

    def encode(self) -> str:
        """Text that `decode` reads."""
        return msgspec.json.encode(self._entries).decode()

    @classmethod
    def decode(cls, text: str) -> SettingsHistory:
        """Read what `encode` wrote.

        Raises:
            StateError: If another version wrote it.
        """
        try:
            return cls(msgspec.json.decode(text, type=list[_Entry]))
        except msgspec.ValidationError as error:
            raise StateError(
                f"The state holds settings that this version does not know: {error}.",
                "Run the version of EdgeDescent that wrote it.",
            ) from error


class SettingsReplay:
    """Gives an engine the settings that held for each message, while it processes messages again.

    Args:
        history: The history.
        engine: The engine, with the settings of its position.
    """

    def __init__(self, history: SettingsHistory, engine: Engine) -> None:
        self._history = history
        self._engine = engine
        self._next = history.next_change(engine.position)

    def prepare(self, position: int) -> None:
        """Configure the engine for the message at a position, which it handles next.

        Raises:
            StateError: If the message needs a payload format that is not installed.
        """
        if position >= self._next:
            self._next = self._history.next_change(position)
            settings = self._history.at(position)
            if settings is not None:
                self._engine.configure(**options_of(settings))


def options_of(settings: EngineSettings) -> dict[str, Any]:
    """Arguments of an engine with settings that a state holds.

    Raises:
        StateError: If they name a payload format that is not installed.
    """
    try:
        return settings.options()
    except ConfigError as error:
        raise StateError(
            f"The state holds messages in a format that is not there: {error}", "Install the package that has it."
        ) from error
