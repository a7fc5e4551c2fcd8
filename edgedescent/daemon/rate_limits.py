"""Rate limits on what is received, by source and over all, before a message gets a position in the journal.

A message beyond a limit costs neither disk nor learning: it is acknowledged, counted and forgotten.
"""

from __future__ import annotations

import logging
import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from hashlib import blake2b

from edgedescent.config import Limits
from edgedescent.interfaces import Delivery

log = logging.getLogger(__name__)

SOURCES_MAX = 1024
"""Number of sources that have a bucket of their own. Further ones share one, so that changing topics is of no use."""
FORGOTTEN_AFTER_S = 3600.0
"""Time without a message after which a source gives its bucket to a new one."""
DIGEST_BYTES = 32
"""Length from which on topics are told apart by a digest of that size."""
WARNED_EVERY_S = 60.0
"""Time between two warnings about one source."""


class TokenBucket:
    """Token bucket that holds the tokens of one second (the burst of RFC 2697), and may be overdrawn.

    Args:
        per_second: Tokens per second; infinite for no limit.
        now_s: The current time in seconds.
    """

    __slots__ = ("_at_s", "_burst", "_left", "_per_second")

    def __init__(self, per_second: float, now_s: float) -> None:
        self._per_second = per_second
        self._burst = self._left = max(per_second, 1.0)
        self._at_s = now_s

    def has_token(self, now_s: float) -> bool:
        """True if a whole token is there."""
        if now_s > self._at_s and self._left < self._burst:
            self._left = min(self._burst, self._left + (now_s - self._at_s) * self._per_second)
        self._at_s = now_s
        return self._left >= 1.0

    def take(self, count: int) -> None:
        """Take tokens, more than are there if need be."""
        self._left -= count


class _Source:
    """Buckets of one source, or of all together."""

    __slots__ = ("bytes", "events", "seen_s", "warned_s")

    def __init__(self, events_per_second: float | None, bytes_per_second: float | None, now_s: float) -> None:
        self.events = TokenBucket(events_per_second or math.inf, now_s)
        self.bytes = TokenBucket(bytes_per_second or math.inf, now_s)
        self.seen_s = now_s
        self.warned_s = -math.inf

    def has_tokens(self, now_s: float) -> bool:
        return self.events.has_token(now_s) and self.bytes.has_token(now_s)

    def take(self, n_events: int, n_bytes: int) -> None:
        self.events.take(n_events)
        self.bytes.take(n_bytes)


class RateLimits:
    """Rate limits of the sources, which are topics, and of all together.

    A message is admitted if there is a token for it in each bucket. It then costs as many as it has events and bytes,
    so that a large one may use up those of the seconds to come.

    Args:
        limits: The limits.
        count_events: Counts the events of a payload, without decoding it.

    Attributes:
        counts: Number of events and bytes that were not admitted, since the start.

    Example:
        >>> limits = RateLimits(Limits(events_per_second_max=2), lambda payload: 1)
        >>> event = Delivery("pump", b"1", packet_id=7, qos=1)
        >>> [one.surplus for at_s in (0.0, 0.0, 0.0, 0.5) for one in limits.screen([event], at_s)]
        [False, False, True, False]
        >>> limits.counts["rate_limited"]
        1
    """

    def __init__(self, limits: Limits, count_events: Callable[[bytes], int]) -> None:
        self._limits = limits
        self._count_events = count_events
        self._sources: OrderedDict[bytes, _Source] = OrderedDict()
        """Sources that have buckets of their own by the digest of their topic, those silent for longest first."""
        self._others: _Source | None = None
        self._all: _Source | None = None
        self.counts = Counter(rate_limited=0, rate_limited_bytes=0)
        self._is_limited = any(
            each is not None
            for each in (
                limits.events_per_second_max,
                limits.bytes_per_second_max,
                limits.total_events_per_second_max,
                limits.total_bytes_per_second_max,
            )
        )

    def screen(self, deliveries: Sequence[Delivery], now_s: float) -> Sequence[Delivery]:
        """Mark the deliveries that are not admitted as surplus, without their payload: they are only acknowledged.

        Args:
            deliveries: Deliveries of one poll.
            now_s: Time of their receipt, in seconds since 1970.
        """
        if not self._is_limited:
            return deliveries
        return [self._screened(one, now_s) for one in deliveries]

    def _screened(self, delivery: Delivery, now_s: float) -> Delivery:
        if delivery.surplus:
            return delivery
        limits, topic, size = self._limits, delivery.topic, len(delivery.payload)
        if self._all is None:
            self._all = _Source(limits.total_events_per_second_max, limits.total_bytes_per_second_max, now_s)
        source = self._source_of(topic, now_s)
        n_events = self._count_events(delivery.payload)
        if not source.has_tokens(now_s):
            self._warn(source, f"Messages on {topic!r} come", now_s)
        elif not self._all.has_tokens(now_s):
            self._warn(self._all, f"Messages on all topics together come, such as on {topic!r},", now_s)
        else:
            source.take(n_events, size)
            self._all.take(n_events, size)
            return delivery
        self.counts["rate_limited"] += n_events
        self.counts["rate_limited_bytes"] += size
        return delivery.as_surplus()

    @staticmethod
    def _warn(source: _Source, what: str, now_s: float) -> None:
        if now_s - source.warned_s >= WARNED_EVERY_S:
            source.warned_s = now_s
            log.warning(
                "%s faster than `[limits]` allows: those beyond are not learned, and counted as `rate_limited`.", what
            )

    def _source_of(self, topic: str, now_s: float) -> _Source:
        # A topic may have 64 KiB, and a thousand of them are kept.
        key = (
            topic.encode() if len(topic) < DIGEST_BYTES else blake2b(topic.encode(), digest_size=DIGEST_BYTES).digest()
        )
        source = self._sources.get(key)
        if source is None:
            if len(self._sources) >= SOURCES_MAX and not self._forget_silent(now_s):
                return self._shared(now_s)
            source = self._sources[key] = self._new(now_s)
        else:
            self._sources.move_to_end(key)
        source.seen_s = now_s
        return source

    def _forget_silent(self, now_s: float) -> bool:
        """Forget the source that was silent for longest, if it was for long enough; returns False if not."""
        key, source = next(iter(self._sources.items()))
        if now_s - source.seen_s < FORGOTTEN_AFTER_S:
            return False
        del self._sources[key]
        return True

    def _shared(self, now_s: float) -> _Source:
        if self._others is None:
            self._others = self._new(now_s)
            log.warning(
                "More than %d topics have sent something: further ones share the limits of one topic.", SOURCES_MAX
            )
        return self._others

    def _new(self, now_s: float) -> _Source:
        return _Source(self._limits.events_per_second_max, self._limits.bytes_per_second_max, now_s)
