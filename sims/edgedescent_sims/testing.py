"""Checks of what every source must hold.

Example:
    >>> from edgedescent_sims.sources import open_source
    >>> from edgedescent_sims.testing import check_source
    >>> check_source(open_source("ChickWeights"))  # doctest: +SKIP
"""

from __future__ import annotations

import math
from collections.abc import Callable

from edgedescent.testing.support import require
from edgedescent_sims.sources.base import Event, Kind, Source


def check_source(source: Source) -> None:
    """Check that a source is repeatable, names its events uniquely, and yields events of its kind.

    Args:
        source: A source with at least one event.

    Raises:
        AssertionError: If it breaks one of its promises; the message says which.
    """
    name = source.name
    require(name, name != "", "`name` is empty")
    events = list(source.events())
    skipped = (source.skipped_rows.rows, source.skipped_rows.cells)
    require(name, bool(events), "it yields no events")
    require(name, list(source.events()) == events, "it yields other events when it is read again")
    again = (source.skipped_rows.rows, source.skipped_rows.cells)
    require(name, again == skipped, f"`skipped_rows` counts {skipped} at the first reading, {again} at the second")
    length = source.length()
    require(name, length is None or length >= len(events), f"`length()` is {length} for {len(events)} events")
    for event in events:
        _CHECKS[source.kind](name, event)
    if source.kind != "recorded":
        ids = {event["id"] for event in events}
        require(name, len(ids) == len(events), f"{len(events)} events have only {len(ids)} different ids")


def _check_features(name: str, event: Event) -> None:
    require(name, set(event) == {"id", "x", "y"}, f"an event has {sorted(event)}, not `id`, `x` and `y`")
    _check_texts(name, event, "id")
    for feature, value in {**event["x"], "y": event["y"]}.items():
        _check_number(name, event, feature, value)


def _check_rating(name: str, event: Event) -> None:
    require(name, set(event) == {"id", "user", "item", "y"}, f"a rating has {sorted(event)}, not id, user, item and y")
    _check_texts(name, event, "id", "user", "item")
    _check_number(name, event, "y", event["y"])


def _check_message(name: str, event: Event) -> None:
    require(name, set(event) == {"topic", "payload"}, f"a message has {sorted(event)}, not `topic` and `payload`")
    _check_texts(name, event, "topic")
    require(name, isinstance(event["payload"], bytes), f"a payload is {event['payload']!r:.80}, not bytes")


def _check_texts(name: str, event: Event, *keys: str) -> None:
    for key in keys:
        require(name, isinstance(event[key], str), f"`{key}` is {event[key]!r:.80}, not text")


def _check_number(name: str, event: Event, feature: str, value: object) -> None:
    finite = isinstance(value, float) and math.isfinite(value)
    require(name, finite, f"`{feature}` of the event {event['id']!r} is {value!r:.80}, not a finite float")


_CHECKS: dict[Kind, Callable[[str, Event], None]] = {
    "features": _check_features,
    "ratings": _check_rating,
    "recorded": _check_message,
}
