"""Arguments and options that the commands share."""

from __future__ import annotations

import math
import re
from typing import Any

import click

SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
"""Context settings of every command. Each needs its own: click forgets inherited ones after the first call."""

CONFIG = click.argument("config", type=click.Path(dir_okay=False))
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def example(*lines: str) -> str:
    """Epilog of a command's help with examples, one a line."""
    # The backspace keeps click from joining the lines.
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


class Number(click.FloatRange):
    """Parameter type of a finite number within bounds; `click.FloatRange` accepts NaN and infinity."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Convert a value; an invalid one ends the command with exit code 2."""
        number: float = super().convert(value, param, ctx)
        return number if math.isfinite(number) else self.fail(f"{value!r} is not a finite number.", param, ctx)


def durations(context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]) -> tuple[float, ...]:
    """Option callback that converts several lengths of time, as `duration`, to seconds in order, each once."""
    return tuple(sorted({seconds for text in texts if (seconds := duration(context, parameter, text)) is not None}))


def duration(_context: click.Context, _parameter: click.Parameter, text: str | None) -> float | None:
    """Option callback that converts a length of time such as 90s, 15m, 6h or 7d to seconds."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,9})([smhd])", text)
    if found is None:
        raise click.BadParameter(f"{text!r} is no length of time: expected one like 90s, 15m, 6h or 7d.")
    return int(found[1]) * _UNITS[found[2]]
