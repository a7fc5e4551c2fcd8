"""The tables of the file: their keys, defaults and bounds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from edgedescent.config.building import build, convert
from edgedescent.errors import ConfigError, shown
from edgedescent.formats import FORMATS, Format
from edgedescent.interfaces import AdminClient, CheckResult, Exporter, Transport
from edgedescent.learners import Learner
from edgedescent.registry import EXPORTERS, TRANSPORTS

Positive = Annotated[int, Meta(ge=1, le=2**53)]
Seconds = Annotated[float, Meta(gt=0, le=1e9)]
OUTPUTS = ("predictions", "metrics", "snapshots", "status")
"""The topics that the daemon publishes to."""


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the configuration file."""


class Topics(_Table, frozen=True):
    """Where events come from and answers go; ``{device}`` stands for the device's name."""

    events: Annotated[tuple[str, ...], Meta(min_length=1)] = ("edgedescent/{device}/events",)
    predictions: str = "edgedescent/{device}/predictions"
    metrics: str = "edgedescent/{device}/metrics"
    snapshots: str = "edgedescent/{device}/snapshots"
    status: str = "edgedescent/{device}/status"
    format: str = "json"
    """Payload format of the events."""


class State(_Table, frozen=True):
    """Where the state lies, and how safely."""

    path: str = "state"
    durability: Literal["power", "process"] = "power"
    """``power`` survives a power cut; ``process`` survives kill -9, and may lose the last commits when power fails."""
    checkpoint_interval_s: Seconds = 300.0
    checkpoint_events: Positive = 1_000_000
    commit_interval_s: Seconds = 1.0
    """A message waits at most so long until it is durable and acknowledged; it is answered at once."""
    commit_messages: Annotated[int, Meta(ge=1, le=1_000_000)] = 5000
    """So many that wait are committed at once."""
    commit_bytes: Annotated[int, Meta(ge=1, le=1_073_741_824)] = 1_000_000
    """Likewise their bytes. Beside these, one poll's messages are all that is ever kept in memory."""
    written_bytes_per_day_max: Annotated[int, Meta(ge=1_000_000, le=2**53)] = 20_000_000_000
    """Where a day's allowance is used up, commits are spaced further apart, and less is taken in."""
    journal_bytes_max: Positive = 268_435_456
    journal_age_max_s: Seconds | None = None
    """Messages that are older, and that recovery does not need, are dropped with the next checkpoint."""
    dead_letters_max: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000

    def __post_init__(self) -> None:
        if not self.path or "\0" in self.path:
            raise ConfigError(f"`state.path` is {self.path!r}: expected the path of a folder.")
        if self.path.startswith("~"):
            raise ConfigError(
                f"`state.path` is {self.path!r}: `~` stands for no folder here.", "Give the whole path, from / on."
            )


class Limits(_Table, frozen=True):
    """Bounds on what comes in."""

    payload_bytes_max: Annotated[int, Meta(ge=1, le=268_435_455)] = 1_048_576
    """MQTT itself allows no more than 256 MiB."""
    events_per_message_max: Positive = 10_000
    dedup_window: Annotated[int, Meta(ge=1, le=10_000_000)] = 65_536
    """How many ids of learned events are remembered to recognize repeats, in up to 40 bytes each."""
    redelivery_window: Annotated[int, Meta(ge=1, le=1_000_000)] = 4096
    """How many messages are remembered to recognize those sent again whose events have no ids, in 8 bytes each."""
    events_per_second_max: Annotated[float, Meta(gt=0, le=1e9)] | None = None
    """Of one topic; what comes beyond is counted and left alone."""
    answers_bytes_max: Annotated[int, Meta(ge=0, le=1_073_741_824)] = 1_048_576
    """How many bytes of answers wait for a connection; the oldest make room."""


class Snapshots(_Table, frozen=True):
    """When and how the model is exported."""

    exporter: str = "onnx"
    every_events: Positive | None = None
    every_s: Seconds | None = None
    keep: Positive = 5
    tolerance: Annotated[float, Meta(gt=0, lt=1)] = 1e-5
    """The greatest relative difference to the live model's predictions with which a snapshot is published."""
    check_events: Annotated[int, Meta(ge=1, le=1_000_000)] = 200
    """How many recent events the snapshot is checked on."""
    timeout_s: Seconds = 120.0


class Metrics(_Table, frozen=True):
    """How often the metrics are published, and where else they can be read."""

    interval_s: Seconds = 10.0
    listen: str | None = None
    """An address such as ``127.0.0.1:9464``, where Prometheus can ask; nowhere unless it is given."""

    def __post_init__(self) -> None:
        if self.listen is not None:
            address_of(self.listen)


def address_of(text: str) -> tuple[str, int]:
    """Host and port of an address to listen on.

    >>> address_of("[::1]:9464")
    ('::1', 9464)

    Raises:
        ConfigError: if it is none.
    """
    host, _, port = text.rpartition(":")
    if not host or not (re.fullmatch("[0-9]{1,5}", port) and int(port) <= 65_535):
        raise ConfigError(
            f"`metrics.listen` is {shown(text)}: expected an address and a port.", 'For example "127.0.0.1:9464".'
        )
    return host.strip("[]"), int(port)


class Logs(_Table, frozen=True):
    """How the log is written."""

    format: Literal["text", "json"] = "text"
    """``json`` writes one object a line, for programs that collect logs."""
    limit_per_10_s: Annotated[int, Meta(ge=1, le=1_000_000)] = 20
    """How many warnings of one kind are written in ten seconds; how many were left out is told."""


class Config(_Table, frozen=True):
    """The whole configuration; ``broker`` and ``learner`` are checked by the adapter and the learner they name.

    The learner that comes without being asked for is the one that needs no tuning: see docs/learners.md.
    """

    device: str
    learner: dict[str, Any] = msgspec.field(default_factory=lambda: {"type": "MLPRegressor"})
    transport: str = "mqtt"
    broker: dict[str, Any] = msgspec.field(default_factory=dict)
    topics: Topics = Topics()
    state: State = State()
    limits: Limits = Limits()
    snapshots: Snapshots = Snapshots()
    metrics: Metrics = Metrics()
    logs: Logs = Logs()

    def __post_init__(self) -> None:
        if not 1 <= len(self.device) <= 64 or not self.device.isprintable():
            raise ConfigError(f"`device` is {shown(self.device)}: expected 1 to 64 characters, printable.")

    def topic(self, name: str) -> str:
        """A topic by name with the device filled in."""
        return str(getattr(self.topics, name)).replace("{device}", self.device)

    def event_topics(self) -> list[str]:
        """The topic filters to subscribe to."""
        return [topic.replace("{device}", self.device) for topic in self.topics.events]

    def build_learner(self) -> Learner:
        """The learner that ``[learner]`` describes."""
        return build(Learner, self.learner, "learner")

    def payload_format(self) -> type[Format]:
        """The payload format that ``topics.format`` names.

        Raises:
            ConfigError: if there is none of this name, or it cannot be imported.
        """
        return FORMATS.find(self.topics.format, "topics.format")

    def build_transport(self) -> Transport:
        """The transport that ``transport`` names, configured by ``[broker]`` and not yet connected.

        Raises:
            ConfigError: if it cannot be imported, or a key of its table or a topic is wrong.
        """
        adapter = TRANSPORTS.find(self.transport, "transport")
        table = convert(self.broker, adapter.Config, "broker")
        outputs = {f"topics.{name}": self.topic(name) for name in OUTPUTS}
        adapter.check_topics(device=self.device, events=self.event_topics(), outputs=outputs)
        return adapter(
            table,
            device=self.device,
            topics=self.event_topics(),
            status_topic=self.topic("status"),
            bytes_max=self.limits.payload_bytes_max,
        )

    def build_admin_client(self, purpose: str) -> AdminClient:
        """A client of an operating command, not yet connected; its name holds `purpose`.

        Raises:
            ConfigError: as `build_transport`.
        """
        adapter = TRANSPORTS.find(self.transport, "transport")
        table = convert(self.broker, adapter.Config, "broker")
        return adapter.admin_client(table, device=self.device, purpose=purpose, bytes_max=self.limits.payload_bytes_max)

    def check_broker(self, *, publish: bool) -> Iterator[CheckResult]:
        """Check that the broker grants what the daemon needs; `publish` sends an empty message to each output.

        Raises:
            ConfigError: as `build_transport`.
        """
        adapter = TRANSPORTS.find(self.transport, "transport")
        return adapter.check_broker(
            convert(self.broker, adapter.Config, "broker"),
            device=self.device,
            topics=self.event_topics(),
            outputs=[self.topic(name) for name in OUTPUTS],
            bytes_max=self.limits.payload_bytes_max,
            publish=publish,
        )

    def build_exporter(self) -> Exporter[Learner]:
        """The exporter that ``snapshots.exporter`` names.

        Raises:
            ConfigError: if there is none of this name, or it cannot be imported.
        """
        return EXPORTERS.find(self.snapshots.exporter, "snapshots.exporter")()
