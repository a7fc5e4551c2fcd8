"""The whole configuration of a device, and what is built from it: learner, engine, transport, exporter."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import msgspec

from edgedescent import assembly as assembling
from edgedescent.assembly import AssemblySettings, AssemblySpec, InputSpec, LabelSpec
from edgedescent.config.building import build, convert
from edgedescent.config.recommend import Recommend
from edgedescent.config.tables import (
    OUTPUTS,
    Drift,
    HomeAssistant,
    Limits,
    Logs,
    Metrics,
    Predictions,
    Snapshots,
    State,
    Table,
    Topics,
)
from edgedescent.engine.core import Engine
from edgedescent.engine.head import horizon_name
from edgedescent.engine.settings import DriftSettings, EngineSettings
from edgedescent.errors import ConfigError, shown
from edgedescent.formats import FORMATS, Format
from edgedescent.interfaces import TOPIC_FIELDS, AdminClient, CheckResult, Exporter, Transport, TransportAdapter
from edgedescent.learners import Learner
from edgedescent.learners.description import describe
from edgedescent.registry import EXPORTERS, TRANSPORTS


class Config(Table, frozen=True):
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
