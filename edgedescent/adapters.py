"""What stands at the edges, and how it is found: by name, through the entry points ``edgedescent.adapters``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar, Protocol

import msgspec

from edgedescent.errors import ConfigError
from edgedescent.learners import Learner
from edgedescent.suggest import did_you_mean

GROUP = "edgedescent.adapters"
_MARKS = {"transport": "acknowledge", "snapshots.exporter": "export"}
"""A method by which an adapter shows that it is what the configuration asks for at a path."""


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

    def close(self, timeout_s: float) -> None:
        """Say goodbye, send what is queued, and disconnect."""


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
    found = {point.name: point for point in entry_points(group=GROUP)}
    if name in found:
        try:
            adapter = found[name].load()
        except ImportError as error:
            raise ConfigError(
                f"`{path}` is {name!r}, which cannot be imported: {error}.",
                f"Install what it needs with: pip install 'edgedescent[{name}]'",
            ) from error
        if hasattr(adapter, _MARKS[path]):
            return adapter
    choices = sorted(other for other, point in found.items() if _is_usable(point, path))
    raise ConfigError(f"`{path}` is {name!r}: expected one of {', '.join(choices)}.", did_you_mean(name, choices))


def _is_usable(point: EntryPoint, path: str) -> bool:
    try:
        return hasattr(point.load(), _MARKS[path])
    except ImportError:
        # What cannot be imported here is no choice to offer.
        return False
