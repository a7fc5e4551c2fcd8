"""Receiving: from deliveries of the broker to messages with positions, and their learning in slices."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from typing import Any

from edgedescent.config import Config
from edgedescent.daemon.clock import Clock
from edgedescent.daemon.commit import Committer
from edgedescent.daemon.connections import Connections
from edgedescent.daemon.intake import Admission, Intake
from edgedescent.daemon.load import Delay, Load
from edgedescent.daemon.outputs import Outputs
from edgedescent.daemon.rate_limits import RateLimits
from edgedescent.daemon.shedding import Sample
from edgedescent.engine.core import Engine
from edgedescent.engine.messages import Message, tick
from edgedescent.engine.slicing import INTERVAL_S, Slicer
from edgedescent.interfaces import Delivery, Transport
from edgedescent.state.store import Store

log = logging.getLogger(__name__)

TICKS_PER_S = 1024
"""Resolution of the times of receipt. A float holds such times exactly, and the journal compresses them better."""
SETTLE_S = 0.25
"""Time without a message, beside that of a commit, after which the broker has sent what it kept meanwhile."""
BACKLOG_S = 60.0
"""Time after which it is taken to have sent that in any case."""
TIMED_BYTES_MAX = 65_536
"""Largest payload whose time is read: the time of a larger one would take too long to find."""


class Receiver:
    """Takes messages in, assigns positions to them, and learns them, for a short time in each turn of the loop.

    A message leaves the intake only when those before it are learned. From then on it belongs to the next commit,
    whether it is learned by then or not: recovery learns what is in the journal.

    Args:
        config: The configuration.
        transport: The connection.
        store: The state file.
        clock: The clock.
        engine: The recovered engine.
        committer: Takes the messages for the next commit.
        outputs: Carries out the effects.
        slicer: Runs the engine.
    """

    def __init__(
        self,
        config: Config,
        *,
        transport: Transport,
        store: Store,
        clock: Clock,
        engine: Engine,
        committer: Committer,
        outputs: Outputs,
        slicer: Slicer,
    ) -> None:
        self._config = config
        self._clock = clock
        self._engine = engine
        self._committer = committer
        self._outputs = outputs
        self._slicer = slicer
        self._transport = transport
        self._connections = Connections(transport, store)
        self._format = engine.format
        self._load = Load(clock.monotonic())
        self._delay = Delay()
        limits, state = config.limits, config.state
        self._in_order = limits.questions == "in_order"
        self._sample = Sample(self._is_question) if limits.backlog == "sample" else None
        self._rate_limits = RateLimits(limits, self._format.count_events)
        # Rules that drop a delivery before it gets a position belong here.
        admission: list[Admission] = [self._rate_limits.screen]
        self.intake = Intake(
            # All that the broker may send ahead: what confirms answers comes behind it.
            messages_max=max(state.commit_messages, (transport.window or 0) + 1),
            bytes_max=state.commit_bytes + limits.answers_bytes_max,
            # Copies for several subscriptions are recognized by what comes before them.
            is_urgent=None if self._in_order else lambda one: not one.subscriptions and self._is_question(one.payload),
            admission=admission,
        )
        self._messages: Iterator[Message] = iter(())
        """Messages with positions that were not begun."""
        self._last_position = engine.position
        """Position of the last message that left the intake."""
        self._arrived_at = 0.0
        """Time of its receipt, by the monotonic clock."""
        self._is_configured = False
        self._tick_at = 0.0
        """Time before which no further tick is made, by the monotonic clock."""
        self._backlog_until = 0.0
        """Time until which what arrives may have been kept by the broker, by the monotonic clock."""
        # The broker sends more once it has the acknowledgements.
        self._settle_s = state.commit_interval_s + SETTLE_S
        self._await_backlog(clock.monotonic())

    def _is_question(self, payload: bytes) -> bool:
        return self._format.is_question(payload)

    @property
    def waits(self) -> bool:
        """True if messages wait to be learned."""
        return self._is_behind or len(self.intake) > 0

    @property
    def can_learn(self) -> bool:
        """True if messages wait to be learned, and there is room for them in the next commit."""
        return self._is_behind or (len(self.intake) > 0 and self._committer.has_room)

    @property
    def saturated(self) -> bool:
        """True if more comes than the learner can bear."""
        return self._load.saturated

    def add(self, deliveries: Sequence[Delivery]) -> None:
        """Add the deliveries of one poll.

        Args:
            deliveries: The deliveries, in order; at least one.
        """
        received_at, now = self._time(), self._clock.monotonic()
        if now < self._backlog_until:
            self._tick_at = now + self._settle_s
        self._load.arrived(len(deliveries))
        self._connections.received(deliveries)
        self._committer.received(self.intake.add(deliveries, received_at, now))

    def learn(self) -> None:
        """Learn messages for a short time, if there are any and there is room for them."""
        began, before, position = self._clock.monotonic(), self._n_events, self._engine.position
        now = began
        while now - began < INTERVAL_S and (self._is_behind or self._next_portion()):
            finished = self._slicer.run(self._engine, self._messages, self._outputs.apply)
            now = self._clock.monotonic()
            # Single messages leave an intake in which some are urgent, else those of a poll.
            if not finished or self._in_order:
                break
        self._outputs.flush()
        self._load.add(events=self._n_events - before, messages=self._engine.position - position, busy_s=now - began)
        self._committer.note_learning(now - began)

    @property
    def _is_behind(self) -> bool:
        """True if messages with positions are not learned."""
        return self._last_position > self._engine.position

    @property
    def _n_events(self) -> int:
        counters = self._engine.counters
        return counters["events_learned"] + counters["events_predicted"]

    def _next_portion(self) -> bool:
        """Take deliveries out of the intake, as messages for the next commit; returns False if there is no message."""
        messages = self.assign()
        if messages:
            self._configure()
        if messages and self._config.metrics.time_field is not None:
            self._read_time(messages[0], self._config.metrics.time_field)
        self._messages = iter(messages)
        return bool(messages)

    def _configure(self) -> None:
        """Give the engine the configured settings, with the first new message.

        Not earlier: the state behind the last message must be the same whatever is configured now.
        """
        if not self._is_configured:
            self._engine.configure(**self._config.engine_settings().options())
            self._format = self._engine.format
            self._is_configured = True

    def tick(self) -> None:
        """Make a tick if the assembler waits for one: a message without content that joins the next commit.

        While messages wait, these bring the time. While the broker is away, it keeps messages, to which a tick would be
        the future.
        """
        assembling, now = self._engine.assembling, self._clock.monotonic()
        if assembling is None:
            return
        if not self._transport.connected:
            self._await_backlog(now)
        if self.waits or now < self._tick_at or not self._committer.has_room:
            return
        if self._clock.time() < assembling.assembler.tick_due:
            return
        self._backlog_until = now
        # Each costs a commit.
        self._tick_at = now + self._config.state.commit_interval_s
        self._configure()
        self._last_position += 1
        message = tick(self._last_position, self._time())
        self._arrived_at = now
        self._committer.add_tick(message)
        self._messages = iter((message,))

    def _await_backlog(self, now: float) -> None:
        """Let what the broker has kept come before the next tick."""
        self._tick_at, self._backlog_until = now + self._settle_s, now + BACKLOG_S

    def _time(self) -> float:
        """Current time, in the resolution of the journal."""
        return math.floor(self._clock.time() * TICKS_PER_S) / TICKS_PER_S

    def assign(self) -> Sequence[Message]:
        """Take deliveries out of the intake, if there is room, and assign positions to their messages.

        These join the next commit.
        """
        if not (self.intake and self._committer.has_room):
            return ()
        received_at, self._arrived_at, deliveries, _ = self.intake.take()
        if self._sample is not None:
            deliveries = self._sample.mark(deliveries)
        first = self._last_position + 1
        messages = [
            Message(
                first + i,
                received_at,
                one.topic,
                one.payload,
                one.packet_id,
                one.duplicate,
                None,
                one.subscriptions,
                one.response_topic,
                one.correlation,
            )
            for i, one in enumerate([one for one in deliveries if not one.surplus])
        ]
        messages = self._connections.mark(messages, deliveries)
        self._last_position += len(messages)
        self._committer.add(messages, deliveries)
        return messages

    def assign_all(self) -> None:
        """Assign positions to all that was received, and commit what there is no room for, without learning it.

        After a write for which the disk was full, there is no room: the rest stays with the broker, unacknowledged.

        Raises:
            DiskFullError: If the disk is full.
        """
        while self.intake:
            if not self._committer.has_room:
                self._committer.commit()
                if not self._committer.has_room:
                    log.error("The disk was full: the last %d messages stay with the broker.", len(self.intake))
                    return
            self.assign()

    # --- How far behind -------------------------------------------------------------------------------------------

    def _read_time(self, message: Message, field: str) -> None:
        now = self._clock.monotonic()
        if self._delay.is_due(now) and len(message.payload) <= TIMED_BYTES_MAX:
            self._delay.read(self._format.sent_at(message.payload, field), self._clock.time(), now)

    def update(self, now: float) -> None:
        """Update the load, and adapt to it, if it is time to.

        Args:
            now: Time of the monotonic clock.
        """
        if self._load.update(now) and self._sample is not None:
            self._sample.update(self._load, self._waiting_s(now))

    def _waiting_s(self, now: float) -> float:
        """Age of the oldest message that waits to be learned."""
        if self._is_behind:
            return now - self._arrived_at
        oldest_at = self.intake.oldest_at
        return 0.0 if oldest_at is None else now - oldest_at

    def metrics(self) -> dict[str, Any]:
        """Numbers of messages that wait, and the load."""
        now = self._clock.monotonic()
        delay = self._delay.seconds(now)
        shed = {} if self._sample is None else {"messages_shed": self._sample.shed, "share_learned": self._sample.share}
        return {
            "messages_waiting": self._last_position - self._engine.position + len(self.intake),
            "seconds_behind": round(self._waiting_s(now) if delay is None else delay, 3),
            **self._load.metrics(),
            **self._rate_limits.counts,
            **shed,
        }
