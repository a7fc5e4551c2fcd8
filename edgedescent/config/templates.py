"""Templates of answers: topic and payload of a prediction, with fields in braces."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import quote

import msgspec

from edgedescent.engine.head import horizon_name
from edgedescent.engine.messages import Prediction
from edgedescent.errors import ConfigError, did_you_mean, shown
from edgedescent.formats.times import time_of
from edgedescent.interfaces import TOPIC_FIELDS

NUMBERS = ("prediction", "y", "low", "high", "time", "horizon_s")
TEXTS = ("device", "id", "key")
TIME_FORMATS = ("iso", "ms", "ns")
LEVEL_MAX = 512
"""Length of a field in a topic; of a longer one the start is used."""
NO_LEVEL = "_"
"""Field of a topic that an answer does not have."""

Path = tuple[str | int, ...]
"""Keys and places that lead to a value in a JSON value."""

_FIELD = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(?::([^{}\"]*))?\}")
_VARYING = tuple(f"{{{name}}}" for name in TOPIC_FIELDS)
_SPLIT = re.compile(f"({'|'.join(map(re.escape, _VARYING))})")
_NUMBER_FORMAT = re.compile(r"\.(?:[0-9]|1[0-7])[efg]")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Prediction | list[Prediction]).decode
_Writer = Callable[[Prediction], str]


class AnswerTemplate:
    """Template of the answers to single events, each a message of its own.

    A field is a name in braces, alone or with a format: ``{prediction:.2f}``. All other braces are what they are.

    Args:
        topic: Topic, with the fields ``{device}``, ``{id}``, ``{key}`` and ``{horizon_s}``.
        payload: Payload; the answer as JSON where it is None.
        device: Name of the device.

    Attributes:
        filter: Filter of the topics.
        paths: Path of each field in the payload, if that is JSON; None if it is not.

    Raises:
        ConfigError: If a field or a format is not known, or the payload begins as JSON and is none; names the key.

    Example:
        >>> template = AnswerTemplate("forecast/{id}", '{"value": {prediction:.1f}, "at": "{time:iso}"}', "home")
        >>> template.render(b'{"prediction": 21.37, "id": "a/b", "time": 1767607200.0}')
        [('forecast/a%2Fb', b'{"value": 21.4, "at": "2026-01-05T10:00:00Z"}')]
    """

    def __init__(self, topic: str, payload: str | None, device: str) -> None:
        self._own = own = topic.replace("{device}", device)
        self._topic = _parts(topic, "topics.predictions", partial(_topic_writer, device), ("device", *TOPIC_FIELDS))
        self._is_own = re.compile(
            "".join("[^/]*" if part in _VARYING else re.escape(part) for part in _SPLIT.split(own))
        ).fullmatch
        self.filter = "/".join("+" if _SPLIT.search(level) else level for level in own.split("/"))
        self._payload: list[str | _Writer] | None = None
        self.paths: dict[str, Path] | None = {name: (name,) for name in (*NUMBERS, "id", "key")}
        if payload is not None:
            known = (*NUMBERS, *TEXTS)
            self._payload = _parts(payload, "predictions.payload", partial(_payload_writer, device), known)
            self.paths = self._find_paths(payload)

    def render(self, answers: bytes) -> list[tuple[str, bytes]]:
        """Topic and payload of each answer.

        Args:
            answers: An answer as JSON, or an array of answers.
        """
        found = _decode(answers)
        return [(self._topic_of(one), self._payload_of(one)) for one in (found if isinstance(found, list) else [found])]

    def _topic_of(self, answer: Prediction) -> str:
        return _written(self._topic, answer)

    def _payload_of(self, answer: Prediction) -> bytes:
        return _encode(answer) if self._payload is None else _written(self._payload, answer).encode()

    def topic_of_horizon(self, horizon_s: float | None) -> str | None:
        """Topic of all answers with a horizon; None if they have several.

        Args:
            horizon_s: The horizon; None where answers have none.
        """
        name = NO_LEVEL if horizon_s is None else horizon_name(horizon_s)
        topic = self._own.replace("{horizon_s}", name)
        return None if _SPLIT.search(topic) else topic

    def is_own(self, topic: str) -> bool:
        """True if an answer may go to a topic.

        Args:
            topic: The topic.
        """
        return self._is_own(topic) is not None

    # --- Reading what was rendered --------------------------------------------------------------------------------

    def read(self, payload: bytes) -> Prediction | None:
        """Answer of a payload, as far as it holds one; None if the prediction is not in it.

        Args:
            payload: A payload of this template.

        Raises:
            msgspec.DecodeError: If it is no JSON, or a value has another type.
        """
        paths = self.paths
        if paths is None or "prediction" not in paths:
            return None
        content = msgspec.json.decode(payload)
        found = {name: _at(content, path) for name, path in paths.items()}
        if found.get("time") is not None:
            found["time"] = time_of(found["time"])
        return msgspec.convert({name: value for name, value in found.items() if value is not None}, Prediction)

    def _find_paths(self, payload: str) -> dict[str, Path] | None:
        """Paths of the fields in the payload, if it is JSON.

        Raises:
            ConfigError: If it begins as JSON, and is none once its fields are filled in.
        """
        first = payload.lstrip()
        is_meant = first[:1] in ("{", "[") and not _FIELD.match(first)
        try:
            # Also where all that may be absent is.
            json.loads(self._payload_of(Prediction(1.5)))
            content = json.loads(self._payload_of(_SAMPLE))
        except ValueError as error:
            if is_meant:
                raise ConfigError(
                    f"`predictions.payload` is {shown(payload)}: expected JSON once the fields are filled in, got "
                    f"something else: {error}.",
                    'Put text in quotes, as in {"id": "{id}", "time": "{time:iso}"}, and numbers not: {prediction}.',
                ) from None
            return None
        return dict(_places(content, ()))


_SAMPLE = Prediction(
    1234567.5,
    id="id of an answer",
    y=2345678.5,
    low=3456789.5,
    high=4567890.5,
    time=1767607200.5,
    key="key of one",
    horizon_s=9876543.5,
)
"""Answer whose values tell its fields apart, whatever their formats."""


def _parts(template: str, key: str, writer: Callable[[str, str], _Writer], known: Sequence[str]) -> list[str | _Writer]:
    """Split a template into texts and fields.

    Raises:
        ConfigError: If a field or its format is not known.
    """
    parts: list[str | _Writer] = []
    end = 0
    for found in _FIELD.finditer(template):
        name, form = found[1], found[2]
        if name not in known:
            raise ConfigError(
                f"`{key}` is {shown(template)}: {{{name}}} is no field, expected one of "
                f"{', '.join(f'{{{each}}}' for each in known)}.",
                did_you_mean(name, known),
            )
        try:
            write = writer(name, form or "")
        except ValueError as error:
            raise ConfigError(f"`{key}` is {shown(template)}: {found[0]} has no such format, {error}.") from None
        parts += [template[end : found.start()], write]
        end = found.end()
    return [*parts, template[end:]]


def _written(parts: Sequence[str | _Writer], answer: Prediction) -> str:
    return "".join(part if isinstance(part, str) else part(answer) for part in parts)


def _topic_writer(device: str, name: str, form: str) -> _Writer:
    """Function that writes a field of a topic.

    Raises:
        ValueError: If a format is given.
    """
    if form:
        raise ValueError("expected the name alone in a topic")
    if name == "device":
        return lambda _answer: device

    def write(answer: Prediction) -> str:
        value = getattr(answer, name)
        if name == "horizon_s" and value is not None:
            value = horizon_name(value)
        # Neither what separates levels nor wildcards nor control characters are left.
        return NO_LEVEL if value is None or value == "" else quote(str(value), safe="")[:LEVEL_MAX]

    return write


def _payload_writer(device: str, name: str, form: str) -> _Writer:
    """Function that writes a field of a payload.

    Raises:
        ValueError: If the field has no such format.
    """
    if name in TEXTS:
        return _text_writer(name, form, device)
    if name == "time" and form in TIME_FORMATS:
        return {"iso": _iso, "ms": _since(10**3), "ns": _since(10**9)}[form]
    if form and not _NUMBER_FORMAT.fullmatch(form):
        expected = "expected a number of digits such as .2f, .3g or .4e"
        raise ValueError(f"{expected}, or one of {', '.join(TIME_FORMATS)}" if name == "time" else expected)

    def write(answer: Prediction) -> str:
        value = getattr(answer, name)
        return "null" if value is None else format(value, form) if form else _encode(value).decode()

    return write


def _text_writer(name: str, form: str, device: str) -> _Writer:
    if form not in ("", "url"):
        raise ValueError("expected none or url")

    def write(answer: Prediction) -> str:
        value = device if name == "device" else getattr(answer, name)
        text = "" if value is None else str(value)
        # Without the quotes, which are part of the template.
        return quote(text, safe="") if form else _encode(text)[1:-1].decode()

    return write


def _iso(answer: Prediction) -> str:
    """Time as ISO 8601 in UTC; empty where there is none, or none that can be written so."""
    if answer.time is None:
        return ""
    try:
        return datetime.fromtimestamp(answer.time, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return ""


def _since(parts: int) -> _Writer:
    """Function that writes the time since 1970 in parts of a second."""

    def write(answer: Prediction) -> str:
        if answer.time is None:
            return "null"
        # A float does not hold so many digits; those of its fraction are right.
        seconds = math.floor(answer.time)
        return str(seconds * parts + round((answer.time - seconds) * parts))

    return write


def _at(content: Any, path: Path) -> Any:
    """Value at a path; None if there is none."""
    for step in path:
        if isinstance(content, dict):
            content = content.get(step)
        elif isinstance(content, list) and isinstance(step, int) and step < len(content):
            content = content[step]
        else:
            return None
    return content


def _places(content: Any, path: Path) -> list[tuple[str, Path]]:
    """Fields of the sample in a JSON value, with their paths."""
    if isinstance(content, dict | list):
        items = content.items() if isinstance(content, dict) else enumerate(content)
        # A key with a field in it is another one in the next payload.
        return [found for step, inner in items if not _is_varying(step) for found in _places(inner, (*path, step))]
    name = _field_of(content)
    return [] if name is None else [(name, path)]


def _is_varying(step: str | int) -> bool:
    own = (_SAMPLE.id, _SAMPLE.key)
    return isinstance(step, str) and any(str(text) in step or quote(str(text)) in step for text in own)


def _field_of(value: object) -> str | None:
    """Field of the sample that a value was written from; None if it is none of them alone."""
    if isinstance(value, str):
        if value.startswith("2026-01-05T10:00:00"):
            return "time"
        return next((name for name in ("id", "key") if value == getattr(_SAMPLE, name)), None)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    for name in NUMBERS:
        own = getattr(_SAMPLE, name)
        scales = (1, 10**3, 10**9) if name == "time" else (1,)
        # A format may leave one digit.
        if any(abs(value - own * scale) <= 0.2 * own * scale for scale in scales):
            return name
    return None
