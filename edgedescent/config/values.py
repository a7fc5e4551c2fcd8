"""Values from environment variables, and paths of keys for error messages."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any, Self


class Variable(str):
    """Text of an environment variable whose expected type is not known yet."""

    name: str
    """Name of the variable."""

    def __new__(cls, name: str, text: str) -> Self:
        """Create the text of the variable `name`."""
        variable = super().__new__(cls, text)
        variable.name = name
        return variable

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        """Arguments of the copy in another process."""
        return self.name, str(self)

    def parsed(self) -> Any:
        """The text parsed as a TOML value; the text itself if it is not one."""
        try:
            table = tomllib.loads(f"v = {self}")
        except (ValueError, RecursionError):
            return str(self)
        # A text with a line break could hold more keys.
        return table["v"] if len(table) == 1 else str(self)


def join(path: str, key: str) -> str:
    """Append a key to a path, quoted as in TOML where it needs to be."""
    key = key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)
    return f"{path}.{key}" if path else key


def origin(value: object) -> str:
    """Sentence for an error message that names the environment variable a value comes from; empty for the file."""
    if isinstance(value, dict) and len(value) == 1:
        return origin(*value.values())
    return f" It is set by the environment variable {value.name}." if isinstance(value, Variable) else ""
