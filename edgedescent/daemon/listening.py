"""A short look at what arrives: how many messages of the configured topics are events, and why others are not."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator

from edgedescent.config import Config
from edgedescent.formats import Format
from edgedescent.interfaces import AdminClient, CheckResult, Delivery, error, ok, warning

_POLL_S = 0.2
_REASONS_MAX = 3


def listen(config: Config, seconds: float, now: Callable[[], float] = time.monotonic) -> Iterator[CheckResult]:
    """Subscribe to the topics of the events for a while, beside the daemon, and say what came.

    Args:
        config: The configuration.
        seconds: How long to listen.
        now: Clock.

    Yields:
        The results.

    Raises:
        TransportError: If the broker is lost.
    """
    learner = config.build_learner()
    read = config.payload_format()(
        learner.input_kind,
        payload_bytes_max=config.limits.payload_bytes_max,
        events_per_message_max=config.limits.events_per_message_max,
        decimal_comma=learner.decimal_comma,
    )
    topics = config.event_topics()
    with config.build_admin_client("listen") as client:
        replies = client.subscribe(topics)
        refused = [topic for topic, reply in replies.items() if reply.is_failure]
        if refused:
            yield error("messages", f"The broker refuses the subscription to {', '.join(refused)}.")
            return
        yield _told(read, topics, list(_deliveries(client, now() + seconds, now)), seconds)


def _deliveries(client: AdminClient, until: float, now: Callable[[], float]) -> Iterator[Delivery]:
    while (left := until - now()) > 0.0:
        yield from client.poll(min(left, _POLL_S))


def _told(read: Format, topics: list[str], deliveries: list[Delivery], seconds: float) -> CheckResult:
    if not deliveries:
        where = ", ".join(topics)
        hint = "Is the sensor on, and does it publish to this topic? `mosquitto_sub -v -t '#'` shows all messages."
        return warning("messages", f"None came in {seconds:g} s on {where}.", hint)
    n_events = n_labelled = n_rejected = 0
    reasons: Counter[str] = Counter()
    for delivery in deliveries:
        for piece in read.read(delivery.payload):
            n_events += len(piece.events)
            n_labelled += sum(event.y is not None for _, event in piece.events)
            n_rejected += len(piece.rejected)
            reasons.update(f"{bad.error.reason}: {bad.error}" for bad in piece.rejected)
    text = f"{len(deliveries):,} came in {seconds:g} s, with {n_events:,} events, {n_labelled:,} of them with a label."
    if not n_rejected:
        return ok("messages", text)
    why = "; ".join(f"{count:,} times {reason}" for reason, count in reasons.most_common(_REASONS_MAX))
    return warning("messages", f"{text} {n_rejected:,} are no events: {why}", "They would become dead letters.")
