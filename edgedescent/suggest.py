"""Hints for misspelled words."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(word: object, choices: Iterable[object]) -> str:
    """A hint with the nearest choice, or nothing where none is near.

    >>> did_you_mean("optimzer", ["optimizer", "loss"])
    'Did you mean `optimizer`?'
    """
    if not isinstance(word, str):
        return ""
    by_lower = {choice.lower(): choice for choice in choices if isinstance(choice, str)}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return f"Did you mean `{by_lower[near[0]]}`?" if near else ""
