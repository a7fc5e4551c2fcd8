"""What stands at the edges, and how it is found: by name, through the entry points ``edgedescent.adapters``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from types import TracebackType
from typing import Any, ClassVar, Protocol, Self

import msgspec

from edgedescent.errors import ConfigError
from edgedescent.findings import CheckResult
from edgedescent.learners import Learner
from edgedescent.suggest import did_you_mean

GROUP = "edgedescent.adapters"
"""Each entry point is named after the kind of adapter and itself: ``transport.mqtt``, ``exporter.onnx``."""


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """One message from the broker, with what is needed to acknowledge it."""

    topic: str
    payload: bytes
    packet_id: int = 0
    qos: int = 0
    duplicate: bool = False
    generation: int = 0
    """Which connection it came over: packet ids mean nothing on another."""


def still_valid(deliveries: Sequence[Delivery], generation: int) -> list[Delivery]:
    """Those that can be acknowledged over a connection: the broker uses the packet ids of earlier ones again.

    >>> still_valid([Delivery("events", b"1", 7, 1, generation=1), Delivery("events", b"2", 7, 1, generation=2)], 2)
    [Delivery(topic='events', payload=b'2', packet_id=7, qos=1, duplicate=False, generation=2)]
    """
    return [delivery for delivery in deliveries if delivery.generation == generation]


class AdminClient(Protocol):
    """A short connection of an operating command: it keeps no session, and the daemon's goes on undisturbed.

    Use it in a `with` block. Everything raises TransportError once the broker is gone.
    """

    def __init__(self, config: Any, *, device: str, purpose: str, bytes_max: int) -> None:
        """Prepare to connect, under a name of its own that holds `purpose`."""

    def __enter__(self) -> Self:
        """Connect."""

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect, and leave nothing behind."""

    def subscribe(self, filters: Sequence[str]) -> Mapping[str, Answer]:
        """Ask for what is published from now on; returns the broker's answer by filter."""

    def poll(self, timeout_s: float) -> list[Delivery]:
        """The messages that arrived, waiting at most `timeout_s` for the first."""

    def publish_all(self, messages: Sequence[tuple[str, bytes]], told: Callable[[int], None]) -> Sequence[Answer]:
        """Send topics and payloads in order; returns the broker's answer to each."""


class Answer(Protocol):
    """What the broker says to a request; as a string, its reason."""

    @property
    def is_failure(self) -> bool:
        """Whether it refuses."""


class SupportsAdmin(Protocol):
    """What a transport offers to the operating commands."""

    Config: ClassVar[type[msgspec.Struct]]
    """The type of its configuration table."""
    visitor: ClassVar[type[AdminClient]]
    """What the operating commands connect with."""

    @staticmethod
    def probe(
        config: Any, *, device: str, topics: Sequence[str], outputs: Sequence[str], bytes_max: int, publish: bool
    ) -> Iterator[CheckResult]:
        """Look whether the broker grants what the daemon needs; `publish` sends an empty message to each output."""


class Transport(Protocol):
    """A connection to a broker, driven by the daemon's one loop.

    It reconnects by itself: a lost connection is logged, never raised.
    """

    Config: ClassVar[type[msgspec.Struct]]
    """The type of its configuration table."""

    def __init__(self, config: Any, *, device: str, topics: Sequence[str], status_topic: str, bytes_max: int) -> None:
        """Prepare to subscribe to `topics`; connects at the first poll."""

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted the connection."""

    @property
    def window(self) -> int | None:
        """How many messages may be under way without being acknowledged; None where nothing waits for that."""

    def poll(self, timeout_s: float, *, take: bool = True) -> list[Delivery]:
        """Read and write what is due; return the messages that arrived, waiting at most `timeout_s` for the first.

        Args:
            timeout_s: how long to wait.
            take: whether to take messages; otherwise they are left to the broker, and only the connection is kept.
        """

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Tell the broker that it may forget these; those of an earlier connection are left out."""

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        """Queue a message; False where there is no connection to send it over."""

    def close(self, timeout_s: float, *, if_quiet: bool = False) -> bool:
        """Send what is queued, say goodbye, and disconnect; whether it did.

        Args:
            timeout_s: how long that may take.
            if_quiet: rather go on where something has arrived since the last poll, or what was published is on its way.
        """


class Exporter(Protocol):
    """Turns a learner into a file that other runtimes can serve, and serves it to prove that it agrees."""

    suffix: ClassVar[str]

    def export(self, learner: Learner, metadata: Mapping[str, str]) -> bytes:
        """The file's content, having passed the format's own checker.

        Raises:
            ExportError: if the learner has no such form.
        """

    def predict(self, model: bytes, events: Sequence[Mapping[str, object]]) -> list[float]:
        """What the file predicts for raw events, ``{"x": …}`` or ``{"user": …, "item": …}``."""

    def describe(self, learner: Learner) -> dict[str, object]:
        """What someone who serves the file must know: its inputs, their order, names and types."""


def load_adapter(name: str, path: str) -> Any:
    """The adapter class registered under `name`, which the configuration gave at `path`.

    Raises:
        ConfigError: if there is none, it is of another kind, or what it needs is not installed.
    """
    kind = path.rpartition(".")[2]
    # By their names, because importing them all would bring in River, for one.
    found = {point.name.removeprefix(f"{kind}."): point for point in _of_kind(kind)}
    if name not in found:
        raise ConfigError(
            f"`{path}` is {name!r}: expected one of {', '.join(sorted(found))}.", did_you_mean(name, found)
        )
    try:
        return found[name].load()
    except ImportError as error:
        raise ConfigError(
            f"`{path}` is {name!r}, which cannot be imported: {error}.",
            f"Install what it needs with: pip install 'edgedescent[{name}]'",
        ) from error


def _of_kind(kind: str) -> list[EntryPoint]:
    return [point for point in entry_points(group=GROUP) if point.name.startswith(f"{kind}.")]
