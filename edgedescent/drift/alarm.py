"""Alarm of a drift monitor, as it is published."""

from __future__ import annotations

from typing import Literal

import msgspec


class Alarm(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """Change that a detector has found: in the prediction error, or in an input."""

    number: int
    """Number of the alarm since the state began, from 1. One that is published again after a crash has the same."""
    position: int
    """Position in the journal of the message at which it was raised."""
    time: float
    """Unix time in seconds at which that message was received."""
    detector: str
    """Name of the detector."""
    watched: Literal["error", "input"]
    input: str | None = None
    """Name of the input; None for the error."""
    before: float
    """Mean before the change: of the absolute errors, or of the input's values."""
    after: float
    """Mean since the change."""
    since: int
    """Number of the learned event from which on the mean differs most from that before, from 1."""
    event: int
    """Number of the learned event at which the alarm was raised."""
    horizon_s: float | None = None
    """Horizon of the forecasts, where there are several; the numbers of events are those of this horizon."""


encode = msgspec.json.Encoder().encode
"""Encode an alarm as JSON."""
decode = msgspec.json.Decoder(Alarm).decode
"""Decode the JSON of an alarm; raises `msgspec.DecodeError` if it is none."""
