"""Steps of an assembler: events for the learner, and what is given up."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from edgedescent.assembly.labels import Question, Unusable
from edgedescent.formats import Command

COUNTERS = (
    *("messages_ignored", "ticks", "inputs_fell_silent", "features_dropped"),
    *("readings", "readings_late", "readings_repeated", "readings_corrected", "readings_released_early"),
    *("rows_empty", "rows_skipped", "rows_forgotten"),
    *("questions", "questions_dropped", "questions_expired", "questions_replaced", "questions_unnamed"),
    *("labels_joined", "labels_missing", "labels_unmatched", "labels_repeated", "labels_corrected"),
)
"""Names of all counters of an assembler."""


class Row(msgspec.Struct):
    """Event for the learner, made from the inputs."""

    time: float
    """Time that the prediction is about."""
    x: dict[str, Any]
    y: float | None = None
    id: str | int | None = None
    key: str | None = None
    """Key of the reading that made the event, where it has one."""
    earlier: float = math.nan
    """Prediction that was made before the label was there; NaN for an event that is predicted now."""
    last_value: float | None = None
    """Newest value of the feature that is forecast; None where it is missing or there is no horizon."""
    prediction: float = math.nan
    """Prediction of the learner, which the engine fills in; NaN if the learner refuses the event."""
    horizon_s: float | None = None
    """Horizon of the forecast, where there are several: it says which model it is for."""
    n_before: int = 0
    """Number of earlier events that waited for their labels when it was predicted."""


def encode_row(row: Row) -> bytes:
    """JSON of an event for people and programs: ``time``, ``x``, and ``y``, ``id`` and ``horizon_s`` where known."""
    pairs = {"time": row.time, "x": row.x, "y": row.y, "id": row.id, "horizon_s": row.horizon_s}
    return msgspec.json.encode({name: value for name, value in pairs.items() if value is not None})


class Dropped(msgspec.Struct):
    """Question that is given up."""

    question: Question
    reason: str
    horizon_s: float | None = None
    """Horizon of the forecast, where there are several."""
    in_turn: bool = False
    """True if all questions before it were answered or given up."""


Step = Row | Dropped | Unusable | Command
