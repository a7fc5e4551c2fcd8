"""Exceptions of the project, and how their messages show values and near matches.

::

    EdgeDescentError            something a user can act on; the command line prints it in one line with its hint
    ├── ConfigError             a configuration key, type or value is wrong, or what it names cannot be used
    │   └── ConfigFileError     what a configuration file says is wrong, and stays so until somebody changes it
    ├── StateError              the state folder is damaged, locked, or belongs to another learner
    │   └── DiskFullError       there is no room for what was to be written; it can be tried again
    ├── InvalidEventError       a payload or an event cannot be used; on a stream it becomes a dead letter
    ├── TransportError          the broker refused us in a way that retrying will not cure
    └── ExportError             a snapshot could not be made or did not agree with the live model

    ValueError                  the built-in one: a hyper-parameter is out of range, an argument of a wrong type
    ├── TooLargeError           a name is too long, or an event has too many features
    └── TooDeepError            features are nested too deeply
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable


class EdgeDescentError(Exception):
    """Something a user can act on: one line that says what is wrong, and a hint that says what to do."""

    exit_code = 1
    """What the command line ends with."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ConfigError(EdgeDescentError):
    """A configuration key, type or value is wrong; names its path, the value and what was expected."""


class ConfigFileError(ConfigError):
    """What a configuration file says is wrong: trying again is of no use until somebody changes it."""

    exit_code = os.EX_CONFIG


class StateError(EdgeDescentError):
    """The state folder is damaged, in use, or was written by another learner."""


class DiskFullError(StateError):
    """There is no room on the disk. Nothing was written, nothing is broken: it can be tried again."""


class InvalidEventError(EdgeDescentError):
    """A payload or an event that cannot be used; `reason` is a short name to count it under."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class TransportError(EdgeDescentError):
    """The broker refused us in a way that retrying will not cure."""


class ExportError(EdgeDescentError):
    """A snapshot could not be made, or did not agree with the live model and was not published."""


class TooLargeError(ValueError):
    """A name that is too long, or an event with too many features: more than the memory set aside for them."""


class TooDeepError(ValueError):
    """Features that are nested more deeply than a name can tell."""


def did_you_mean(word: object, choices: Iterable[object]) -> str:
    """Hint with the choice nearest to a misspelled word; empty where none is near.

    >>> did_you_mean("optimzer", ["optimizer", "loss"])
    'Did you mean `optimizer`?'
    """
    if not isinstance(word, str):
        return ""
    by_lower = {choice.lower(): choice for choice in choices if isinstance(choice, str)}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return f"Did you mean `{by_lower[near[0]]}`?" if near else ""


def shown(value: object) -> str:
    """Text of a value in an error message: as in TOML, and at most 80 characters.

    >>> shown(True)
    'true'
    """
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
