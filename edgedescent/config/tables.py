"""Tables of the configuration file: keys, defaults and bounds."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from edgedescent.config.building import build
from edgedescent.drift import Detector
from edgedescent.errors import ConfigError, shown

Positive = Annotated[int, Meta(ge=1, le=2**53)]
Seconds = Annotated[float, Meta(gt=0, le=1e9)]
OUTPUTS = ("predictions", "metrics", "drift", "snapshots", "status")
"""Keys in ``[topics]`` of the topics that the daemon publishes to."""


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the tables."""


class Topics(Table, frozen=True):
    """The ``[topics]`` table: topics to subscribe to and to publish to; ``{device}`` is the device's name."""

    events: Annotated[tuple[str, ...], Meta(min_length=1)] = ("edgedescent/{device}/events",)
    predictions: str = "edgedescent/{device}/predictions"
    metrics: str = "edgedescent/{device}/metrics"
    drift: str = "edgedescent/{device}/drift"
    snapshots: str = "edgedescent/{device}/snapshots"
    status: str = "edgedescent/{device}/status"
    format: str = "json"
    """Payload format of the events."""


class State(Table, frozen=True):
    """The ``[state]`` table: the state folder, its durability and its limits."""

    path: str = "state"
    durability: Literal["power", "process"] = "power"
    """``power`` survives a power cut. ``process`` survives kill -9, but a power cut may lose the last commits."""
    checkpoint_interval_s: Seconds = 300.0
    """Shortest time between two checkpoints."""
    checkpoint_events: Positive = 1_000_000
    commit_interval_s: Seconds = 1.0
    """Longest time until a message is durable and acknowledged. It is answered at once."""
    commit_messages: Annotated[int, Meta(ge=1, le=1_000_000)] = 5000
    """Number of waiting messages that starts a commit."""
    commit_bytes: Annotated[int, Meta(ge=1, le=1_073_741_824)] = 1_000_000
    """Size of the waiting messages that starts a commit. Only the messages of one poll are in memory beside them."""
    written_bytes_per_day_max: Annotated[int, Meta(ge=1_000_000, le=2**53)] = 20_000_000_000
    """Write limit per day. When it is used up, commits are further apart and fewer messages are accepted."""
    journal_bytes_max: Positive = 268_435_456
    journal_age_max_s: Seconds | None = None
    """Age of messages that are removed with the next checkpoint, unless recovery needs them."""
    dead_letters_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    dead_letters_bytes_max: Annotated[int, Meta(ge=1_000_000, le=2**53)] = 33_554_432
    """Size of the dead letters to keep."""

    def __post_init__(self) -> None:
        if not self.path or "\0" in self.path:
            raise ConfigError(f"`state.path` is {self.path!r}: expected the path of a folder.")
        if self.path.startswith("~"):
            raise ConfigError(f"`state.path` is {self.path!r}: `~` is not expanded.", "Give the absolute path.")


class Limits(Table, frozen=True):
    """The ``[limits]`` table: bounds on incoming messages and on memory."""

    payload_bytes_max: Annotated[int, Meta(ge=1, le=268_435_455)] = 1_048_576
    """Largest payload. MQTT allows 256 MiB."""
    events_per_message_max: Positive = 10_000
    dedup_window: Annotated[int, Meta(ge=1, le=10_000_000)] = 65_536
    """Number of learned events with ids that are kept to recognize duplicates, in 32 to 48 bytes each."""
    id_scope: Literal["topic", "device"] = "topic"
    """Scope of an id. ``topic`` lets the senders of different topics count each for itself. ``device`` is for
    senders that publish one event over several topics."""
    reused_ids: Literal["learn", "drop"] = "learn"
    """Treatment of an event with the id of another one that said something else, as after a sensor counts anew."""
    redelivery_window: Annotated[int, Meta(ge=1, le=1_000_000)] = 4096
    """Number of messages that are kept to recognize redeliveries of events without ids, in 18 bytes each."""
    events_per_second_max: Annotated[float, Meta(gt=0, le=1e9)] | None = None
    """Rate limit of one topic. Messages beyond it are acknowledged, counted and forgotten."""
    bytes_per_second_max: Annotated[float, Meta(gt=0, le=1e12)] | None = None
    """The same for the bytes of their payloads."""
    total_events_per_second_max: Annotated[float, Meta(gt=0, le=1e9)] | None = None
    """Rate limit of all topics together."""
    total_bytes_per_second_max: Annotated[float, Meta(gt=0, le=1e12)] | None = None
    """The same for the bytes of their payloads."""
    quarantine: bool = True
    """True if floods of new names and absurd labels become dead letters, until there are too many of them."""
    answers_bytes_max: Annotated[int, Meta(ge=0, le=1_073_741_824)] = 1_048_576
    """Size of the answers that wait for a connection. The oldest are dropped first."""
    questions: Literal["in_order", "first"] = "in_order"
    """``first`` answers events without a label before labelled ones that wait."""
    backlog: Literal["wait", "sample"] = "wait"
    """``sample`` learns only a share of the labelled messages where more come than the learner can bear."""


class Predictions(Table, frozen=True):
    """The ``[predictions]`` table: what the answers hold."""

    interval: Annotated[float, Meta(ge=0.5, le=0.99)] | None = None
    """Share of the labels that the prediction intervals shall hold, such as 0.9; answers have none where it is None."""
    payload: Annotated[str, Meta(min_length=1, max_length=65_536)] | None = None
    """Template of the answer to an event, which is then a message of its own; see docs/streams.md."""


class Drift(Table, frozen=True):
    """The ``[drift]`` table: what watches the prediction error and the inputs for change, and publishes alarms.

    It never changes what the learner does.
    """

    enabled: bool = True
    detector: dict[str, Any] | str = msgspec.field(default_factory=lambda: {"type": "ADWIN"})
    """Test for change; its name, or a table with its ``type`` and parameters."""
    inputs_max: Annotated[int, Meta(ge=0, le=64)] = 4
    """Number of inputs to watch: the numeric features that come first."""

    def build_detector(self) -> Detector:
        """Build the detector.

        Raises:
            ConfigError: If a key of the table is wrong.
        """
        return build(Detector, self.detector, "drift.detector")


class Snapshots(Table, frozen=True):
    """The ``[snapshots]`` table: when and how the model is exported."""

    exporter: str = "onnx"
    every_events: Positive | None = None
    every_s: Seconds | None = None
    keep: Positive = 5
    tolerance: Annotated[float, Meta(gt=0, lt=1)] = 1e-5
    """Largest relative difference from the live model's predictions at which a snapshot is published."""
    check_events: Annotated[int, Meta(ge=1, le=1_000_000)] = 200
    """Number of recent events that the snapshot is checked on."""
    timeout_s: Seconds = 120.0


class Metrics(Table, frozen=True):
    """The ``[metrics]`` table: how often metrics are published, and the address for Prometheus."""

    interval_s: Seconds = 10.0
    listen: str | None = None
    """Address of the HTTP server for Prometheus, such as ``127.0.0.1:9464``; no server where it is None."""
    details: bool = True
    """True to publish the features of inputs and the newest alarms and dead letters too, which `watch` shows."""
    time_field: Annotated[str, Meta(min_length=1, max_length=512)] | None = None
    """Field of the events with the time of their sending, by which the daemon tells how far behind it is."""

    def __post_init__(self) -> None:
        if self.listen is not None:
            address_of(self.listen)


def address_of(text: str) -> tuple[str, int]:
    """Parse host and port of an address to listen on.

    Raises:
        ConfigError: If it is not an address with a port.

    Example:
        >>> address_of("[::1]:9464")
        ('::1', 9464)
    """
    host, _, port = text.rpartition(":")
    if not host or not (re.fullmatch("[0-9]{1,5}", port) and int(port) <= 65_535):
        raise ConfigError(
            f"`metrics.listen` is {shown(text)}: expected an address and a port.", 'For example "127.0.0.1:9464".'
        )
    return host.strip("[]"), int(port)


class HomeAssistant(Table, frozen=True):
    """The ``[home_assistant]`` table: discovery of the device by Home Assistant."""

    discovery: bool = False
    """True to announce the predictions and the error as sensors, retained."""
    prefix: Annotated[str, Meta(min_length=1, max_length=200, pattern="^[^+#\\x00]+$")] = "homeassistant"
    """Discovery prefix that Home Assistant listens to."""
    name: Annotated[str, Meta(max_length=100)] = ""
    """Name of the device there; that of the configuration where it is empty."""
    unit: Annotated[str, Meta(max_length=40)] = ""
    """Unit of the predictions, such as ``W`` or ``°C``."""
    device_class: Annotated[str, Meta(max_length=40, pattern="^[a-z0-9_]*$")] = ""
    """Class of the predictions, such as ``power`` or ``temperature``; its units are Home Assistant's."""


class Logs(Table, frozen=True):
    """The ``[logs]`` table: format and rate limit of the log."""

    format: Literal["text", "json"] = "text"
    """``json`` writes one object per line, for log collectors."""
    limit_per_10_s: Annotated[int, Meta(ge=1, le=1_000_000)] = 20
    """Number of warnings of one kind that are written in ten seconds. The number of omitted ones is logged."""
