"""Fields of an input: where in a decoded payload a value stands, and how it becomes a number, a category or a gap."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from edgedescent.errors import ConfigError, InvalidEventError, shown
from edgedescent.features._text import text_value

Number = float | int
Path = tuple[str, ...]
"""Names, and numbers in lists, that lead to a value."""

DEPTH_MAX = 16
"""Bound on the levels of a payload that are searched for fields."""
LEAVES_MAX = 4096
"""Bound on the values of a payload that become features without being named."""
NUMBER_MAX = 1e100
"""Size from which on a number counts as missing: no sensor means it."""

WORDS: Mapping[str, float | None] = {"open": 1.0, "closed": 0.0, "online": 1.0, "offline": 0.0, "-": None}
"""Words that are numbers or gaps (None) wherever an input does not say otherwise, in lower case.

Beside them are those that mean a number or nothing in every event: ``on``, ``off``, ``true``, ``unavailable``, ….
"""


class Field(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Field of an input, as its table declares it."""

    path: str | list[str] = ""
    """Names that lead to the value, joined by dots; a list where a name itself has a dot."""
    scale: float = 1.0
    """Factor of the value, applied first."""
    offset: float = 0.0
    """Added to the value, after the factor."""
    unit: str = ""
    """Unit that stands behind the number in a text, such as ``°C``."""
    words: dict[str, float | str] = msgspec.field(default_factory=dict)
    """Words that are numbers, or ``"missing"`` for a gap, beside those of the input."""
    category: bool = False
    """True if every value, also a number, is the name of a category."""


def path_of(text: str | list[str]) -> Path:
    """Path of a field, from its text.

    Example:
        >>> path_of("ENERGY.Power"), path_of(["a.b", "c"]), path_of("")
        (('ENERGY', 'Power'), ('a.b', 'c'), ())
    """
    if isinstance(text, list):
        return tuple(text)
    return tuple(text.split(".")) if text else ()


def find(value: object, path: Path) -> object:
    """Value at a path of a decoded payload; None where there is none.

    Example:
        >>> find({"state": [{"temp": 3}]}, ("state", "0", "temp"))
        3
    """
    for name in path:
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list):
            value = value[int(name)] if name.isdecimal() and int(name) < len(value) else None
        else:
            return None
    return value


def leaves(value: object) -> Iterator[tuple[Path, object]]:
    """Values of a decoded payload with their paths, those of lists by their number.

    Raises:
        InvalidEventError: If it is nested too deeply, or has more values, tables and lists than `LEAVES_MAX`, where
            one that a payload refers to several times counts as often.
    """
    found = 1
    left: list[tuple[Path, object]] = [((), value)]
    while left:
        path, value = left.pop()
        if not isinstance(value, dict | list):
            yield path, value
            continue
        if len(path) == DEPTH_MAX:
            raise InvalidEventError("too_deep", f"The payload is nested more than {DEPTH_MAX} levels deep.")
        found += len(value)
        if found > LEAVES_MAX:
            raise InvalidEventError("too_large", f"The payload has more than {LEAVES_MAX} values, tables and lists.")
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        left.extend(reversed([((*path, str(name)), item) for name, item in pairs]))


def _name_of(path: Path) -> str:
    """Path as the name of a field: its parts, joined by dots."""
    name = ""
    for part in path:
        name = f"{name}.{part}" if name else part
    return name


class Reader:
    """Conversion of a value to a number, a category, or None for a gap.

    Args:
        field: Declaration of the field.
        words: Words of the input.
        path: Path of the field's table, for error messages.
        keeps_text: True if a text that is neither a number nor a known word is a category; else it is a fault.
        decimal_comma: True if ``"20,5"`` is a number.

    Raises:
        ConfigError: If a word has another value than a number or ``"missing"``, or the scale is 0 or not finite.

    Example:
        >>> read = Reader(Field(unit="°C", words={"frost": "missing"}), {}, "inputs.hall.fields.temp").read
        >>> read("21.5 °C"), read(True), read("ON"), read("frost")
        (21.5, 1.0, 1.0, None)
    """

    def __init__(
        self,
        field: Field,
        words: Mapping[str, float | str],
        path: str,
        *,
        keeps_text: bool = True,
        decimal_comma: bool = False,
    ) -> None:
        if not (math.isfinite(field.scale) and field.scale):
            raise ConfigError(f"`{path}.scale` is {field.scale!r}: expected a finite number other than 0.")
        if not math.isfinite(field.offset):
            raise ConfigError(f"`{path}.offset` is {field.offset!r}: expected a finite number.")
        self._scale, self._offset, self._unit = field.scale, field.offset, field.unit
        self._is_plain = field.scale == 1.0 and field.offset == 0.0
        own = {**_words(words, path), **_words(field.words, path)}
        # A category keeps its words.
        self._words = own if field.category else {**WORDS, **own}
        self._is_category, self._keeps_text, self._decimal_comma = field.category, keeps_text, decimal_comma

    def read(self, value: object) -> float | str | None:
        """Convert a value.

        Raises:
            InvalidEventError: If it is none that a feature can have.
        """
        if isinstance(value, str):
            return self._read_text(value)
        if value is None:
            return None
        if self._is_category:
            if isinstance(value, bool | int | float):
                return self._read_text(str(value).lower() if isinstance(value, bool) else str(value))
        elif isinstance(value, bool | int | float):
            return self._number(value)
        raise InvalidEventError("wrong_type", f"Expected a number or text, got {type(value).__name__}.")

    def _number(self, value: Number) -> float | None:
        try:
            number = float(value)
        except OverflowError:
            return None
        if not self._is_plain:
            number = number * self._scale + self._offset
        return number if -NUMBER_MAX < number < NUMBER_MAX else None

    def _read_text(self, text: str) -> float | str | None:
        text = text.strip()
        word = text.casefold()
        if word in self._words:
            return self._words[word]
        if self._unit:
            text = text.removesuffix(self._unit).rstrip()
        value = text_value(text, self._decimal_comma)
        if self._is_category:
            return None if value is None else text
        if isinstance(value, float):
            return self._number(value)
        if value is None:
            return None
        if self._keeps_text:
            return text
        raise InvalidEventError("wrong_type", f"Expected a number or a known word, got {shown(text)}.")


def _words(words: Mapping[str, float | str], path: str) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for word, value in words.items():
        if value == "missing":
            found[word.casefold()] = None
        elif isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ConfigError(f'`{path}.words.{word}` is {shown(value)}: expected a number or "missing".')
        else:
            found[word.casefold()] = float(value)
    return found


Extract = Callable[[Any], dict[str, float | str | None]]
"""Function from a decoded payload to values by the names of their fields."""


def extract_all(read: Callable[[object], float | str | None]) -> Extract:
    """Extraction of every number of a payload; texts that are neither numbers nor known words are left out.

    Example:
        >>> extract_all(Reader(Field(), {}, "", keeps_text=False).read)({"a": {"b": 1}, "c": "x", "d": "off"})
        {'a.b': 1.0, 'd': 0.0}
    """

    def extract(payload: Any) -> dict[str, float | str | None]:
        values: dict[str, float | str | None] = {}
        for path, value in leaves(payload):
            try:
                values[_name_of(path)] = read(value)
            except InvalidEventError:
                # Names, modes and times: whoever wants them as categories declares them as fields.
                continue
        return values

    return extract


def extract_fields(readers: Mapping[str, tuple[Path, Callable[[object], float | str | None]]]) -> Extract:
    """Extraction of declared fields; one that a payload does not have is left out, and keeps its last value.

    Args:
        readers: Path and conversion of each field, by its name.
    """
    plan = [(name, path, path[0] if len(path) == 1 else None, read) for name, (path, read) in readers.items()]

    def extract(payload: Any) -> dict[str, float | str | None]:
        values: dict[str, float | str | None] = {}
        is_table = isinstance(payload, dict)
        for name, path, only, read in plan:
            value = payload.get(only, _ABSENT) if is_table and only is not None else _find_or_absent(payload, path)
            if value is not _ABSENT:
                try:
                    values[name] = read(value)
                except InvalidEventError as error:
                    raise InvalidEventError(error.reason, f"{error} - at `{name}`") from None
        return values

    return extract


_ABSENT: Any = object()


def _find_or_absent(payload: object, path: Path) -> object:
    """Value at a path; `_ABSENT` where there is none. An explicit null is a gap."""
    if not path:
        return payload
    parent, last = find(payload, path[:-1]), path[-1]
    if isinstance(parent, dict):
        return parent.get(last, _ABSENT)
    if isinstance(parent, list):
        return parent[int(last)] if last.isdecimal() and int(last) < len(parent) else _ABSENT
    return _ABSENT
