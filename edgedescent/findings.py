"""What a check has found: one line each, good or bad."""

from __future__ import annotations

from typing import Literal

import msgspec

Level = Literal["ok", "warning", "error"]


class CheckResult(msgspec.Struct, frozen=True):
    """One thing that was looked at.

    >>> print(CheckResult("warning", "disk", "20 MB are free.", "Make room."))
    warning  disk: 20 MB are free. Hint: Make room.
    """

    level: Level
    subject: str
    """What was looked at, in a word or two."""
    message: str
    hint: str = ""

    def __str__(self) -> str:
        hint = f" Hint: {self.hint}" if self.hint else ""
        return f"{self.level:8} {self.subject}: {self.message}{hint}"


def ok(subject: str, message: str, hint: str = "") -> CheckResult:
    """Something is as it should be."""
    return CheckResult("ok", subject, message, hint)


def warning(subject: str, message: str, hint: str = "") -> CheckResult:
    """Something works, but not as well or as safely as it could."""
    return CheckResult("warning", subject, message, hint)


def error(subject: str, message: str, hint: str = "") -> CheckResult:
    """The daemon would not work like this."""
    return CheckResult("error", subject, message, hint)
