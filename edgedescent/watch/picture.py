"""Picture of a device at one moment: what the view shows, and `edgedescent watch --json` prints."""

from __future__ import annotations

import msgspec

from edgedescent.drift.alarm import Alarm
from edgedescent.engine.messages import Prediction


class Broker(msgspec.Struct, frozen=True):
    """Connection to the broker."""

    connected: bool
    problem: str = ""
    """Reason why there is no connection; empty while there is one."""


class Daemon(msgspec.Struct, frozen=True):
    """State of the daemon."""

    state: str
    """State that the daemon has published; ``unknown`` before."""
    since: float | None
    """Time of its last change, in seconds since 1970."""
    version: str
    reported_s: float | None
    """Age of the newest metrics in seconds; None before the first."""
    problem: str = ""
    """Problem of the daemon as a sentence; empty if it has none."""


class Feature(msgspec.Struct, frozen=True):
    """Feature of an input, as the daemon publishes it."""

    feature: str
    input: str
    value: float | str | None
    age_s: float
    missing: bool
    missing_share: float | None


class Inputs(msgspec.Struct, frozen=True):
    """Inputs of a device."""

    features: tuple[Feature, ...]
    left_out: int
    """Number of features that are not listed."""
    silent: tuple[str, ...]
    """Names of the inputs that have fallen silent."""


class Comparison(msgspec.Struct, frozen=True):
    """Score of the model beside that of a baseline over the same events."""

    score: str
    baseline: str
    of_model: float
    of_baseline: float
    horizon_s: float | None = None
    """Horizon of the forecasts, where there are several."""


class RejectedEvent(msgspec.Struct, frozen=True):
    """Dead letter, as the daemon publishes it."""

    received_at: float
    topic: str
    reason: str
    error: str


class DeadLetters(msgspec.Struct, frozen=True):
    """Dead letters of a device."""

    total: int
    reasons: dict[str, int]
    newest: tuple[RejectedEvent, ...]


class Drift(msgspec.Struct, frozen=True):
    """Drift alarms of a device."""

    total: int
    newest: tuple[Alarm, ...]


class Picture(msgspec.Struct, frozen=True):
    """Picture of a device at one moment."""

    device: str
    broker: Broker
    daemon: Daemon
    inputs: Inputs | None
    """None for a device of whole events."""
    waiting: dict[str, float]
    """Numbers of what waits, by the name of their metric."""
    answers: tuple[Prediction, ...]
    """The newest answers, the newest first."""
    answers_note: str
    """Reason why not all answers are there; empty if there is none."""
    comparisons: tuple[Comparison, ...]
    scores: dict[str, float]
    """Further scores, by the name of their metric."""
    drift: Drift
    dead_letters: DeadLetters
    numbers: dict[str, float]
    """Numbers of the daemon and its resources, by the name of their metric."""
    unreadable: int
    """Number of messages that were not the daemon's own."""
