"""Details in the published metrics, for people who watch a device: inputs, newest drift alarms and dead letters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from edgedescent.daemon.logs import cut
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import DeadLetter

FEATURES_MAX = 100
"""Number of features that are listed, those that came first."""
DEAD_LETTERS_MAX = 5
"""Number of dead letters that are listed, the newest."""
TEXT_MAX = 200
"""Length of a text; of a longer one the start is listed."""


def details(engine: Engine, dead_letters: Iterable[DeadLetter], at: float) -> dict[str, Any]:
    """Details of a device; what there is none of has no key.

    Args:
        engine: The engine.
        dead_letters: The newest dead letters, oldest first.
        at: Time by the clock of this machine.
    """
    found: dict[str, Any] = {}
    if engine.assembling is not None:
        assembler = engine.assembling.assembler
        features = assembler.describe(at)
        for feature in features[:FEATURES_MAX]:
            feature["feature"] = cut(feature["feature"], TEXT_MAX)
            feature["age_s"] = round(feature["age_s"], 3)
            if feature["missing_share"] is not None:
                feature["missing_share"] = round(feature["missing_share"], 4)
            if isinstance(feature["value"], str):
                feature["value"] = cut(feature["value"], TEXT_MAX)
        left_out = max(0, len(features) - FEATURES_MAX)
        found["inputs"] = {"features": features[:FEATURES_MAX], "left_out": left_out, "silent": assembler.silent}
    if alarms := engine.latest_alarms:
        found["drift_newest"] = msgspec.to_builtins(alarms[::-1])
    newest = [
        {
            "received_at": one.received_at,
            "topic": cut(one.topic, TEXT_MAX),
            "reason": one.reason,
            "error": cut(one.error, TEXT_MAX),
        }
        for one in dead_letters
    ]
    if newest:
        found["dead_letters_newest"] = newest[::-1]
    return found
