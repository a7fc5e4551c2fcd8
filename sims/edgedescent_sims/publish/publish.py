"""A source to a broker: batches, pace and progress. `edgedescent replay` and the demo call this."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

import msgspec

from edgedescent.errors import ConfigError
from edgedescent.validation import require_count, require_number
from edgedescent_sims.publish.connection import Connection
from edgedescent_sims.publish.publisher import Publisher, StopPublishing
from edgedescent_sims.sources import Event, Notify, Source, ignore

DEFAULT_TOPIC = "edgedescent/edge/events"

_PROGRESS_S = 0.1
_BURST_S = 0.5


@dataclass(frozen=True)
class PublishReport:
    """What became of a replay; an event counts as sent once the broker has acknowledged it (QoS 1)."""

    events_sent: int
    messages_sent: int
    seconds: float
    events_per_second: float
    rows_skipped: int
    cells_left_out: int
    messages_unheard: int
    reconnects: int
    interrupted: bool


def publish(
    source: Source,
    to: str | Connection,
    *,
    topic: str | None = None,
    rate: float | None = None,
    limit: int | None = None,
    skip: int = 0,
    batch: int = 1,
    qos: int = 1,
    window: int = 200,
    connect_timeout_s: float = 30.0,
    ack_timeout_s: float = 60.0,
    notify: Notify = ignore,
    on_progress: Callable[[int], None] = lambda _events: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> PublishReport:
    """Publish the events of a source over MQTT and wait until the broker has acknowledged them all.

    Args:
        source: What to send; see `edgedescent_sims.sources.open_source`.
        to: The broker, as `mqtt://[user@]host[:port]` or with more detail as a `Connection`.
        topic: The topic to publish to; what was recorded goes to its own topics where this is None.
        rate: Events per second; as fast as it goes if None.
        limit: The most events to send; all if None.
        skip: How many events to pass over at the start.
        batch: Events per message; more than one go out as a JSON array.
        qos: 0 (may lose events) or 1 (each arrives at least once).
        window: The most messages on the way at a time.
        connect_timeout_s: How long a missing broker is waited for, at the start and after each loss.
        ack_timeout_s: How long to wait for the next acknowledgement before giving up.
        notify: Called with one line for each thing worth telling a person.
        on_progress: Called with the number of events sent so far, at most ten times a second, and at the end.
        should_stop: Asked often; once it returns True the replay ends early, and the report says so.

    Raises:
        ConfigError: The source or the topic cannot be used.
        TransportError: The broker is missing for too long, or refuses.
        ValueError: A number is out of range.

    >>> from edgedescent_sims.sources import open_source
    >>> publish(open_source("ChickWeights"), "mqtt://localhost", rate=100)  # doctest: +SKIP
    """
    recorded = source.kind == "recorded"
    topic_or_default = DEFAULT_TOPIC if topic is None else topic
    if recorded and batch > 1:
        raise ConfigError("What was recorded is sent message by message.", hint="Leave out the batch.")
    _validate(
        topic=topic_or_default,
        rate=rate,
        limit=limit,
        skip=skip,
        batch=batch,
        qos=qos,
        window=window,
        connect_timeout_s=connect_timeout_s,
        ack_timeout_s=ack_timeout_s,
    )
    connection = Connection.from_url(to) if isinstance(to, str) else to
    events = islice(source.events(), skip, None if limit is None else skip + limit)
    # Drawn before connecting, so that a fault in the source shows before any wait for the broker.
    first = list(islice(events, 1))
    publisher = Publisher(
        connection,
        topic_or_default,
        qos=qos,
        window=window,
        connect_timeout_s=connect_timeout_s,
        ack_timeout_s=ack_timeout_s,
        notify=notify,
        should_stop=should_stop,
    )
    encode = msgspec.json.Encoder().encode
    started = time.monotonic()
    interrupted = False
    try:
        with publisher:
            started = time.monotonic()
            pace, progress = _Pace(rate), _Progress(on_progress)
            try:
                for group in _groups(chain(first, events), batch):
                    while (delay_s := pace.delay_s()) > 0:
                        publisher.pump(min(delay_s, _PROGRESS_S))
                        progress.tell(publisher.events_acked)
                    if recorded:
                        publisher.send(group[0]["payload"], topic=topic or group[0]["topic"])
                    else:
                        publisher.send(encode(group if batch > 1 else group[0]), len(group))
                    pace.count(len(group))
                    progress.tell(publisher.events_acked)
                publisher.drain()
            except StopPublishing:
                interrupted = True
                publisher.drain_briefly()
    except StopPublishing:
        interrupted = True  # The caller stopped while the first connection was awaited.
    seconds = time.monotonic() - started
    on_progress(publisher.events_acked)
    return PublishReport(
        events_sent=publisher.events_acked,
        messages_sent=publisher.messages_acked,
        seconds=seconds,
        events_per_second=publisher.events_acked / seconds if seconds > 0 else 0.0,
        rows_skipped=source.omissions.rows,
        cells_left_out=source.omissions.cells,
        messages_unheard=publisher.messages_unheard,
        reconnects=publisher.reconnects,
        interrupted=interrupted,
    )


class _Pace:
    """Says how long to wait so that events go out at a set rate, without a burst after a stall."""

    def __init__(self, rate: float | None) -> None:
        self._interval_s = 0.0 if rate is None else 1.0 / rate
        self._due = time.monotonic()

    def delay_s(self) -> float:
        return 0.0 if self._interval_s == 0.0 else self._due - time.monotonic()

    def count(self, events: int) -> None:
        if self._interval_s:
            self._due = max(self._due + events * self._interval_s, time.monotonic() - _BURST_S)


class _Progress:
    """Passes the count on, but not so often that telling it costs more than sending."""

    def __init__(self, on_progress: Callable[[int], None]) -> None:
        self._on_progress = on_progress
        self._next = 0.0

    def tell(self, events: int) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _PROGRESS_S
            self._on_progress(events)


def _groups(events: Iterator[Event], size: int) -> Iterator[list[Event]]:
    while group := list(islice(events, size)):
        yield group


def _validate(
    *,
    topic: str,
    rate: float | None,
    limit: int | None,
    skip: int,
    batch: int,
    qos: int,
    window: int,
    connect_timeout_s: float,
    ack_timeout_s: float,
) -> None:
    if not topic or any(sign in topic for sign in "+#\0") or len(topic.encode()) > 65535:
        raise ConfigError(f"{topic!r} is not a topic that can be published to.", hint="Leave out the signs + and #.")
    if rate is not None:
        require_number("publish", "rate", rate, above=0)
    if limit is not None:
        require_count("publish", "limit", limit, at_least=1)
    require_count("publish", "skip", skip)
    require_count("publish", "batch", batch, at_least=1)
    require_count("publish", "qos", qos, at_most=1)
    require_count("publish", "window", window, at_least=1, at_most=10_000)
    require_number("publish", "connect_timeout_s", connect_timeout_s, at_least=0)
    require_number("publish", "ack_timeout_s", ack_timeout_s, above=0)
