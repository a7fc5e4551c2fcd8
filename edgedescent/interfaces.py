"""Interfaces between the engine and its plug-ins: protocols, and the records that cross them.

The packages in `adapters/` implement them; `edgedescent.registry` finds the implementations by name.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Any, ClassVar, Literal, Protocol, Self, TypeVar, runtime_checkable

import msgspec

TOPIC_FIELDS = ("id", "key", "horizon_s")
"""Fields in braces in a topic of answers, which are not the same in all of them."""


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """One message from the broker, with what is needed to acknowledge it."""

    topic: str
    payload: bytes
    packet_id: int = 0
    qos: int = 0
    duplicate: bool = False
    generation: int = 0
    """Number of the connection it came over: packet ids mean nothing on another one."""
    subscriptions: tuple[int, ...] = ()
    """Identifiers of the subscriptions for which the broker sent it, where it tells them."""
    surplus: bool = False
    """True for a message that is not to be handled: acknowledged in its turn, neither journaled nor learned."""
    response_topic: str = ""
    """Topic to which the sender wants an answer, where the protocol has that (MQTT 5); empty if it names none."""
    correlation: bytes = b""
    """Data that the sender wants back with the answer."""

    def as_surplus(self) -> Self:
        """The same delivery, marked as surplus and without its payload, which is not needed and may be large."""
        return msgspec.structs.replace(self, payload=b"", surplus=True)


def still_valid(deliveries: Sequence[Delivery], generation: int) -> list[Delivery]:
    """Deliveries that can be acknowledged over a connection: the broker reuses the packet ids of earlier ones.

    Args:
        deliveries: Deliveries of any connection.
        generation: Number of the connection.

    Example:
        >>> older, newer = (Delivery("events", b"", packet_id=7, qos=1, generation=number) for number in (1, 2))
        >>> still_valid([older, newer], 2) == [newer]
        True
    """
    return [delivery for delivery in deliveries if delivery.generation == generation]


class Transport(Protocol):
    """Connection to a broker, driven by the daemon's one loop.

    It reconnects by itself: a lost connection is logged, never raised.
    """

    @property
    def connected(self) -> bool:
        """True while the broker accepts the connection."""

    @property
    def window(self) -> int | None:
        """Most messages that may be under way without an acknowledgement; None where there is no such limit."""

    @property
    def memory(self) -> str:
        """Record of the broker's session for a later process, as text that changes rarely.

        A change is saved before the next `poll`.
        """

    @property
    def counts(self) -> Mapping[str, int]:
        """Counters for the metrics, since the start of the process."""

    def resume(self, memory: str, last_packet_id: int | None, packet_ids: Sequence[int]) -> None:
        """Continue where an earlier process ended; called before the first `poll`.

        Args:
            memory: Its `memory`; "" in a new state.
            last_packet_id: Packet id up to which the broker had numbered the messages that it has saved, 0 if there is
                none; None if the last one has no packet id, or is not readable.
            packet_ids: Packet ids of the newest messages that it has saved, the oldest first, without those whose
                acknowledgements the broker is known to have.
        """

    def poll(self, timeout_s: float, *, take: bool = True) -> list[Delivery]:
        """Read and write what is due; return the messages that arrived, waiting at most `timeout_s` for the first.

        Args:
            timeout_s: Longest time to wait.
            take: False leaves messages with the broker and only keeps the connection alive.
        """

    def acknowledge(self, deliveries: Sequence[Delivery]) -> bool:
        """Acknowledge deliveries, so that the broker forgets them; those of an earlier connection are left out.

        Returns:
            True if none was left out.
        """

    @property
    def confirmed(self) -> int:
        """Number of the last call of `acknowledge`, from 1, that the broker is known to have handled; 0 for none.

        Of the calls before it, only those over the same connection have been.
        """

    def session(self, generation: int) -> int:
        """Number of the broker's session to which a connection belongs; a new session has a larger one."""

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, correlation: bytes = b"") -> bool:
        """Queue a message; False where there is no connection to send it over.

        Args:
            topic: The topic.
            payload: The content.
            retain: True for a message that the broker gives to later subscribers too.
            correlation: Data of the request that it answers; none where they are empty.
        """

    def publish_many(self, topic: str, payloads: Sequence[bytes]) -> int:
        """Send messages to one topic, in order; returns the number of those that were sent or queued, the first ones.

        Args:
            topic: The topic.
            payloads: Their contents.
        """

    def is_response_topic(self, topic: str) -> bool:
        """True if an answer can be published to a topic that a client names, and does not come back as an event."""

    def payload_bytes_max(self, topic: str) -> int:
        """Largest payload that the broker takes on a topic, as far as is known."""

    def close(self, timeout_s: float, *, if_quiet: bool = False) -> bool:
        """Send what is queued and disconnect; returns True once that is done.

        Args:
            timeout_s: Longest time that may take.
            if_quiet: Return False instead where something has arrived since the last poll, or what was published is
                still on its way.
        """


class _Publishes(Protocol):
    """Transport that publishes one message at a time."""

    def publish(self, topic: str, payload: bytes) -> bool:
        """Queue a message."""


class PlainTransport:
    """Base class of transports to something that keeps no session and has no limits."""

    memory = ""
    counts: Mapping[str, int] = MappingProxyType({})
    confirmed = 0

    def publish_many(self: _Publishes, topic: str, payloads: Sequence[bytes]) -> int:
        """Queue one message after the other; returns the number of those that were queued."""
        for n, payload in enumerate(payloads):
            if not self.publish(topic, payload):
                return n
        return len(payloads)

    def resume(self, memory: str, last_packet_id: int | None, packet_ids: Sequence[int]) -> None:
        """There is nothing to continue."""

    def session(self, generation: int) -> int:  # noqa: ARG002
        """There is only one."""
        return 0

    def payload_bytes_max(self, topic: str) -> int:  # noqa: ARG002
        """There is no limit."""
        return sys.maxsize

    def is_response_topic(self, topic: str) -> bool:
        """Every name is a topic."""
        return bool(topic)


class Reply(Protocol):
    """Reason code with which a broker answers a request; as a string, its reason."""

    @property
    def is_failure(self) -> bool:
        """True where the broker refuses."""


class AdminClient(Protocol):
    """Short connection of an operating command: it keeps no session, and the daemon's goes on undisturbed.

    Use it in a `with` block. Every method raises TransportError once the broker is gone.
    """

    def __init__(self, config: Any, *, device: str, purpose: str, bytes_max: int) -> None:
        """Prepare to connect, under a name of its own that holds `purpose`."""

    def __enter__(self) -> Self:
        """Connect."""

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect, and leave nothing behind."""

    def subscribe(self, filters: Sequence[str]) -> Mapping[str, Reply]:
        """Subscribe to what is published from now on; returns the broker's reply by filter."""

    def unsubscribe(self, filters: Sequence[str]) -> None:
        """End subscriptions; what was under way may still come."""

    def poll(self, timeout_s: float) -> list[Delivery]:
        """Messages that arrived, waiting at most `timeout_s` for the first."""

    def publish_all(self, messages: Sequence[tuple[str, bytes]], on_progress: Callable[[int], None]) -> Sequence[Reply]:
        """Send topics and payloads in order; returns the broker's reply to each.

        Args:
            messages: Topics and payloads.
            on_progress: Called with the number of replies so far.
        """


class SupportsAdmin(Protocol):
    """Access to the broker for the operating commands, beside the daemon's connection."""

    @staticmethod
    def admin_client(config: Any, *, device: str, purpose: str, bytes_max: int) -> AdminClient:
        """Make a client that the operating commands connect with, for a purpose that becomes part of its name."""

    @staticmethod
    def check_broker(
        config: Any, *, device: str, topics: Sequence[str], outputs: Sequence[str], bytes_max: int, publish: bool
    ) -> Iterator[CheckResult]:
        """Check that the broker grants what the daemon needs; `publish` sends an empty message to each output."""


class TransportAdapter(Transport, SupportsAdmin, Protocol):
    """Transport that a configuration can name, as its package offers it."""

    Config: ClassVar[type[msgspec.Struct]]
    """Type of its configuration table."""

    def __init__(self, config: Any, *, device: str, topics: Sequence[str], status_topic: str, bytes_max: int) -> None:
        """Prepare to subscribe to `topics`; connects at the first poll."""

    @staticmethod
    def check_topics(*, device: str, events: Sequence[str], outputs: Mapping[str, str]) -> None:
        """Check the topics of a configuration by the rules of the protocol.

        Args:
            device: Name of the device, which stands as one level in the default topics.
            events: Topics or filters to subscribe to, as in ``topics.events``.
            outputs: Topics to publish to, by their key in ``[topics]``. ``{id}`` and ``{key}`` stand for any text
                within a level.

        Raises:
            ConfigError: If one cannot be used, or an output would come back as an event; names the key.
        """


LearnerT_contra = TypeVar("LearnerT_contra", contravariant=True)


@runtime_checkable
class FollowsLabels(Protocol):
    """Learner whose predictions depend on the latest labels, beside what it has learned from them."""

    def with_labels(self, labels: Sequence[float]) -> Self:
        """Return a copy that has seen further labels, oldest first, and learned nothing from them."""


class Exporter(Protocol[LearnerT_contra]):
    """Writer of learners as files that other runtimes can serve; serves such files to prove that they agree."""

    suffix: ClassVar[str]
    """File name extension, with its dot."""

    def export(self, learner: LearnerT_contra, metadata: Mapping[str, str]) -> bytes:
        """Content of the file, having passed the format's own checker.

        Raises:
            ExportError: If the learner has no such form.
        """

    def predict(
        self, model: bytes, events: Sequence[Mapping[str, object]], labels: Sequence[float] = ()
    ) -> list[float]:
        """Predictions of the file for raw events, ``{"x": …}`` or ``{"user": …, "item": …}``.

        `labels`, oldest first, came after those that the learner has learned. They are given only for the file of a
        learner that is one of `FollowsLabels`.
        """

    def describe(self, learner: LearnerT_contra) -> dict[str, object]:
        """Part of the model card about the file: its inputs, their order, names and types."""


@runtime_checkable
class ServesLists(Protocol):
    """Exporter whose files recommend items too."""

    def recommend(
        self,
        model: bytes,
        users: Sequence[str | int],
        k: int = 10,
        exclude: Sequence[str | int] = (),
        *,
        exclude_seen: bool = False,
    ) -> list[list[str]]:
        """Best items of each user by the file, the best first."""


@runtime_checkable
class NeedsPackages(Protocol):
    """Exporter that works only where further packages are installed, which `edgedescent check` tells of."""

    def missing_packages(self) -> list[str]:
        """Packages that are needed and not installed."""


class CheckResult(msgspec.Struct, frozen=True):
    """Outcome of one check, as `edgedescent check` prints it.

    Example:
        >>> print(CheckResult("warning", "disk", "20 MB are free.", "Make room."))
        warning  disk: 20 MB are free. Hint: Make room.
    """

    level: Literal["ok", "warning", "error"]
    subject: str
    """Subject of the check in a word or two."""
    message: str
    hint: str = ""

    def __str__(self) -> str:
        hint = f" Hint: {self.hint}" if self.hint else ""
        return f"{self.level:8} {self.subject}: {self.message}{hint}"


def ok(subject: str, message: str, hint: str = "") -> CheckResult:
    """Result of a check that found everything as it should be."""
    return CheckResult("ok", subject, message, hint)


def warning(subject: str, message: str, hint: str = "") -> CheckResult:
    """Result of a check that found something that works, but not as well or as safely as it could."""
    return CheckResult("warning", subject, message, hint)


def error(subject: str, message: str, hint: str = "") -> CheckResult:
    """Result of a check that found something with which the daemon would not work."""
    return CheckResult("error", subject, message, hint)
