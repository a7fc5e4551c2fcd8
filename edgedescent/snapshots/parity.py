"""Parity check: the predictions of an exported file against those of the live model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from edgedescent.engine.core import Engine
from edgedescent.errors import ExportError
from edgedescent.interfaces import Exporter
from edgedescent.learners import Learner
from edgedescent.state.store import Store

MIN_DIVISOR = 1e-12
"""Smallest absolute prediction that a difference is divided by, because a prediction may be 0."""


class Parity(msgspec.Struct, frozen=True):
    """Largest differences between the predictions of an exported file and of the live model."""

    events: int
    max_abs_diff: float
    max_rel_diff: float
    tolerance: float

    @property
    def holds(self) -> bool:
        """True if the largest relative difference is within the tolerance, so that the file may be published."""
        return math.isfinite(self.max_rel_diff) and self.max_rel_diff <= self.tolerance


def check_parity(
    learner: Learner,
    exporter: Exporter[Learner],
    model: bytes,
    events: Sequence[Mapping[str, Any]],
    *,
    tolerance: float,
) -> Parity:
    """Compare the predictions of an exported file with those of the live model.

    Args:
        learner: The live model.
        exporter: The exporter that made the file and serves it.
        model: Content of the file.
        events: Events to predict, as `recent_events` returns them. Those that the live model refuses are left out.
        tolerance: Largest relative difference that is acceptable.

    Raises:
        ExportError: If there is no event to compare on, or the file makes another number of predictions.
    """
    accepted, live = predict_all(learner, events)
    if not accepted:
        raise ExportError(
            "There is no event to check a snapshot on.", "Let the daemon learn a few events before exporting."
        )
    exported = exporter.predict(model, accepted)
    if len(live) != len(exported):
        raise ExportError(
            f"The snapshot makes {len(exported)} predictions for {len(live)} events. It was not published."
        )
    return compare(live, exported, tolerance)


def recent_events(store: Store, engine: Engine, count: int) -> list[dict[str, Any]]:
    """Read the newest events of the journal.

    Args:
        store: The state, open for reading.
        engine: The recovered engine, whose position ends the search.
        count: The largest number of events to return.

    Returns:
        The events as plain dicts, oldest first.
    """
    events: list[dict[str, Any]] = []
    end, messages = engine.position, count
    while len(events) < count and end > 0:
        start = store.first_of_last(messages, end)
        earlier: list[dict[str, Any]] = []
        for message in store.read(after=start, up_to=end):
            for piece in engine.format.read(message.payload):
                earlier.extend(msgspec.structs.asdict(event) for _, event in piece.events)
        events = earlier + events
        if start == end:
            break
        # Messages may hold less than one usable event each: twice as many are read the next time.
        end, messages = start, 2 * messages
    return events[-count:]


def predict_all(learner: Any, events: Sequence[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], list[float]]:
    """Predict events with the live model.

    Returns:
        The events that the model accepts, and its predictions for them. Those that it refuses are dead letters.
    """
    accepted, predictions = [], []
    for event in events:
        inputs = (event["x"],) if learner.input_kind == "features" else (event["user"], event["item"])
        with suppress(ValueError, TypeError):
            predictions.append(learner.predict_one(*inputs))
            accepted.append(event)
    return accepted, predictions


def compare(live: Sequence[float], exported: Sequence[float], tolerance: float) -> Parity:
    """Measure the largest differences between two sequences of predictions; infinite if one is not finite.

    Example:
        >>> compare([1.0, 2.0], [1.0, 2.5], 1e-5).max_rel_diff
        0.25
    """
    absolute = relative = 0.0
    for a, b in zip(live, exported, strict=True):
        if not (math.isfinite(a) and math.isfinite(b)):
            # The division below would give NaN, which `max` does not notice.
            return Parity(len(live), math.inf, math.inf, tolerance)
        difference = abs(a - b)
        absolute = max(absolute, difference)
        relative = max(relative, difference / max(abs(a), MIN_DIVISOR))
    return Parity(len(live), absolute, relative, tolerance)
