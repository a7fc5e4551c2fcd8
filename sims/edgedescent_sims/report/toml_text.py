"""TOML of a scenario's table, as a report shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_WIDEST = 100
_FIRST = ("name", "type", "stresses", "source", "transforms", "candidates", "peers", "fail_if", "expected_failures")
"""Keys that come first, in this order."""
_ESCAPED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def toml_text(table: Mapping[str, Any]) -> str:
    """Text of a table in TOML; values that are None are left out, as in a file that does not name them.

    Keys are sorted, because a table that was read from JSON has lost the order of its file: the usual ones of a
    scenario first, the others by name.

    Example:
        >>> print(toml_text({"events": 500, "source": {"type": "Linear"}, "name": "flip"}), end="")
        name = "flip"
        events = 500
        <BLANKLINE>
        [source]
        type = "Linear"
    """
    return "\n".join(_lines(table, ())).lstrip("\n") + "\n"


def _lines(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    entries = sorted(table.items(), key=lambda entry: (_rank(entry[0]), entry[0]))
    for key, value in entries:
        if value is not None and not _is_table(value) and not _is_tables(value):
            yield f"{_key(key)} = {_value(value)}"
    for key, value in entries:
        name = (*path, key)
        header = ".".join(map(_key, name))
        if _is_table(value):
            yield from ("", f"[{header}]", *_lines(value, name))
        elif _is_tables(value):
            for entry in value:
                yield from ("", f"[[{header}]]", *_lines(entry, name))


def _rank(key: str) -> int:
    return _FIRST.index(key) if key in _FIRST else len(_FIRST)


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping)


def _is_tables(value: object) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(entry, Mapping) for entry in value)


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _string(key)


def _string(text: str) -> str:
    return '"' + "".join(_ESCAPED.get(c, c if c.isprintable() else f"\\U{ord(c):08X}") for c in text) + '"'


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{_key(key)} = {_value(entry)}" for key, entry in value.items() if entry is not None)
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        entries = [_value(entry) for entry in value if entry is not None]
        line = f"[{', '.join(entries)}]"
        return line if len(line) <= _WIDEST else "[\n" + "".join(f"  {entry},\n" for entry in entries) + "]"
    return _string(value) if isinstance(value, str) else str(value)
