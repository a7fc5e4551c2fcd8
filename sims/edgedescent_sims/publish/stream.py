"""Publishing a source to a broker: batches, pace and progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

import msgspec

from edgedescent.errors import ConfigError
from edgedescent.validation import require_count, require_number
from edgedescent_mqtt.client import Connection
from edgedescent_mqtt.topics import require_topic
from edgedescent_sims.publish.publisher import Publisher, StopPublishing
from edgedescent_sims.sources.base import Notify, Source, ignore
from edgedescent_sims.sources.batch import Event
from edgedescent_sims.sources.journal import JournalSource

DEFAULT_TOPIC = "edgedescent/edge/events"

_PROGRESS_S = 0.1
_BURST_S = 0.5


@dataclass(frozen=True)
class PublishReport:
    """Outcome of publishing a source; an event counts as sent once the broker has acknowledged it (QoS 1)."""

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
    id_prefix: str | None = None,
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

    Of a journal, the messages are published as they were received, byte by byte.

    Args:
        source: The events; see `edgedescent_sims.sources.open_source`.
        to: The broker, as `mqtt://[user@]host[:port]` or with more detail as a `Connection`.
        topic: Topic to publish to; recorded messages go to their own topics if it is None.
        id_prefix: Text before the number in the event ids; the source's name and a dash if None.
        rate: Events per second; unlimited if None.
        limit: Most events to send; all if None.
        skip: Number of events to leave out at the start.
        batch: Events per message; more than one go out as a JSON array.
        qos: 0 (may lose events) or 1 (each arrives at least once).
        window: Most messages that may be unacknowledged at a time.
        connect_timeout_s: Longest wait for a missing broker, at the start and after each loss of the connection.
        ack_timeout_s: Longest wait for the next acknowledgement.
        notify: Called with one line for each notice to the user.
        on_progress: Called with the number of events sent so far, at most ten times a second, and at the end.
        should_stop: Asked often; once it returns True, publishing ends early, and the report says so.

    Raises:
        ConfigError: If the source or the topic cannot be used.
        TransportError: If the broker is missing for too long, or refuses.
        ValueError: If a number is out of range.

    >>> from edgedescent_sims.sources import open_source
    >>> publish(open_source("ChickWeights"), "mqtt://localhost", rate=100)  # doctest: +SKIP
    """
    topic_or_default = require_topic(DEFAULT_TOPIC if topic is None else topic, "topic")
    if isinstance(source, JournalSource) and (batch > 1 or id_prefix is not None):
        raise ConfigError("Recorded messages are sent as they are.", hint="Leave out the batch and the prefix of ids.")
    _validate(rate, limit, skip, batch, qos, window, connect_timeout_s, ack_timeout_s)
    connection = Connection.from_url(to) if isinstance(to, str) else to
    messages = _messages(source, topic, id_prefix, batch, slice(skip, None if limit is None else skip + limit))
    # Read before connecting, so that a fault in the source shows before any wait for the broker.
    first = list(islice(messages, 1))
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
    started = time.monotonic()
    interrupted = False
    try:
        with publisher:
            started = time.monotonic()
            try:
                _send_all(publisher, chain(first, messages), _Pace(rate), _Progress(on_progress))
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
        rows_skipped=source.skipped_rows.rows,
        cells_left_out=source.skipped_rows.cells,
        messages_unheard=publisher.messages_unheard,
        reconnects=publisher.reconnects,
        interrupted=interrupted,
    )


_Message = tuple[bytes, int, str | None]
"""Payload, number of events in it, and the topic if it is not the publisher's."""


def _messages(source: Source, topic: str | None, id_prefix: str | None, batch: int, part: slice) -> Iterator[_Message]:
    if isinstance(source, JournalSource):
        recorded = islice(source.messages(), part.start, part.stop)
        # A tick was not published.
        return ((message.payload, 1, topic or message.topic) for message in recorded if message.topic)
    return _encoded(islice(source.events(id_prefix), part.start, part.stop), batch)


def _encoded(events: Iterator[Event], batch: int) -> Iterator[_Message]:
    encode = msgspec.json.Encoder().encode
    while group := list(islice(events, batch)):
        yield encode(group if batch > 1 else group[0]), len(group), None


def _send_all(publisher: Publisher, messages: Iterator[_Message], pace: _Pace, progress: _Progress) -> None:
    for payload, events, topic in messages:
        while (delay_s := pace.delay_s()) > 0:
            publisher.pump(min(delay_s, _PROGRESS_S))
            progress.report(publisher.events_acked)
        publisher.send(payload, events, topic)
        pace.count(events)
        progress.report(publisher.events_acked)
    publisher.drain()


class _Pace:
    """Delays that send events at a set rate, without a burst after a stall."""

    def __init__(self, rate: float | None) -> None:
        self._interval_s = 0.0 if rate is None else 1.0 / rate
        self._due = time.monotonic()

    def delay_s(self) -> float:
        return 0.0 if self._interval_s == 0.0 else self._due - time.monotonic()

    def count(self, events: int) -> None:
        if self._interval_s:
            self._due = max(self._due + events * self._interval_s, time.monotonic() - _BURST_S)


class _Progress:
    """Progress reports at most ten times a second, because one costs more than sending an event."""

    def __init__(self, on_progress: Callable[[int], None]) -> None:
        self._on_progress = on_progress
        self._next = 0.0

    def report(self, events: int) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _PROGRESS_S
            self._on_progress(events)


def _validate(
    rate: float | None,
    limit: int | None,
    skip: int,
    batch: int,
    qos: int,
    window: int,
    connect_timeout_s: float,
    ack_timeout_s: float,
) -> None:
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
