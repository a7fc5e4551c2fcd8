"""Log lines: when, how bad, what. For a person or for a program, never a flood, and never more than a line each."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

Format = Literal["text", "json"]
MESSAGE_MAX = 2_000
"""A longer message is cut: what comes from a broker may be of any length."""
FIELD_MAX = 500
WINDOW_S = 10.0
KINDS_MAX = 1_000
"""How many kinds of record are told apart; beyond that they are forgotten and start anew."""
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def set_up(*, verbose: bool = False, style: Format = "text", limit: int = 20) -> None:
    """Log to standard error, where systemd and container engines look for it.

    Args:
        verbose: log what is of interest to developers only, too.
        style: ``text`` for a person, ``json`` for one object a line.
        limit: how many records of one kind, from warnings upwards, are written in ten seconds.
    """
    handler = LimitedHandler(limit)
    formatter = JsonFormatter() if style == "json" else TextFormatter()
    handler.setFormatter(JournalFormatter(formatter) if journal_listens() else formatter)
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler], force=True)


def cut(text: str, length: int) -> str:
    """A text that is not longer than that, and says so where it was.

    >>> cut("a long text", 6)
    'a long… (5 more)'
    """
    return text if len(text) <= length else f"{text[:length]}… ({len(text) - length} more)"


def payload(data: bytes) -> str:
    r"""The beginning of a payload, with everything escaped that is not plain text.

    >>> payload(b'{"x": 1}\n\xff')
    '{"x": 1}\\n\\xff'
    """
    return cut(repr(data)[2:-1], 200)


class TextFormatter(logging.Formatter):
    """One line for a person."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S%z")

    def format(self, record: logging.LogRecord) -> str:
        """The line; a stack trace of a programming error follows on lines of its own."""
        record.message = _one_line(record.getMessage())
        record.asctime = self.formatTime(record, self.datefmt)
        line = self.formatMessage(record)
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``time``, ``level``, ``logger``, ``message``, and what else the record holds."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
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
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in cut(text, MESSAGE_MAX))


class JournalFormatter(logging.Formatter):
    """What another formatter makes of a record, marked with how bad it is, for ``journalctl --priority``.

    Args:
        inner: the other formatter.
    """

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """The lines, each with its mark: the journal takes each for an entry."""
        return marked(self._inner.format(record), record.levelno)


def marked(text: str, level: int) -> str:
    r"""A text with the mark before each line by which systemd knows how bad it is (sd-daemon(3)).

    >>> marked("no room\nat all", logging.ERROR)
    '<3>no room\n<3>at all'
    """
    mark = f"<{next((number for least, number in _PRIORITIES if level >= least), 7)}>"
    return "\n".join(mark + line for line in text.split("\n"))


def journal_listens() -> bool:
    """Whether standard error goes to systemd's journal, which is what ``JOURNAL_STREAM`` tells (systemd.exec(5))."""
    try:
        stream = os.fstat(sys.stderr.fileno())
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{stream.st_dev}:{stream.st_ino}"


class _Window:
    """How often one kind of record came since a moment."""

    __slots__ = ("count", "left_out", "record", "since")

    def __init__(self, record: logging.LogRecord, since: float) -> None:
        self.record = record
        self.since = since
        self.count = 0
        self.left_out = 0


class LimitedHandler(logging.StreamHandler[Any]):
    """Writes to standard error, of each kind of warning or error at most so many in ten seconds.

    Records of one kind have the same text before values are filled in, and the same field ``reason`` if they have one.
    How many were left out is told once the ten seconds are over, with the next record or by `tell_left_out`.

    Args:
        limit: how many of one kind.
        clock: the time.
    """

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(sys.stderr)
        self._limit = limit
        self._clock = clock
        self._windows: dict[tuple[str, object], _Window] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, unless there are too many like it."""
        if self._windows:
            self.tell_left_out()
        if record.levelno >= logging.WARNING and not record.exc_info:
            kind = (str(record.msg), getattr(record, "reason", None))
            window = self._windows.get(kind)
            if window is None:
                if len(self._windows) >= KINDS_MAX:
                    self.tell_left_out(everything=True)
                window = self._windows[kind] = _Window(record, self._clock())
            window.count += 1
            if window.count > self._limit:
                window.left_out += 1
                window.record = record
                return
        super().emit(record)

    def tell_left_out(self, *, everything: bool = False) -> None:
        """Say how many records were left out, of the kinds whose ten seconds are over."""
        now = self._clock()
        over = [kind for kind, window in self._windows.items() if everything or now - window.since >= WINDOW_S]
        for kind in over:
            window = self._windows.pop(kind)
            if window.left_out:
                super().emit(_summary(window, now))

    def close(self) -> None:
        """Say what was left out, at the end of the process."""
        self.tell_left_out(everything=True)
        super().close()


def _summary(window: _Window, now: float) -> logging.LogRecord:
    last = window.record
    fields: Mapping[str, Any] = {
        "name": last.name,
        "levelno": last.levelno,
        "levelname": last.levelname,
        "msg": "%d more like this were left out in %.0f s; the last: %s",
        "args": (window.left_out, now - window.since, cut(last.getMessage(), FIELD_MAX)),
        "left_out": window.left_out,
    }
    return logging.makeLogRecord(dict(fields))


def tell_left_out() -> None:
    """Say what the limit has left out, where nothing else is logged that would bring it up."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, LimitedHandler):
            handler.tell_left_out()
