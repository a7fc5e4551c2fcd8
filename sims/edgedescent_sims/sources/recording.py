"""A journal that `edgedescent journal export` wrote, as a stream of the very messages that were received."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from edgedescent.engine.messages import Message
from edgedescent.errors import ConfigError
from edgedescent.state.recording import from_line
from edgedescent_sims.sources import Event, Kind, SkippedRows, SourceOptions
from edgedescent_sims.sources.text_files import open_text, stem_of


class RecordingSource:
    """Each event is a whole message, ``{"topic": …, "payload": bytes}``, which is sent as it is.

    Raises:
        ConfigError: A target or columns are named, which a recording has none of.
    """

    kind: Kind = "recorded"

    def __init__(self, path: Path, options: SourceOptions) -> None:
        if options.target is not None or options.drop or options.id_prefix is not None:
            raise ConfigError(
                f"{path} is a recording, which is sent as it is.", hint="Leave out --target, --drop and --id-prefix."
            )
        self.name = stem_of(path)
        self.omissions = SkippedRows(options.notify)
        self._path = path

    def length(self) -> int | None:
        """Count the lines."""
        with open_text(self._path) as stream:
            return sum(1 for _ in stream)

    def events(self) -> Iterator[Event]:
        """Yield the messages from the first one on."""
        self.omissions.reset()
        with open_text(self._path) as stream:
            for number, line in enumerate(stream, start=1):
                message = _parse(line)
                if isinstance(message, str):
                    self.omissions.row(number, message)
                else:
                    yield {"topic": message.topic, "payload": message.payload}


def looks_like_recording(path: Path) -> bool:
    """Return whether the first line of a file is a recorded message."""
    with open_text(path) as stream:
        return not isinstance(_parse(stream.readline(1_000_000)), str)


def _parse(line: str) -> Message | str:
    """Return the message of a line, or why it holds none."""
    try:
        return from_line(line)
    except (ValueError, msgspec.DecodeError) as fault:
        return str(fault)
