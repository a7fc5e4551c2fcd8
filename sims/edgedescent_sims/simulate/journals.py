"""Journals of devices as they are rehearsed: a fixed range of messages, read as a stream."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edgedescent import config as configuration
from edgedescent.config import Config
from edgedescent.engine.messages import Message
from edgedescent.errors import ConfigError, StateError
from edgedescent.state import recording
from edgedescent.state.checkpoint_table import Checkpoint
from edgedescent.state.recovery import require_same_owner
from edgedescent.state.settings_history import SettingsHistory
from edgedescent.state.store import Store
from edgedescent_sims.sources.journal import JournalSource


@dataclass(frozen=True, kw_only=True)
class Journal:
    """Messages that a device received, in order, up to the one that was the newest when the journal was opened.

    Args:
        name: Name of the device.
        folder: State folder that holds the journal; None of a recording.
        path: Recording by `edgedescent journal export`; None of a state folder.
        config: Configuration that the device ran; None where it is unknown.
        first: Position of the oldest message.
        last: Position of the newest message.
        n_messages: Number of messages, damaged ones included where they are known.
    """

    name: str
    folder: Path | None = None
    path: Path | None = None
    config: Config | None = None
    first: int
    last: int
    n_messages: int

    def messages(self, after: int = 0) -> Iterator[Message]:
        """Yield the readable messages behind a position; damaged ones are left out.

        Args:
            after: Position before the first message.

        Raises:
            StateError: If the state cannot be read.
            ConfigError: If the messages of a recording are not in order.
        """
        if self.folder is not None:
            yield from recording.read(self.folder, after=after, up_to=self.last)
            return
        before = 0
        for message in JournalSource(str(self.path)).messages():
            if message.position <= before:
                raise ConfigError(
                    f"In {self.path}, message {message.position} follows message {before}.",
                    "Give the recording of one device, as `edgedescent journal export` wrote it.",
                )
            before = message.position
            if after < message.position <= self.last:
                yield message

    def settings(self) -> SettingsHistory:
        """Settings of the device's engine by position; none of a recording."""
        if self.folder is None:
            return SettingsHistory()
        with _opened(self.folder) as store:
            return store.records.settings

    def checkpoints(self) -> list[Checkpoint]:
        """Undamaged checkpoints of the device within its journal, the oldest first; none of a recording."""
        if self.folder is None:
            return []
        with _opened(self.folder) as store:
            found = [each for each in store.checkpoints() if self.first - 1 <= each.position <= self.last]
        return sorted(found, key=lambda checkpoint: checkpoint.position)


def open_journal(spec: Path) -> Journal:
    """Find the journal of a device by its configuration file, its state folder, or a recording of it.

    A running daemon is not disturbed: its state is only read.

    Raises:
        ConfigError: If it is none of these, holds no message, or another configuration wrote it.
        StateError: If the state cannot be read.
    """
    if spec.is_dir():
        return _of_folder(spec.resolve().name, spec, None)
    if spec.suffix == ".toml":
        config = configuration.load(spec)
        folder = Path(config.state.path)
        journal = _of_folder(config.device, folder, config)
        with _opened(folder) as store:
            try:
                require_same_owner(config, store)
            except StateError as error:
                raise ConfigError(
                    str(error), "Give the configuration that the device ran as --journal, and another with --against."
                ) from None
        return journal
    if not spec.is_file() or not JournalSource.recognizes(str(spec)):
        raise ConfigError(
            f"{spec} is no journal.",
            "Give a device's configuration, its state folder, or a file by `edgedescent journal export`.",
        )
    first = last = count = 0
    for message in JournalSource(str(spec)).messages():
        first, last, count = first or message.position, message.position, count + 1
    return Journal(name=JournalSource(str(spec)).name, path=spec, first=first, last=last, n_messages=count)


def _of_folder(name: str, folder: Path, config: Config | None) -> Journal:
    extent = recording.extent(folder)
    if not extent.last:
        raise ConfigError(f"The journal in {folder} is empty.", "Has the device received anything?")
    return Journal(
        name=name,
        folder=folder,
        config=config,
        first=extent.first,
        last=extent.last,
        n_messages=extent.last - extent.first + 1,
    )


@contextmanager
def _opened(folder: Path) -> Iterator[Store]:
    """Read-only store for the duration of a `with` block."""
    store = Store(folder, read_only=True)
    try:
        yield store
    finally:
        store.close()
