"""Bars: expressions such as ``recovery > 500`` that make a simulation a test of a configuration."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from edgedescent.errors import ConfigError, did_you_mean
from edgedescent_sims.result import Bar, Interval

_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_EXPRESSION = re.compile(r"\s*(\w+)\s*(>=|<=|>|<)\s*([-+.\deE]+)\s*")


@dataclass(frozen=True)
class FailIf:
    """A failure that is looked for: a score, a comparison and a limit.

    Example:
        >>> FailIf.parse("recovery > 500").misses(620.0)
        True
        >>> FailIf.parse("recovery > 500").misses(None)
        True
    """

    text: str
    score: str
    comparison: str
    limit: float

    @classmethod
    def parse(cls, text: str) -> FailIf:
        """Read an expression.

        Raises:
            ConfigError: If it is not a score, a comparison and a number.
        """
        found = _EXPRESSION.fullmatch(text)
        try:
            limit = float(found[3]) if found else None
        except ValueError:
            limit = None
        if found is None or limit is None:
            raise ConfigError(
                f"The bar {text!r} cannot be read: expected a score, one of {', '.join(_OPERATORS)}, and a number.",
                "Write it like: recovery > 500",
            )
        return cls(" ".join(text.split()), found[1], found[2], limit)

    def misses(self, value: float | None) -> bool:
        """True if a score is a failure. A score that does not exist, such as a recovery that never ends, is one."""
        return value is None or _OPERATORS[self.comparison](value, self.limit)


def judge(
    expressions: tuple[str, ...], candidate: str, scores: Mapping[str, Interval], expected: str = ""
) -> list[Bar]:
    """Hold the scores of a candidate against bars.

    Args:
        expressions: Bars.
        candidate: Name of the candidate.
        scores: Its scores by name.
        expected: Why it is expected to miss at least one of them today; empty if it is not. It is the reason of those
            that it misses, and of all if it misses none.

    Raises:
        ConfigError: If a bar cannot be read, or names a score that there is not.
    """
    bars = []
    for text in expressions:
        bar = FailIf.parse(text)
        if bar.score not in scores:
            raise ConfigError(
                f"The bar {bar.text!r} names the score {bar.score!r}: expected one of {', '.join(scores)}.",
                did_you_mean(bar.score, scores),
            )
        value = scores[bar.score].value
        bars.append(Bar(bar.text, candidate, value, bar.misses(value), expected))
    if any(bar.failed for bar in bars):
        bars = [bar if bar.failed else msgspec.structs.replace(bar, expected="") for bar in bars]
    return bars
