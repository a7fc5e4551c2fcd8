"""Tables of the configuration file: keys, defaults and bounds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from edgedescent import assembly as assembling
from edgedescent.assembly import AssemblySettings, AssemblySpec, InputSpec, LabelSpec
from edgedescent.config.building import build, convert
from edgedescent.config.recommend import Recommend
from edgedescent.drift import Detector
from edgedescent.engine.core import Engine
from edgedescent.engine.head import horizon_name
from edgedescent.engine.settings import DriftSettings, EngineSettings
from edgedescent.errors import ConfigError, shown
from edgedescent.formats import FORMATS, Format
from edgedescent.interfaces import TOPIC_FIELDS, AdminClient, CheckResult, Exporter, Transport, TransportAdapter
from edgedescent.learners import Learner
from edgedescent.learners.description import describe
from edgedescent.registry import EXPORTERS, TRANSPORTS

Positive = Annotated[int, Meta(ge=1, le=2**53)]
Seconds = Annotated[float, Meta(gt=0, le=1e9)]
OUTPUTS = ("predictions", "metrics", "drift", "snapshots", "status")
"""Keys in ``[topics]`` of the topics that the daemon publishes to."""


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the tables."""


class Topics(_Table, frozen=True):
    """The ``[topics]`` table: topics to subscribe to and to publish to; ``{device}`` is the device's name."""

    events: Annotated[tuple[str, ...], Meta(min_length=1)] = ("edgedescent/{device}/events",)
    predictions: str = "edgedescent/{device}/predictions"
    metrics: str = "edgedescent/{device}/metrics"
    drift: str = "edgedescent/{device}/drift"
    snapshots: str = "edgedescent/{device}/snapshots"
    status: str = "edgedescent/{device}/status"
    format: str = "json"
    """Payload format of the events."""


class State(_Table, frozen=True):
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


class Limits(_Table, frozen=True):
    """The ``[limits]`` table: bounds on incoming messages and on memory."""

    payload_bytes_max: Annotated[int, Meta(ge=1, le=268_435_455)] = 1_048_576
    """Largest payload. MQTT allows 256 MiB."""
    events_per_message_max: Positive = 10_000
    dedup_window: Annotated[int, Meta(ge=1, le=10_000_000)] = 65_536
    """Number of learned events with ids that are kept to recognize duplicates, in 24 to 32 bytes each."""
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


class Predictions(_Table, frozen=True):
    """The ``[predictions]`` table: what the answers hold."""

    interval: Annotated[float, Meta(ge=0.5, le=0.99)] | None = None
    """Share of the labels that the prediction intervals shall hold, such as 0.9; answers have none where it is None."""
    payload: Annotated[str, Meta(min_length=1, max_length=65_536)] | None = None
    """Template of the answer to an event, which is then a message of its own; see docs/streams.md."""


class Drift(_Table, frozen=True):
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


class Snapshots(_Table, frozen=True):
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


class Metrics(_Table, frozen=True):
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


class HomeAssistant(_Table, frozen=True):
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


class Logs(_Table, frozen=True):
    """The ``[logs]`` table: format and rate limit of the log."""

    format: Literal["text", "json"] = "text"
    """``json`` writes one object per line, for log collectors."""
    limit_per_10_s: Annotated[int, Meta(ge=1, le=1_000_000)] = 20
    """Number of warnings of one kind that are written in ten seconds. The number of omitted ones is logged."""


class Config(_Table, frozen=True):
    """The whole configuration.

    The transport validates ``broker``, and the learner validates ``learner``, which may also be its name alone. The
    default learner needs no tuning, see docs/auto.md.
    """

    device: str
    learner: dict[str, Any] | str = msgspec.field(default_factory=lambda: {"type": "AutoRegressor"})
    transport: str = "mqtt"
    broker: dict[str, Any] = msgspec.field(default_factory=dict)
    topics: Topics = Topics()
    inputs: dict[str, InputSpec] = msgspec.field(default_factory=dict)
    assembly: AssemblySpec = AssemblySpec()
    label: LabelSpec | None = None
    derive: list[dict[str, Any]] = msgspec.field(default_factory=list)
    state: State = State()
    limits: Limits = Limits()
    predictions: Predictions = Predictions()
    recommend: Recommend | None = None
    drift: Drift = msgspec.field(default_factory=Drift)
    snapshots: Snapshots = Snapshots()
    metrics: Metrics = Metrics()
    logs: Logs = Logs()
    home_assistant: HomeAssistant = HomeAssistant()

    def __post_init__(self) -> None:
        if not 1 <= len(self.device) <= 64 or not self.device.isprintable():
            raise ConfigError(f"`device` is {shown(self.device)}: expected 1 to 64 characters, printable.")

    def topic(self, name: str) -> str:
        """Topic of a key in ``[topics]``, with the device filled in."""
        return str(getattr(self.topics, name)).replace("{device}", self.device)

    def event_topics(self) -> list[str]:
        """Topic filters to subscribe to, with the device filled in: those of the inputs, or else of the events."""
        settings = self.assembly_settings()
        filters = self.topics.events if settings is None else settings.filters()
        return [topic.replace("{device}", self.device) for topic in filters]

    @property
    def marks(self) -> tuple[float | None, ...]:
        """Mark of the answers of each model: its horizon where there are several; None for the only model."""
        return (None,) if self.label is None else self.label.marks

    def subscriptions(self) -> list[str]:
        """Topic filters to subscribe to: those of the events, and the topic of the requests."""
        recommend = self.recommend
        return [*self.event_topics(), *([] if recommend is None else [recommend.request_topic(self.device)])]

    def output_topics(self) -> dict[str, str]:
        """Topics to publish to by the key that gives them, with the device filled in.

        Raises:
            ConfigError: If requests would come in where something is published.
        """
        outputs = {f"topics.{name}": self.topic(name) for name in OUTPUTS}
        if self.recommend is not None:
            outputs["recommend.responses"] = self.recommend.responses.replace("{device}", self.device)
            requests = self.recommend.request_topic(self.device)
            for key, topic in outputs.items():
                if topic == requests:
                    raise ConfigError(f"`recommend.topic` is {shown(topic)}: expected another topic than `{key}`.")
        return outputs

    def own_topics(self) -> dict[str, str]:
        """Topics to publish to, and that of the requests, by the key that gives them.

        Raises:
            ConfigError: If requests would come in where something is published.
        """
        named = self.output_topics()
        if self.recommend is not None:
            named["recommend.topic"] = self.recommend.request_topic(self.device)
            # What is retained for a user goes to a topic below that of the lists.
            named["recommend.responses"] += "/user" if self.recommend.retain else ""
        return named

    def build_learner(self) -> Learner:
        """Build the learner that ``[learner]`` describes.

        Raises:
            ConfigError: If a key of the table is wrong, or the learner cannot have the configured intervals.
        """
        learner = build(Learner, self.learner, "learner")
        if self.inputs and learner.input_kind != "features":
            raise ConfigError(
                f"`inputs` are given, but {type(learner).__name__} learns ratings: expected a learner of features."
            )
        if self.recommend is not None:
            self.recommend.check_learner(learner)
        interval = self.predictions.interval
        if interval is not None and not learner.has_numeric_targets:
            raise ConfigError(
                f"`predictions.interval` is {interval}: expected none for {type(learner).__name__}, whose labels are "
                "no amounts."
            )
        return learner

    def assembly_settings(self) -> AssemblySettings | None:
        """Settings of the assembler of the inputs; None where messages hold whole events.

        Raises:
            ConfigError: If a key of the inputs, of the label or of what is derived is wrong, or no event could be made.
        """
        if not self.inputs:
            for name in ("label", "derive"):
                if getattr(self, name):
                    raise ConfigError(f"`{name}` is given, but there is no input.", "Add a table `[inputs.<name>]`.")
            return None
        if self.label is None:
            raise ConfigError(
                "`label` is missing: without it no event of the inputs would be learned.",
                "Add a table `[label]` with `input` and `feature`, the value to predict.",
            )
        if self.topics.events != Topics().events:
            raise ConfigError(
                f"`topics.events` is {shown(list(self.topics.events))}: expected none beside `inputs`.",
                "Give the topics of each input in its own table.",
            )
        for name, value, only in (
            ("questions", self.limits.questions, "in_order"),
            ("backlog", self.limits.backlog, "wait"),
        ):
            if value != only:
                raise ConfigError(
                    f"`limits.{name}` is {shown(value)}: expected {only!r} with `inputs`, whose messages belong "
                    "together."
                )
        settings = AssemblySettings(inputs=self.inputs, assembly=self.assembly, label=self.label, derive=self.derive)
        assembling.check(settings)
        return settings

    def payload_format(self) -> type[Format]:
        """Find the payload format that ``topics.format`` names.

        Raises:
            ConfigError: If there is none of this name, or it cannot be imported.
        """
        return FORMATS.find(self.topics.format, "topics.format")

    def describe_learner(self) -> dict[str, Any]:
        """Type and all parameters of the learner, the defaults included."""
        return describe(self.build_learner())

    def engine_settings(self) -> EngineSettings:
        """Everything that decides what the engine does with a message, apart from the learner.

        A key that does so belongs here: the state keeps it with the position of the first message that it holds for.

        Raises:
            ConfigError: If a key of ``[drift]`` is wrong.
        """
        limits, drift, assembly = self.limits, self.drift, self.assembly_settings()
        watch = DriftSettings(detector=describe(drift.build_detector()), inputs_max=drift.inputs_max)
        return EngineSettings(
            format=self.topics.format,
            dedup_window=limits.dedup_window,
            id_scope=limits.id_scope,
            reused_ids=limits.reused_ids,
            redelivery_window=limits.redelivery_window,
            payload_bytes_max=limits.payload_bytes_max,
            events_per_message_max=limits.events_per_message_max,
            quarantine=limits.quarantine,
            interval=self.predictions.interval,
            drift=watch if drift.enabled else None,
            assembly=assembly,
            recommend=None if self.recommend is None else self.recommend.settings(self.device),
        )

    def build_engine(self, settings: EngineSettings | None = None) -> Engine:
        """Build an engine with the learner, which has learned nothing.

        Args:
            settings: Settings instead of the configured ones.
        """
        return Engine(self.build_learner(), **(settings or self.engine_settings()).options())

    def _transport(self) -> tuple[type[TransportAdapter], msgspec.Struct]:
        """Transport that ``transport`` names, and its table ``[broker]``."""
        adapter = TRANSPORTS.find(self.transport, "transport")
        return adapter, convert(self.broker, adapter.Config, "broker")

    def build_transport(self) -> Transport:
        """Build the transport that ``transport`` names, configured by ``[broker]`` and not yet connected.

        Raises:
            ConfigError: If it cannot be imported, or a key of its table or a topic is wrong.
        """
        adapter, table = self._transport()
        # Requests that match a filter of the events would come twice.
        adapter.check_topics(device=self.device, events=self.event_topics(), outputs=self.own_topics())
        return adapter(
            table,
            device=self.device,
            topics=self.subscriptions(),
            status_topic=self.topic("status"),
            bytes_max=self.limits.payload_bytes_max,
        )

    def build_admin_client(self, purpose: str) -> AdminClient:
        """Build the client of an operating command, not yet connected.

        Args:
            purpose: A word that becomes part of the client's name.

        Raises:
            ConfigError: If the transport cannot be imported, or a key of its table is wrong.
        """
        adapter, table = self._transport()
        return adapter.admin_client(table, device=self.device, purpose=purpose, bytes_max=self.limits.payload_bytes_max)

    def check_broker(self, *, publish: bool) -> Iterator[CheckResult]:
        """Check that the broker grants what the daemon needs.

        Args:
            publish: Send an empty message to each output, to see whether that is allowed.

        Yields:
            The result of each check.

        Raises:
            ConfigError: If the transport cannot be imported, or a key of its table is wrong.
        """
        adapter, table = self._transport()
        return adapter.check_broker(
            table,
            device=self.device,
            topics=self.subscriptions(),
            outputs=list(dict.fromkeys(chain.from_iterable(map(self._examples, self.output_topics().values())))),
            bytes_max=self.limits.payload_bytes_max,
            publish=publish,
        )

    def _examples(self, topic: str) -> Iterator[str]:
        """Topics that an output with fields has, with ``_`` for those of an event."""
        for mark in self.marks:
            fields = {**dict.fromkeys(TOPIC_FIELDS, "_"), **({} if mark is None else {"horizon_s": horizon_name(mark)})}
            example = topic
            for name, value in fields.items():
                example = example.replace(f"{{{name}}}", value)
            yield example

    def build_exporter(self) -> Exporter[Learner]:
        """Build the exporter that ``snapshots.exporter`` names.

        Raises:
            ConfigError: If there is none of this name, or it cannot be imported.
        """
        return EXPORTERS.find(self.snapshots.exporter, "snapshots.exporter")()
