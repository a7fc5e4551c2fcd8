"""Values from environment variables, and paths of keys for error messages."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any, Self


class Variable(str):
    """The text of an environment variable, until it is known which type is expected in its place."""

    name: str

    def __new__(cls, name: str, text: str) -> Self:
        """The text of the variable `name`."""
        variable = super().__new__(cls, text)
        variable.name = name
        return variable

    def parsed(self) -> Any:
        """The number, boolean, array or table that is written here as in TOML; the text itself if it is none."""
        try:
            table = tomllib.loads(f"v = {self}")
        except (ValueError, RecursionError):
            return str(self)
        # With a line break in it, the text could hold further keys.
        return table["v"] if len(table) == 1 else str(self)


def join(path: str, key: str) -> str:
    """The path of a key below a path."""
    # As in TOML, a key of other characters is quoted; it may even hold a line break.
    key = key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)
    return f"{path}.{key}" if path else key


def origin(value: object) -> str:
    """Where a value comes from, if that is not the file."""
    if isinstance(value, dict) and len(value) == 1:
        return origin(*value.values())
    return f" It is set by the environment variable {value.name}." if isinstance(value, Variable) else ""
