"""The engine: a deterministic state machine without I/O, from messages to effects.

The daemon, crash recovery, the export of snapshots and the simulators all run this code, so that the same messages in
the same order give the same bits everywhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from operator import itemgetter
from typing import Any, Literal

import msgspec
import numpy as np

from edgedescent.engine._dedup_window import DedupWindow
from edgedescent.engine._loop import LearningLoop
from edgedescent.engine._quarantine import Quarantine
from edgedescent.engine._redelivery_window import RedeliveryWindow
from edgedescent.engine.messages import Connection, DeadLetter, Effect, Message, Predictions
from edgedescent.engine.rate_limit import RateLimit
from edgedescent.errors import StateError
from edgedescent.evaluation import Prequential
from edgedescent.formats import Format, JsonFormat, Piece, Rejected
from edgedescent.formats._cursor import EventCursor
from edgedescent.learners import Learner

DEAD_LETTERS_PER_MESSAGE_MAX = 100
"""Bound on the dead letters of one message: further ones are counted, also as ``dead_letters_unkept``, but not kept."""
DEAD_PAYLOAD_MAX = 16_384
"""Bound on the payload of a dead letter, so that a flood of large ones cannot fill the disk."""

_REDELIVERIES = ("redeliveries", "redeliveries_places", "redeliveries_connection")
_encode = msgspec.json.Encoder().encode


class Engine:
    """Learns from messages one at a time, in order.

    Args:
        learner: what predicts and learns.
        payload_format: format of the messages.
        dedup_window: number of learned events with ids that are remembered to recognize repeats.
        id_scope: what an id belongs to: the ``topic`` of its message, or the ``device``, whatever the topic.
        reused_ids: what becomes of an event with the id of another one that said something else: ``learn`` or ``drop``.
        redelivery_window: number of messages that are remembered to recognize those sent again whose events have no
            ids.
        events_per_second_max: bound on the events of one topic that are used in a second; None for no bound.
        payload_bytes_max: longer messages become dead letters.
        events_per_message_max: messages with more events become dead letters.
        quarantine: whether floods of new names and absurd labels become dead letters, until there are too many.

    Attributes:
        format: the payload format.
        position: position of the last message that was handled.
        counters: what happened so far, by name.
        errors: scores of the predictions.

    Example:
        >>> from edgedescent import LinearRegressor
        >>> engine = Engine(LinearRegressor())
        >>> engine.handle(Message(1, 0.0, "events", b'{"id": "a", "x": {"temp": 20.1}, "y": 3.2}'))
        [Predictions(payload=b'{"prediction":0.0,"id":"a","y":3.2}')]
        >>> engine.counters["events_learned"]
        1
    """

    def __init__(
        self,
        learner: Learner,
        *,
        payload_format: type[Format] = JsonFormat,
        dedup_window: int = 65_536,
        id_scope: Literal["topic", "device"] = "topic",
        reused_ids: Literal["learn", "drop"] = "learn",
        redelivery_window: int = 4096,
        events_per_second_max: float | None = None,
        payload_bytes_max: int = 1_048_576,
        events_per_message_max: int = 10_000,
        quarantine: bool = True,
    ) -> None:
        self.learner: Any = learner
        self.position = 0
        self.counters: Counter[str] = Counter()
        self.errors = Prequential()
        self._seen = DedupWindow(dedup_window)
        self._redeliveries = RedeliveryWindow(redelivery_window)
        self._limit: RateLimit | None = None
        self._quarantine = Quarantine(quarantine)
        self.configure(
            payload_format=payload_format,
            dedup_window=dedup_window,
            id_scope=id_scope,
            reused_ids=reused_ids,
            redelivery_window=redelivery_window,
            events_per_second_max=events_per_second_max,
            payload_bytes_max=payload_bytes_max,
            events_per_message_max=events_per_message_max,
            quarantine=quarantine,
        )

    def configure(
        self,
        *,
        payload_format: type[Format],
        dedup_window: int,
        id_scope: Literal["topic", "device"],
        reused_ids: Literal["learn", "drop"],
        redelivery_window: int,
        events_per_second_max: float | None,
        payload_bytes_max: int,
        events_per_message_max: int,
        quarantine: bool,
    ) -> None:
        """Change the arguments of the constructor, from the next message on; what was learned stays.

        A window that gets smaller keeps the newest of what it remembers. With another `id_scope`, events learned before
        are not recognized. The state does not change where the arguments are the same.
        """
        self.format = payload_format(
            self.learner.input_kind,
            payload_bytes_max=payload_bytes_max,
            events_per_message_max=events_per_message_max,
            decimal_comma=self.learner.decimal_comma,
        )
        if dedup_window != self._seen.window:
            seen, self._seen = self._seen, DedupWindow(dedup_window)
            self._seen.restore(seen.save(), seen.n_added)
        if redelivery_window != self._redeliveries.window:
            known, self._redeliveries = self._redeliveries, RedeliveryWindow(redelivery_window)
            self._redeliveries.restore(*known.save())
        limit = None if events_per_second_max is None else RateLimit(events_per_second_max)
        if limit is not None and self._limit is not None:
            limit.restore(*self._limit.save().values())
        self._limit = limit
        self._quarantine.enabled = quarantine
        self._loop = LearningLoop(
            self.learner,
            self.format,
            self._seen,
            self._quarantine,
            by_topic=id_scope == "topic",
            learns_reused=reused_ids == "learn",
        )
        # A limit counts the usable events of a piece before the others, so it needs them all as objects.
        self._reader = self.format.reader() if self._loop.takes_raw and limit is None else None

    def handle(self, message: Message) -> list[Effect]:
        """Predict and learn what a message holds.

        Events that were already learned under their id are counted as ``duplicates`` and skipped, and so are events
        without an id in a message that the broker says it sends again, and that is remembered. An event with the id of
        another one that said something else is counted as ``ids_reused``. An event without `y` is only predicted,
        whatever its id, so that its label may follow under the same id.

        Raises:
            ValueError: if the message does not follow the one before it.
        """
        if message.position != self.position + 1:
            raise ValueError(f"Message {message.position} does not follow message {self.position}.")
        self.position = message.position
        self.counters["messages"] += 1
        if message.connection is not None:
            self._begin(message.position, message.connection)
        redelivered = message.packet_id > 0 and self._redeliveries.note(
            message.position, message.packet_id, message.topic, message.payload, message.duplicate
        )
        if redelivered:
            self.counters["messages_redelivered"] += 1
        answers: list[bytes] = []
        dead_letters: list[Effect] = []
        is_array = False
        pieces: Iterable[EventCursor]
        if self._reader is not None and self._reader.open(message.payload):
            pieces = (self._reader,)
        else:
            pieces = self._decode(message)
        for events in pieces:
            is_array = events.is_array
            if answered := self._loop.run(
                events, message.payload, message.topic, redelivered, self.errors, self.counters
            ):
                answers.append(_encode(answered)[1:-1] if is_array else _encode(answered[0]))
            if events.rejected and not redelivered:
                self._add_dead_letters(dead_letters, message, events.rejected)
        if not answers:
            return dead_letters
        return [Predictions(b"[%b]" % b",".join(answers) if is_array else answers[0]), *dead_letters]

    def _decode(self, message: Message) -> Iterable[Piece]:
        """Events of a message, piece by piece, as many as the limit of its topic admits."""
        pieces = self.format.read(message.payload)
        if self._limit is None:
            return pieces
        return (self._admitted(piece, message, self._limit) for piece in pieces)

    def _begin(self, position: int, connection: Connection) -> None:
        """Begin a connection, whose first message is at `position`."""
        self._redeliveries.connect(position, connection.session, connection.acknowledged, connection.first_id)

    def _admitted(self, piece: Piece, message: Message, limit: RateLimit) -> Piece:
        """The part of a piece that the limit of the message's topic admits; the rest is counted as ``rate_limited``."""

        def take() -> bool:
            if limit.take(message.topic, message.received_at):
                return True
            self.counters["rate_limited"] += 1
            return False

        events = [pair for pair in piece.events if take()]
        rejected = [fault for fault in piece.rejected if take()]
        return Piece(events, rejected, piece.is_array)

    def _add_dead_letters(self, dead_letters: list[Effect], message: Message, rejected: list[Rejected]) -> None:
        """Count the rejected events of a piece, and add dead letters to those of the message's earlier pieces."""
        counters = self.counters
        counters["dead_letters"] += len(rejected)
        for _, error, _ in rejected:
            counters[f"dead_letters.{error.reason}"] += 1
        room = DEAD_LETTERS_PER_MESSAGE_MAX - len(dead_letters)
        if len(rejected) > room:
            counters["dead_letters_unkept"] += len(rejected) - room
        dead_letters += [
            DeadLetter(
                position=message.position,
                index=index,
                received_at=message.received_at,
                topic=message.topic,
                reason=error.reason,
                error=str(error),
                payload=payload[:DEAD_PAYLOAD_MAX],
            )
            for index, error, payload in sorted(rejected, key=itemgetter(0))[:room]
        ]

    @property
    def reused_id(self) -> tuple[str, str | int] | None:
        """Topic and id of the latest event counted as ``ids_reused``; not part of the state."""
        return self._loop.reused

    def skip_to(self, position: int) -> None:
        """Continue behind `position` without the messages up to it, which are lost and counted.

        Raises:
            ValueError: if the message at `position` was handled already.
        """
        if position < self.position:
            raise ValueError(f"Message {position} was handled before message {self.position}.")
        self.counters["messages_lost"] += position - self.position
        self.position = position

    @property
    def n_quarantines_lifted(self) -> int:
        """How often so many events were quarantined in a row that the next one was learned."""
        return self._quarantine.n_lifted

    def metrics(self) -> dict[str, float | int]:
        """Counters and prequential errors so far."""
        always = (
            "messages",
            "events_learned",
            "events_predicted",
            "duplicates",
            "ids_reused",
            "dead_letters",
            "rate_limited",
        )
        return {
            **dict.fromkeys(always, 0),
            **self.counters,
            **self.learner.counts(),
            "targets_unscored": self.errors.n_unscored,
            "quarantines_lifted": self.n_quarantines_lifted,
            **self.errors.summary(),
        }

    def state_dict(self) -> dict[str, Any]:
        """Complete state of the engine as named arrays and lists."""
        limit = {} if self._limit is None else self._limit.save()
        return {
            **limit,
            **dict(zip(_REDELIVERIES, self._redeliveries.save(), strict=True)),
            **{f"learner.{name}": value for name, value in self.learner.state_dict().items()},
            "errors": self.errors.save(),
            "quarantine": self._quarantine.save(),
            "seen": self._seen.save(),
            "seen_total": np.array([self._seen.n_added], dtype=np.int64),
            "counter_names": list(self.counters),
            "counters": np.array(list(self.counters.values()), dtype=np.int64),
            "position": np.array([self.position], dtype=np.int64),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state that `state_dict` returned.

        Raises:
            StateError: if it is incomplete or belongs to another learner.
        """
        prefix = "learner."
        try:
            self.learner.load_state_dict({k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)})
            self.errors.restore(state["errors"])
            self._quarantine.restore(state["quarantine"])
            self._seen.restore(state["seen"], int(state["seen_total"][0]))
            self._redeliveries.restore(*(state[name] for name in _REDELIVERIES))
            if self._limit is not None and "sources" in state:
                self._limit.restore(state["sources"], state["sources_left"])
            self.counters = Counter(dict(zip(state["counter_names"], state["counters"].tolist(), strict=True)))
            self.position = int(state["position"][0])
        except (KeyError, ValueError) as error:
            raise StateError(
                f"The saved state does not fit this configuration: {error}",
                "It was written by another learner or version; use another state folder for a new model.",
            ) from error
