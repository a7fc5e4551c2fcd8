"""The engine: a deterministic state machine without I/O, from messages to effects.

The daemon, crash recovery, the export of snapshots and the simulators all run this code, so that the same messages in
the same order give the same bits everywhere.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from edgedescent.assembly import AssemblySettings
from edgedescent.drift import Alarm, Detector, DriftMonitor
from edgedescent.engine import engine_state
from edgedescent.engine._loop import LearningLoop
from edgedescent.engine._redelivery_window import AGAIN, COPY
from edgedescent.engine.begun import NOT_BEGUN, SENT_AGAIN, BegunMessage, Handled
from edgedescent.engine.begun_events import BegunEvents, behind
from edgedescent.engine.head import Head, horizon_name
from edgedescent.engine.heads import Heads
from edgedescent.engine.messages import Effect, Message, Predictions
from edgedescent.engine.repeats import Repeats
from edgedescent.engine.settings import RecommendSettings
from edgedescent.evaluation import Prequential
from edgedescent.formats import Format, JsonFormat
from edgedescent.formats._cursor import EventCursor
from edgedescent.learners import Learner

if TYPE_CHECKING:
    from edgedescent.assembly import Assembler
    from edgedescent.engine.assembling import Assembling
    from edgedescent.engine.recommending import Recommending

_encode = msgspec.json.Encoder().encode


class Engine:
    """Learns from messages one at a time, in order.

    Args:
        learner: what predicts and learns. For forecasts of several horizons, each has a clone of it.
        payload_format: format of the messages.
        dedup_window: number of learned events with ids that are remembered to recognize repeats.
        id_scope: what an id belongs to: the ``topic`` of its message, or the ``device``, whatever the topic.
        reused_ids: what becomes of an event with the id of another one that said something else: ``learn`` or ``drop``.
        redelivery_window: number of messages that are remembered to recognize those sent again whose events have no
            ids.
        payload_bytes_max: longer messages become dead letters.
        events_per_message_max: messages with more events become dead letters.
        quarantine: whether floods of new names and absurd labels become dead letters, until there are too many.
        interval: level of the prediction intervals that the answers carry, > 0 and < 1; None for answers without them.
        detector: test for change in the prediction error and the inputs; None to watch neither.
        watched_inputs_max: number of inputs that are watched.
        assembly: settings of the inputs, which make events of the messages of many topics; None where each message
            holds whole events.
        recommend: settings of the recommendations of a recommender; None where nothing is recommended.

    Attributes:
        format: the payload format.
        position: position of the last message that was handled.
        done: part of the message behind it that was handled; None if none of it was.
        counters: what happened so far, by name.
        heads: the models: one, or one for each horizon of a forecast.
        repeats: windows by which repeats are recognized.
        recommending: what recommends items; None where nothing is recommended.

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
        payload_bytes_max: int = 1_048_576,
        events_per_message_max: int = 10_000,
        quarantine: bool = True,
        interval: float | None = None,
        detector: Detector | None = None,
        watched_inputs_max: int = 4,
        assembly: AssemblySettings | None = None,
        recommend: RecommendSettings | None = None,
    ) -> None:
        self.position = 0
        self.counters: Counter[str] = Counter()
        self.heads = Heads(learner, self.counters)
        self._head = self.heads.first
        self.repeats = Repeats(dedup_window, redelivery_window)
        self._begun: BegunMessage | None = None
        """Message that was begun and has events left."""
        self.done: Handled | None = None
        self.assembling: Assembling | None = None
        self.recommending: Recommending | None = None
        self.configure(
            payload_format=payload_format,
            dedup_window=dedup_window,
            id_scope=id_scope,
            reused_ids=reused_ids,
            redelivery_window=redelivery_window,
            payload_bytes_max=payload_bytes_max,
            events_per_message_max=events_per_message_max,
            quarantine=quarantine,
            interval=interval,
            detector=detector,
            watched_inputs_max=watched_inputs_max,
            assembly=assembly,
            recommend=recommend,
        )

    def configure(
        self,
        *,
        payload_format: type[Format],
        dedup_window: int,
        id_scope: Literal["topic", "device"],
        reused_ids: Literal["learn", "drop"],
        redelivery_window: int,
        payload_bytes_max: int,
        events_per_message_max: int,
        quarantine: bool,
        interval: float | None = None,
        detector: Detector | None = None,
        watched_inputs_max: int = 4,
        assembly: AssemblySettings | None = None,
        recommend: RecommendSettings | None = None,
    ) -> None:
        """Change the arguments of the constructor, from the next message on; what was learned stays.

        A window that gets smaller keeps the newest of what it remembers. With another `id_scope`, events learned before
        are not recognized. With another `interval`, its calibration begins anew, and with another `detector` or
        number of inputs what it remembers; with other inputs, what waits for them is dropped; with other horizons,
        each that stays keeps its model, see `Heads.take_horizons`; with lists of another length, their scores begin
        anew. The state does not change where the arguments are the same.
        """
        self.format = payload_format(
            self.learner.input_kind,
            payload_bytes_max=payload_bytes_max,
            events_per_message_max=events_per_message_max,
            decimal_comma=self.learner.decimal_comma,
        )
        self.repeats.resize(dedup_window, redelivery_window)
        self.heads.take_horizons((None,) if assembly is None else assembly.label.horizons)
        self._head = self.heads.first
        for head in self.heads.all:
            head.configure(
                quarantine=quarantine, interval=interval, detector=detector, watched_inputs_max=watched_inputs_max
            )
        if recommend is None:
            self.recommending = None
        elif self.recommending is None:
            # Devices that do not recommend save the memory that it takes.
            from edgedescent.engine.recommending import Recommending

            self.recommending = Recommending(recommend, self.learner, self.counters)
        else:
            self.recommending.configure(recommend)
        for head in self.heads.all:
            head.loop = LearningLoop(
                head.learner,
                self.format,
                self.repeats.events,
                head.quarantine,
                head.errors,
                head.counters,
                by_topic=id_scope == "topic",
                learns_reused=reused_ids == "learn",
                intervals=head.intervals,
                drift=head.drift,
                recommending=self.recommending,
            )
        # The messages of inputs hold no events.
        self._reader = self.format.reader() if self._head.loop.takes_raw and assembly is None else None
        if assembly is None:
            self.assembling = None
        elif self.assembling is not None and assembly == self.assembling.settings:
            self.assembling.limit(payload_bytes_max, events_per_message_max)
        else:
            if self.assembling is not None:
                self.counters["questions_dropped"] += self.assembling.assembler.n_waiting
            # Not at the top: most devices have no inputs.
            from edgedescent.engine.assembling import Assembling

            self.assembling = Assembling(assembly, payload_bytes_max, events_per_message_max)

    @property
    def learner(self) -> Any:
        """Learner of the only head, or of the first one."""
        return self._head.learner

    @property
    def errors(self) -> Prequential:
        """Scores of the predictions of the only head, or of the first one."""
        return self._head.errors

    @property
    def drift(self) -> DriftMonitor | None:
        """Drift monitor of the only head, or of the first one; None where it is off."""
        return self._head.drift

    def handle(self, message: Message) -> list[Effect]:
        """Predict and learn what a message holds.

        Events that were already learned under their id are counted as ``duplicates`` and skipped, and so are events
        without an id in a message that the broker says it sends again, and that is remembered. A message that is a copy
        of another one, for a further subscription, is skipped. An event with the id of another one that said something
        else is counted as ``ids_reused``. An event without `y` is only predicted, whatever its id, so that its label
        may follow under the same id.

        Raises:
            ValueError: if the message does not follow the one before it.
        """
        effects = self.begin(message)
        while effects is None:
            effects = self.proceed()
        return effects

    def begin(self, message: Message, events_max: int = sys.maxsize) -> list[Effect] | None:
        """Predict and learn the first events of a message, or those behind the ones that its state says are done.

        Args:
            message: the message that follows the last one.
            events_max: bound on the number of events.

        Returns:
            The effects of the message; None if some of it is left, with which `proceed` goes on.

        Raises:
            ValueError: if the message does not follow the one before it, or that one has events left.
        """
        if message.position != self.position + 1 or self._begun is not None:
            raise ValueError(f"Message {message.position} does not follow message {self.position}.")
        done = self.done
        if done is None:
            self.counters["messages"] += 1
            done, reader = NOT_BEGUN, self._reader
            # Not left to `note`, as its call would cost each message of QoS 0 more than all else that is checked here.
            if message.packet_id or message.connection is not None or message.subscriptions:
                known = self.repeats.note(message, self.counters)
                if known == COPY:
                    self.position = message.position
                    return []
                if known == AGAIN:
                    done = SENT_AGAIN
            if reader is not None and reader.open(message.payload):
                head = self._head
                answers = head.loop.run(reader, message, done.redelivered, events_max)
                if reader.rejected or not head.loop.left:
                    rest = BegunEvents(message, done, self.counters, iter(()))
                    return self._end_slice(rest, rest.add(reader, answers, at_bound=not head.loop.left))
                # What almost every message comes to.
                self.position = message.position
                effects: list[Effect] = []
                if answers:
                    effects.append(Predictions(_encode(answers if reader.is_array else answers[0])))
                if head.drift is not None and head.drift.raised:
                    effects += head.take_alarms(message, self.counters)
                return effects
        begun = self._begin(message, done)
        return self._end_slice(begun, begun.proceed(self.heads, events_max))

    def _begin(self, message: Message, done: Handled) -> BegunMessage:
        """Begin a message, or go on with one whose first part was handled before the state was saved."""
        if self.assembling is not None:
            return self.assembling.begin(message, done, self.counters)
        recommending = self.recommending
        pieces: Iterator[EventCursor]
        if done.place < 0:
            if recommending is not None and message.topic == recommending.settings.topic:
                return recommending.begin(message, done, self.format.payload_bytes_max)
            pieces = iter(self.format.read(message.payload))
        elif self._reader is not None and self._reader.open(message.payload):
            self._head.loop.skip_to(self._reader, done.place)
            pieces = iter((self._reader,))
        else:
            pieces = (behind(piece, done.place) for piece in self.format.read(message.payload))
        return BegunEvents(message, done, self.counters, pieces)

    def proceed(self, events_max: int = sys.maxsize) -> list[Effect] | None:
        """Predict and learn further events of the message that was begun; arguments and result are those of `begin`.

        Raises:
            ValueError: if no message was begun, or none of it is left.
        """
        begun, self._begun = self._begun, None
        if begun is None:
            raise ValueError(f"Nothing is left of message {self.position}.")
        return self._end_slice(begun, begun.proceed(self.heads, events_max))

    def _end_slice(self, begun: BegunMessage, at_end: bool) -> list[Effect] | None:
        """Keep the message if a slice has left some of it; returns its effects otherwise."""
        begun.alarms += tuple(self._head.take_alarms(begun.message, self.counters))
        if not at_end:
            self._begun, self.done = begun, begun.handled
            return None
        self.position, self.done = begun.message.position, None
        return self._effects(begun)

    def _effects(self, begun: BegunMessage) -> list[Effect]:
        """Effects so far of a message that was begun, which are handed over."""
        if self.recommending is None:
            return begun.take_effects()
        return begun.take_effects() + self.recommending.take_effects(is_array=begun.is_array)

    @property
    def begun(self) -> Message | None:
        """Message that was begun and has events left."""
        return None if self._begun is None else self._begun.message

    @property
    def is_at_bound(self) -> bool:
        """True if the last call of `begin` or `proceed` ended at its bound on the number of events."""
        return self._begun is not None and self._begun.is_at_bound

    def leave(self) -> list[Effect]:
        """Effects so far of the message that was begun, whose rest is left to whoever loads the state.

        The engine handles nothing any more: this is for its end within a message.
        """
        return [] if self._begun is None else self._effects(self._begun)

    def _forget_begun(self) -> None:
        """Forget the message that was begun, with its effects."""
        if self._begun is not None:
            self._effects(self._begun)
            self._begun = None

    @property
    def latest_alarms(self) -> list[Alarm]:
        """The last drift alarms, the oldest first; at most eight."""
        alarms = [alarm for head in self.heads.all for alarm in head.latest_alarms()]
        return sorted(alarms, key=attrgetter("number"))[-8:]

    @property
    def reused_id(self) -> tuple[str, str | int] | None:
        """Topic and id of the latest event counted as ``ids_reused``; not part of the state."""
        return self._head.loop.reused

    def skip_to(self, position: int) -> None:
        """Continue behind `position` without the messages up to it, which are lost and counted.

        Raises:
            ValueError: if the message at `position` was handled already.
        """
        if position < self.position:
            raise ValueError(f"Message {position} was handled before message {self.position}.")
        self.counters["messages_lost"] += position - self.position
        self.position = position
        self._forget_begun()
        self.done = None

    def metrics(self) -> dict[str, Any]:
        """Counters and prequential errors so far; of several horizons, the errors of each under ``horizons``."""
        always = (
            *("messages", "messages_copied", "events_learned", "events_predicted"),
            *("duplicates", "ids_reused", "dead_letters", "drift_alarms"),
        )
        return {
            **dict.fromkeys(always if self.assembling is None else (*always, *self.assembling.counters), 0),
            **self.counters,
            **({} if self.heads.are_several else self._head.metrics()),
            **({} if self.assembling is None else self._metrics_of_inputs(self.assembling.assembler)),
            **({} if self.recommending is None else self.recommending.summary()),
        }

    def _metrics_of_inputs(self, assembler: Assembler) -> dict[str, Any]:
        """Metrics of the assembler, and those of each of several horizons."""
        if not self.heads.are_several:
            return assembler.metrics()
        return {**assembler.metrics(), "horizons": self.heads.metrics(assembler.metrics_by_horizon())}

    def metrics_of(self, head: Head) -> dict[str, Any]:
        """Metrics of one model: those of the engine, with those of its horizon among them."""
        metrics = self.metrics()
        horizons: dict[str, dict[str, float | int]] = metrics.pop("horizons", {})
        return metrics if head.horizon_s is None else metrics | horizons[horizon_name(head.horizon_s)]

    def state_dict(self) -> dict[str, Any]:
        """Complete state of the engine as named arrays and lists."""
        return engine_state.save(self)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state that `state_dict` returned.

        Raises:
            StateError: if it is incomplete or belongs to another learner.
        """
        engine_state.restore(self, state)
        self._forget_begun()
