"""Recordings: journals that `edgedescent journal export` wrote, as streams of the messages that were received."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from edgedescent.engine.messages import Message
from edgedescent.errors import ConfigError
from edgedescent.state.recording import from_line
from edgedescent_sims.sources.base import Event, Kind, SkippedRows, SourceOptions
from edgedescent_sims.sources.text_files import first_line, open_text, stem_of


class RecordingSource:
    """Recorded messages; each event is a whole one, ``{"topic": …, "payload": bytes}``, which is sent as it is.

    Args:
        spec: Path of the file, gzipped if its name ends in `.gz`.
        options: `target`, `drop` and `id_prefix` do not apply.

    Raises:
        ConfigError: If an option does not apply.
    """

    kind: Kind = "recorded"

    def __init__(self, spec: str, options: SourceOptions) -> None:
        if options.target is not None or options.drop or options.id_prefix is not None:
            raise ConfigError(
                f"{spec} is a recording, which is sent as it is.", hint="Leave out --target, --drop and --id-prefix."
            )
        self._path = Path(spec)
        self.name = stem_of(self._path)
        self.skipped_rows = SkippedRows(options.notify)

    @classmethod
    def recognizes(cls, spec: str) -> bool:
        """Return True for a file whose first line is a recorded message."""
        path = Path(spec)
        return path.is_file() and not isinstance(_parse(first_line(path)), str)

    def length(self) -> int | None:
        """Return the number of lines."""
        with open_text(self._path) as stream:
            return sum(1 for _ in stream)

    def events(self) -> Iterator[Event]:
        """Yield the messages from the first one on."""
        self.skipped_rows.reset()
        with open_text(self._path) as stream:
            for number, line in enumerate(stream, start=1):
                message = _parse(line)
                if isinstance(message, str):
                    self.skipped_rows.row(number, message)
                else:
                    yield {"topic": message.topic, "payload": message.payload}


def _parse(line: str) -> Message | str:
    """Return the message of a line, or the reason why it holds none."""
    try:
        return from_line(line)
    except (ValueError, msgspec.DecodeError) as fault:
        return str(fault)
