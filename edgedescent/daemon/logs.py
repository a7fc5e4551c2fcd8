"""Logging set-up: text or JSON lines on standard error, with a rate limit for repeated warnings."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from edgedescent.daemon.log_stream import NonBlockingStream, dropped_lines, stream_of_stderr

Format = Literal["text", "json"]
MESSAGE_MAX = 2_000
"""Length to which a message is cut: text from a broker may be of any length."""
FIELD_MAX = 500
"""Length to which any other field of a record is cut."""
WINDOW_S = 10.0
"""Length of the time window of the rate limit."""
KINDS_MAX = 1_000
"""Number of kinds of records that are counted at the same time; when it is reached, all counts are reset."""
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def set_up(*, verbose: bool = False, style: Format = "text", limit: int = 20) -> None:
    """Set up logging to standard error, from which systemd and container engines collect it.

    From then on nothing that this process writes there waits for a reader.

    Args:
        verbose: Also write debug messages.
        style: ``text`` for readable lines, ``json`` for one object per line.
        limit: Number of warnings and errors of one kind that are written in ten seconds.
    """
    stream_of_stderr()
    handler = LimitedHandler(limit)
    formatter = JsonFormatter() if style == "json" else TextFormatter()
    handler.setFormatter(SystemLogFormatter(formatter) if is_system_log() else formatter)
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler], force=True)


def cut(text: str, length: int) -> str:
    """Cut a text to a length, and state how many characters were removed.

    Example:
        >>> cut("a long text", 6)
        'a long… (5 more)'
    """
    return text if len(text) <= length else f"{text[:length]}… ({len(text) - length} more)"


def payload(data: bytes) -> str:
    r"""Beginning of a payload as text, with everything escaped that is not plain ASCII.

    Example:
        >>> payload(b'{"x": 1}\n\xff')
        '{"x": 1}\\n\\xff'
    """
    return cut(repr(data)[2:-1], 200)


class TextFormatter(logging.Formatter):
    """Formatter for readable lines: time, level and message."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S%z")

    def format(self, record: logging.LogRecord) -> str:
        """Format a record as one line; a stack trace follows on lines of its own."""
        record.message = _one_line(record.getMessage())
        record.asctime = self.formatTime(record, self.datefmt)
        line = self.formatMessage(record)
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """Formatter for JSON lines with ``time``, ``level``, ``logger``, ``message`` and the extra fields of the record."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record as one line of JSON."""
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "time": when,
            "level": record.levelname,
            "logger": record.name,
            "message": cut(record.getMessage(), MESSAGE_MAX),
        }
        for name, value in vars(record).items():
            if name not in _OWN:
                line[name] = cut(value, FIELD_MAX) if isinstance(value, str) else value
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, default=repr)


def _one_line(text: str) -> str:
    """Text cut to `MESSAGE_MAX`, with control characters escaped."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in cut(text, MESSAGE_MAX))


class SystemLogFormatter(logging.Formatter):
    """Formatter that puts a priority prefix before each line of another one, for ``journalctl --priority``.

    Args:
        inner: The other formatter.
    """

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """Format a record; each of its lines has the prefix, because the system log makes each an entry."""
        return with_priority(self._inner.format(record), record.levelno)


def with_priority(text: str, level: int) -> str:
    r"""Put systemd's priority prefix before each line of a text (sd-daemon(3)).

    Example:
        >>> with_priority("no room\nat all", logging.ERROR)
        '<3>no room\n<3>at all'
    """
    prefix = f"<{next((number for least, number in _PRIORITIES if level >= least), 7)}>"
    return "\n".join(prefix + line for line in text.split("\n"))


def is_system_log() -> bool:
    """True if standard error is the system log, according to ``JOURNAL_STREAM`` (systemd.exec(5))."""
    try:
        stream = os.fstat(sys.stderr.fileno())
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{stream.st_dev}:{stream.st_ino}"


class _Window:
    """Counts of one kind of record within a time window."""

    __slots__ = ("count", "record", "since", "suppressed")

    def __init__(self, record: logging.LogRecord, since: float) -> None:
        self.record = record
        self.since = since
        self.count = 0
        self.suppressed = 0


class LimitedHandler(logging.StreamHandler[Any]):
    """Handler that writes to standard error and limits each kind of warning or error to a number in ten seconds.

    Records of one kind have the same message template, and the same field ``reason`` if they have one. The number of
    suppressed records is written after the ten seconds, before the next record or by `report_suppressed`. So is the
    number of lines that were dropped because nobody read the log, once somebody does.

    Args:
        limit: Number of records of one kind in ten seconds.
        clock: Monotonic clock.
    """

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(sys.stderr)
        self._limit = limit
        self._clock = clock
        self._windows: dict[tuple[str, object], _Window] = {}
        self._dropped = dropped_lines()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record unless the limit of its kind is reached."""
        self._report_dropped()
        if self._windows:
            self.report_suppressed()
        if record.levelno >= logging.WARNING and not record.exc_info:
            kind = (str(record.msg), getattr(record, "reason", None))
            window = self._windows.get(kind)
            if window is None:
                if len(self._windows) >= KINDS_MAX:
                    self.report_suppressed(everything=True)
                window = self._windows[kind] = _Window(record, self._clock())
            window.count += 1
            if window.count > self._limit:
                window.suppressed += 1
                window.record = record
                return
        super().emit(record)

    def report_suppressed(self, *, everything: bool = False) -> None:
        """Write the numbers of suppressed records.

        Args:
            everything: Include the kinds whose ten seconds are not over.
        """
        self._report_dropped()
        now = self._clock()
        over = [kind for kind, window in self._windows.items() if everything or now - window.since >= WINDOW_S]
        for kind in over:
            window = self._windows.pop(kind)
            if window.suppressed:
                super().emit(_summary(window, now))

    def _report_dropped(self) -> None:
        """Write the number of dropped lines, once there is room for it."""
        stream = self.stream
        if not isinstance(stream, NonBlockingStream):
            return
        stream.flush()
        if stream.dropped > self._dropped and not stream.is_waiting:
            count, self._dropped = stream.dropped - self._dropped, stream.dropped
            super().emit(_record(logging.WARNING, "%d lines of the log were dropped: nobody read it.", count))

    def close(self) -> None:
        """Write the numbers of all suppressed records and close the handler."""
        self.report_suppressed(everything=True)
        if isinstance(self.stream, NonBlockingStream):
            self.stream.finish()
        super().close()


def _record(level: int, text: str, *arguments: object) -> logging.LogRecord:
    """Record of this module, for a handler that writes it itself."""
    return logging.LogRecord(__name__, level, __file__, 0, text, arguments, None)


def _summary(window: _Window, now: float) -> logging.LogRecord:
    """Record that replaces the suppressed ones of a window."""
    last = window.record
    fields: Mapping[str, Any] = {
        "name": last.name,
        "levelno": last.levelno,
        "levelname": last.levelname,
        "msg": "%d similar messages were suppressed in %.0f s; the last: %s",
        "args": (window.suppressed, now - window.since, cut(last.getMessage(), FIELD_MAX)),
        "suppressed": window.suppressed,
    }
    return logging.makeLogRecord(dict(fields))


def report_suppressed() -> None:
    """Write the numbers of suppressed records, for times in which nothing else is logged."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, LimitedHandler):
            handler.report_suppressed()
