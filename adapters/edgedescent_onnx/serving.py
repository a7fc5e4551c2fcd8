"""Inputs of a snapshot from raw events, as the learner reads them.

This file needs NumPy and nothing else, so that a machine that serves snapshots can have a copy of it. The check of each
snapshot uses it too.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NONE = ("", "unavailable", "unknown", "undefined", "none", "null", "nil", "n/a", "#n/a", "<na>")
_MISSING = frozenset((*_NONE, "nan", "-nan", "inf", "-inf", "+inf", "infinity", "-infinity"))
_WORDS = {"on": 1.0, "true": 1.0, "off": 0.0, "false": 0.0}
_BLANKS = " \t\n\v\f\r"
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NUMBER_LENGTH_MAX = 64


def prepare(
    metadata: Mapping[str, str], events: Sequence[Mapping[str, Any]], labels: Sequence[float] = ()
) -> dict[str, NDArray[Any]]:
    """Return the inputs of a snapshot for raw events.

    Texts that stand for numbers, booleans or missing values, nested objects and lists, missing features, and categories
    that were never learned are read as the learner reads them.

    Args:
        metadata: Metadata of the file: ``session.get_modelmeta().custom_metadata_map``.
        events: An event each, as its features by name, or for a recommender with its `user` and `item`.
        labels: Labels that came since the snapshot, oldest first, for a learner that follows them (`AutoRegressor`).

    Returns:
        Arrays by the names of the inputs: ``x`` of shape (n_events, n_features), a category or an id of shape
        (n_events,), ``labels`` of shape (n_labels,).

    Raises:
        ValueError: If an event is no mapping, a value is neither a number nor a text, an id is neither a text nor an
            integer, or labels are given to a learner that takes none.

    Example:
        >>> metadata = {"features": '["temp"]', "categories": '{"site": "category_0"}', "missing": ""}
        >>> prepare(metadata, [{"temp": "21.5", "site": "north"}, {"temp": "unavailable"}])
        {'x': array([[21.5],
               [ nan]]), 'category_0': array(['north', ''], dtype=object)}
    """
    if "features" not in metadata:
        inputs = {role: _ids(role, events) for role in ("user", "item")}
    else:
        inputs = _features(metadata, events)
    if "labels" in metadata:
        inputs["labels"] = np.array([math.nan if label is None else label for label in labels], dtype=np.float64)
    elif len(labels):
        raise ValueError(f"A snapshot of {metadata.get('learner', 'this learner')} takes no labels. Got {len(labels)}.")
    return inputs


def _features(metadata: Mapping[str, str], events: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[Any]]:
    column = {name: j for j, name in enumerate(json.loads(metadata["features"]))}
    ports: dict[str, str] = json.loads(metadata["categories"])
    # Files of earlier versions lack some entries.
    named = set(json.loads(metadata.get("integer_categories", "[]")))
    decimal_comma = json.loads(metadata.get("decimal_comma", "false"))
    inputs: dict[str, NDArray[Any]] = {"x": np.full((len(events), len(column)), np.nan)}
    for port in ports.values():
        # An array of objects, because numpy's own strings lose a NUL at the end.
        inputs[port] = np.full(len(events), metadata["missing"], dtype=object)
    for i, event in enumerate(events):
        if not isinstance(event, Mapping):
            raise ValueError(f"An event must map names to values. Got {event!r:.80}.")  # noqa: TRY004
        # Where two names are joined to the same one, the last is the one that counts.
        for name, given in dict(_flattened(event, "")).items():
            value = text_value(given, decimal_comma) if isinstance(given, str) and name not in named else given
            if isinstance(value, float) and name in named:
                raise ValueError(f"The category {name!r} must be no fraction. Got {value!r}.")
            if isinstance(value, str) or (name in named and isinstance(value, int)):
                if name in ports:
                    inputs[ports[name]][i] = str(value)
            elif name in column:
                inputs["x"][i, column[name]] = _number(name, value)
            else:
                _number(name, value)
    return inputs


def text_value(text: str, decimal_comma: bool = False) -> float | str | None:
    """Return what a text stands for: a number, None where it is missing, or the text itself, as a category.

    Args:
        text: The text.
        decimal_comma: True if ``49,31`` is a number too.

    Example:
        >>> [text_value(text) for text in ("21.5", "ON", "unavailable", "north", "49,31")]
        [21.5, 1.0, None, 'north', '49,31']
    """
    word = text.strip(_BLANKS)
    if not word.isascii() or not text.isascii() or len(word) > _NUMBER_LENGTH_MAX:
        return text
    number = word.replace(",", ".", 1) if decimal_comma and "." not in word else word
    if _NUMBER.fullmatch(number):
        return float(number)
    word = word.lower()
    return None if word in _MISSING else _WORDS.get(word, text)


def _flattened(values: Mapping[Any, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield names and plain values; nested objects and lists become names with a dot."""
    for key, value in values.items():
        if isinstance(value, list | tuple):
            yield from _flattened(dict(enumerate(value)), f"{prefix}{key}.")
        elif isinstance(value, Mapping):
            yield from _flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _number(name: str, value: object) -> float:
    """Return a value as a number: None is missing, an integer beyond all floats is infinite."""
    if value is None:
        return math.nan
    if isinstance(value, bytes) or not hasattr(value, "__float__"):
        raise ValueError(f"The feature {name!r} must be a number or a string. Got {value!r}.")
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _ids(role: str, events: Sequence[Mapping[str, Any]]) -> NDArray[Any]:
    ids = np.empty(len(events), dtype=object)
    for i, event in enumerate(events):
        value = event.get(role)
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise ValueError(  # noqa: TRY004 - every wrong event raises the same error
                f"The {role} id of a rating must be a string or an integer. Got {event!r}."
            )
        ids[i] = str(value)
    return ids
