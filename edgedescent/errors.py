"""Exceptions of the project, and the text of values and near matches in their messages.

::

    EdgeDescentError            an error that a user can solve; the command line prints it in one line with its hint
    ├── ConfigError             a configuration key, type or value is wrong, or what it names cannot be used
    │   └── ConfigFileError     the content of a configuration file is wrong; only a change of the file helps
    ├── StateError              the state folder is damaged, locked, or belongs to another learner
    │   └── DiskFullError       the disk is full; the operation can be retried
    ├── InvalidEventError       a payload or an event cannot be used; on a stream it becomes a dead letter
    ├── TransportError          the broker refused the client, and a retry does not help
    └── ExportError             a snapshot could not be made, or does not agree with the live model

    ValueError                  built-in: a hyper-parameter is out of range, an argument has the wrong type
    ├── TooLargeError           a name is too long, or an event has too many features
    └── TooDeepError            features are nested too deeply
"""

from __future__ import annotations

import os
from collections.abc import Iterable


class EdgeDescentError(Exception):
    """An error that a user can solve.

    Args:
        message: One line that says what is wrong.
        hint: What to do about it.
    """

    exit_code = 1
    """Exit code of the command line."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ConfigError(EdgeDescentError):
    """A configuration key, type or value is wrong; names its path, the value and the expected one."""


class ConfigFileError(ConfigError):
    """The content of a configuration file is wrong; only a change of the file helps."""

    exit_code = os.EX_CONFIG


class StateError(EdgeDescentError):
    """The state folder is damaged, in use, or was written by another learner."""


class DiskFullError(StateError):
    """The disk is full. Nothing was written or damaged, so the operation can be retried."""


class InvalidEventError(EdgeDescentError):
    """A payload or an event cannot be used.

    Args:
        reason: Short name under which it is counted.
        message: One line that says what is wrong.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class TransportError(EdgeDescentError):
    """The broker refused the client, and a retry does not help."""


class ExportError(EdgeDescentError):
    """A snapshot could not be made, or does not agree with the live model and was not published."""


class TooLargeError(ValueError):
    """A name is too long, or an event has too many features for the memory that is reserved for them."""


class TooDeepError(ValueError):
    """Features are nested more deeply than a feature's name can express."""


def did_you_mean(word: object, choices: Iterable[object]) -> str:
    """Hint with the choice nearest to a misspelled word; empty if none is near.

    Example:
        >>> did_you_mean("optimzer", ["optimizer", "loss"])
        'Did you mean `optimizer`?'
    """
    import difflib  # Used in messages of errors alone, which few runs have.

    if not isinstance(word, str):
        return ""
    by_lower = {choice.lower(): choice for choice in choices if isinstance(choice, str)}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return f"Did you mean `{by_lower[near[0]]}`?" if near else ""


def printable(text: str) -> str:
    r"""Escape what is not printable, because a terminal executes control characters.

    Example:
        >>> printable("a\x1b[2Jb")
        'a\\x1b[2Jb'
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def shown(value: object) -> str:
    """Text of a value in an error message: as in TOML, and at most 80 characters.

    Example:
        >>> shown(True)
        'true'
    """
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
