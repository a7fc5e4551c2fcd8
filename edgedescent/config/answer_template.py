"""Templates of answers: topic and payload of a prediction, with fields in braces."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec

from edgedescent.engine.messages import Prediction
from edgedescent.errors import ConfigError, did_you_mean, shown

TOPIC_FIELDS = ("id", "key")
"""Fields of a topic beside the device, which are different in each answer."""
NUMBERS = ("prediction", "y", "low", "high", "time")
TEXTS = ("device", "id", "key")
TIME_FORMATS = ("iso", "ms", "ns")
LEVEL_MAX = 512
"""Length of a field in a topic; of a longer one the start is used."""
NO_LEVEL = "_"
"""Field of a topic that an answer does not have."""

Path = tuple[str | int, ...]
"""Keys and places that lead to a value in a JSON value."""

_FIELD = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(?::([^{}\"]*))?\}")
_NUMBER_FORMAT = re.compile(r"\.(?:[0-9]|1[0-7])[efg]")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Prediction | list[Prediction]).decode
_Writer = Callable[[Prediction], str]


class AnswerTemplate:
    """Template of the answers to single events, each a message of its own.

    A field is a name in braces, alone or with a format: ``{prediction:.2f}``. All other braces are what they are.

    Args:
        topic: Topic with the device filled in, in which ``{id}`` and ``{key}`` stand for those of the event.
        payload: Payload; the answer as JSON where it is None.
        device: Name of the device.

    Raises:
        ConfigError: If a field or a format is not known, or the payload begins as JSON and is none; names the key.

    Example:
        >>> template = AnswerTemplate("forecast/{id}", '{"value": {prediction:.1f}, "at": "{time:iso}"}', "home")
        >>> template.render(b'{"prediction": 21.37, "id": "a/b", "time": 1767607200.0}')
        [('forecast/a%2Fb', b'{"value": 21.4, "at": "2026-01-05T10:00:00Z"}')]
    """

    def __init__(self, topic: str, payload: str | None, device: str) -> None:
        self.topic = topic
        self._topic = _parts(topic, "topics.predictions", _topic_writer, (*TOPIC_FIELDS, "device"))
        self._payload: list[str | _Writer] | None = None
        self._paths: dict[str, Path] | None = {name: (name,) for name in (*NUMBERS, "id", "key")}
        if payload is not None:

            def writer(name: str, form: str) -> _Writer:
                return _payload_writer(name, form, device)

            self._payload = _parts(payload, "predictions.payload", writer, (*NUMBERS, *TEXTS))
            self._paths = self._find_paths(payload)

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

    # --- Reading what was rendered ----------------------------------------------------------------------------------

    @property
    def paths(self) -> dict[str, Path] | None:
        """Where each field stands in the payload, as JSON; None if the payload is no JSON."""
        return self._paths

    def read(self, payload: bytes) -> Prediction | None:
        """Answer of a payload, as far as it holds one; None if the prediction is not in it.

        Args:
            payload: A payload of this template.

        Raises:
            msgspec.DecodeError: If it is no JSON, or a value has another type.
        """
        paths = self._paths
        if paths is None or "prediction" not in paths:
            return None
        from edgedescent.formats.times import time_of

        content = msgspec.json.decode(payload)
        found = {name: _at(content, path) for name, path in paths.items()}
        if found.get("time") is not None:
            found["time"] = time_of(found["time"])
        return msgspec.convert({name: value for name, value in found.items() if value is not None}, Prediction)

    def _find_paths(self, payload: str) -> dict[str, Path] | None:
        """Where the fields stand in the payload, if it is JSON.

        Raises:
            ConfigError: If it begins as JSON, and is none once its fields are filled in.
        """
        is_meant = payload.lstrip()[:1] in ("{", "[")
        try:
            # Also where all that may be absent is.
            json.loads(self._payload_of(Prediction(1.5)))
            content = json.loads(self._payload_of(_SAMPLE))
        except ValueError as error:
            if is_meant:
                raise ConfigError(
                    f"`predictions.payload` is {shown(payload)}: expected JSON once the fields are filled in, and it is "
                    f"not: {error}.",
                    'Put text in quotes, as in {"id": "{id}", "time": "{time:iso}"}, and numbers not: {prediction}.',
                ) from None
            return None
        return dict(_places(content, ()))


_SAMPLE = Prediction(
    1234567.5, id="id of an answer", y=2345678.5, low=3456789.5, high=4567890.5, time=1767607200.5, key="key of one"
)
"""Answer whose values tell its fields apart, whatever their formats."""


def _parts(
    template: str, key: str, writer: Callable[[str, str], _Writer], known: Sequence[str]
) -> list[str | _Writer]:
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


def _topic_writer(name: str, form: str) -> _Writer:
    if form:
        raise ValueError("expected the name alone in a topic")

    def write(answer: Prediction) -> str:
        value = getattr(answer, name)
        # Neither what separates levels nor wildcards nor control characters are left.
        return NO_LEVEL if value is None or value == "" else quote(str(value), safe="")[:LEVEL_MAX]

    return write


def _payload_writer(name: str, form: str, device: str) -> _Writer:
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
        return "null" if answer.time is None else str(round(answer.time * parts))

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
        return [found for step, inner in items for found in _places(inner, (*path, step))]
    name = _field_of(content)
    return [] if name is None else [(name, path)]


def _field_of(value: object) -> str | None:
    """Field of the sample that a value was written from; None if it is none of them alone."""
    if isinstance(value, str):
        if value.startswith("2026-01-05T10:00:00"):
            return "time"
        names = ("id", "key")
        return next((name for name in names if value in (getattr(_SAMPLE, name), quote(getattr(_SAMPLE, name)))), None)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    for name in NUMBERS:
        own = getattr(_SAMPLE, name)
        scales = (1, 10**3, 10**9) if name == "time" else (1,)
        # A format may leave few digits.
        if any(abs(value - own * scale) <= 0.1 * own * scale for scale in scales):
            return name
    return None
