"""The engine: a deterministic state machine without I/O, from messages to effects.

The daemon, crash recovery, the export of snapshots and the simulators all run this code, so that the same messages in
the same order give the same bits everywhere.
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

from edgedescent.assembly import AssemblySettings
from edgedescent.conformal import PredictionIntervals
from edgedescent.drift import Alarm, Detector, DriftMonitor
from edgedescent.engine._dedup_window import DedupWindow
from edgedescent.engine._loop import LearningLoop
from edgedescent.engine._quarantine import Quarantine
from edgedescent.engine._redelivery_window import AGAIN, COPY, NEW, RedeliveryWindow
from edgedescent.engine.messages import Connection, DriftAlarm, Effect, Message, Prediction, Predictions
from edgedescent.engine.settings import RecommendSettings
from edgedescent.engine.unfinished import Handled, Unfinished, behind
from edgedescent.errors import StateError
from edgedescent.evaluation import Prequential
from edgedescent.formats import Format, JsonFormat
from edgedescent.formats._cursor import EventCursor
from edgedescent.learners import Learner

if TYPE_CHECKING:
    from edgedescent.engine.assembling import Assembling, BegunMessage
    from edgedescent.engine.recommending import Recommending

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
        counters: what happened so far, by name.
        errors: scores of the predictions.
        intervals: the prediction intervals; None where they are off.
        drift: what watches the prediction error and the inputs; None where it is off.
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
        self.learner: Any = learner
        self.position = 0
        self.counters: Counter[str] = Counter()
        self.errors = Prequential()
        self._seen = DedupWindow(dedup_window)
        self._redeliveries = RedeliveryWindow(redelivery_window)
        self._rest: Unfinished | BegunMessage | None = None
        """Message that was begun and has events left."""
        self._done: Handled | None = None
        """Part of the message behind `position` that was handled; None if nothing was."""
        self._quarantine = Quarantine(quarantine)
        self.intervals: PredictionIntervals | None = None
        self.drift: DriftMonitor | None = None
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
        number of inputs what it remembers; with other inputs, what waits for them is dropped; with lists of another
        length, their scores begin anew. The state does not change where the arguments are the same.
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
            self._redeliveries.copies.restore(known.copies.save())
        self._quarantine.enabled = quarantine
        levels = () if interval is None else (interval,)
        if levels != (() if self.intervals is None else self.intervals.levels):
            self.intervals = PredictionIntervals(levels) if levels else None
        if detector is None:
            self.drift = None
        elif self.drift is None or (detector, watched_inputs_max) != (self.drift.detector, self.drift.inputs_max):
            # The scores of a ranking have no unit, so there is no error.
            self.drift = DriftMonitor(detector, watched_inputs_max, watches_error=self.learner.labels_are_amounts)
        if recommend is None:
            self.recommending = None
        elif self.recommending is None:
            # Devices that do not recommend save the memory that it takes.
            from edgedescent.engine.recommending import Recommending

            self.recommending = Recommending(recommend, self.learner)
        else:
            self.recommending.configure(recommend)
        self._loop = LearningLoop(
            self.learner,
            self.format,
            self._seen,
            self._quarantine,
            by_topic=id_scope == "topic",
            learns_reused=reused_ids == "learn",
            intervals=self.intervals,
            drift=self.drift,
            recommending=self.recommending,
        )
        self._reader = self.format.reader() if self._loop.takes_raw else None
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
        if message.position != self.position + 1 or self._rest is not None:
            raise ValueError(f"Message {message.position} does not follow message {self.position}.")
        done, reader = self._done, self._reader
        if self.assembling is not None:
            return self._assemble(message, self.assembling, events_max)
        if done is not None:
            return self._resume(message, done, events_max)
        known = self._note(message)
        if known == COPY:
            self.position = message.position
            return []
        redelivered = known == AGAIN
        if reader is None or not reader.open(message.payload):
            return self._decode(message, redelivered, events_max)
        answered = self._loop.run(
            reader, message.payload, message.topic, redelivered, self.errors, self.counters, events_max
        )
        if reader.rejected or not self._loop.left:
            rest = Unfinished(message, redelivered, iter(()))
            return self._learn(rest, self._loop.left) if self._take(rest, reader, answered) else None
        # What almost every message comes to.
        self.position = message.position
        effects: list[Effect] = [Predictions(_encode(answered if reader.is_array else answered[0]))] if answered else []
        if self.drift is not None and self.drift.raised:
            effects += self._alarms(message, self.drift)
        return effects

    def _assemble(self, message: Message, assembling: Assembling, events_max: int) -> list[Effect] | None:
        """Take a message of the inputs in, or go on with it, and predict and learn the events that it completes."""
        known = self._note(message) if self._done is None else NEW
        if known != NEW:
            if known == AGAIN:
                self.counters["duplicates"] += 1
                self.counters["duplicates.redelivered"] += 1
            self.position = message.position
            return []
        return self._learn_assembled(assembling.begin(message, self.counters, self._done), events_max)

    def _learn_assembled(self, begun: BegunMessage, events_max: int) -> list[Effect] | None:
        """Predict and learn the next events that a message of the inputs completes."""
        assert self.assembling is not None  # noqa: S101 - it has begun the message
        at_end = self.assembling.learn(begun, self._loop, self.errors, self.counters, events_max)
        message = begun.message
        if self.drift is not None and self.drift.raised:
            begun.alarms += self._alarms(message, self.drift)
        if not at_end:
            self._rest, self._done = begun, Handled(begun.place, False, begun.n_kept)
            return None
        self.position = message.position
        self._done = None
        return begun.effects()

    def _decode(self, message: Message, redelivered: bool, events_max: int) -> list[Effect] | None:
        """Answer the requests of a message, or learn the first of its events, which the format makes objects of."""
        recommending = self.recommending
        if recommending is None or message.topic != recommending.settings.topic:
            return self._learn(Unfinished(message, redelivered, iter(self.format.read(message.payload))), events_max)
        # A request that is sent again is answered again: it changes nothing.
        self.position = message.position
        return recommending.answer(message, self.format.payload_bytes_max, self.counters)

    def proceed(self, events_max: int = sys.maxsize) -> list[Effect] | None:
        """Predict and learn further events of the message that was begun; arguments and result are those of `begin`.

        Raises:
            ValueError: if no message was begun, or none of it is left.
        """
        rest, self._rest = self._rest, None
        if rest is None:
            raise ValueError(f"Nothing is left of message {self.position}.")
        if isinstance(rest, Unfinished):
            return self._learn(rest, events_max)
        return self._learn_assembled(rest, events_max)

    @property
    def begun(self) -> Message | None:
        """Message that was begun and has events left."""
        return None if self._rest is None else self._rest.message

    @property
    def is_at_bound(self) -> bool:
        """True if the last call of `begin` or `proceed` ended at its bound on the number of events."""
        return self._loop.left == 0 if self.assembling is None else self._rest is not None

    def leave(self) -> list[Effect]:
        """Effects so far of the message that was begun, whose rest is left to whoever loads the state.

        The engine handles nothing any more: this is for its end within a message.
        """
        if self._rest is None:
            return []
        effects = self._effects(self._rest)
        self._rest.clear()
        return effects

    def _note(self, message: Message) -> int:
        """Count a message that begins; returns what it is to those before it."""
        self.counters["messages"] += 1
        if message.connection is not None:
            self._begin_connection(message.position, message.connection)
        if not message.packet_id and not message.subscriptions:
            return NEW
        known = self._redeliveries.note(
            message.position,
            message.packet_id,
            message.topic,
            message.payload,
            message.duplicate,
            message.subscriptions,
        )
        if known != NEW:
            self.counters["messages_redelivered" if known == AGAIN else "messages_copied"] += 1
        return known

    def _resume(self, message: Message, done: Handled, events_max: int) -> list[Effect] | None:
        """Go on with a message whose first events were handled before the state was saved."""
        rest = Unfinished(message, done.redelivered, iter(()), done.n_kept)
        if self._reader is not None and self._reader.open(message.payload):
            self._loop.skip_to(self._reader, done.place)
            rest.events = self._reader
        else:
            rest.pieces = (behind(piece, done.place) for piece in self.format.read(message.payload))
        return self._learn(rest, events_max)

    def _learn(self, rest: Unfinished, events_max: int) -> list[Effect] | None:
        """Predict and learn the next events of a message; returns its effects if that was all of them."""
        began, message = False, rest.message
        while True:
            if rest.events is None:
                rest.events = next(rest.pieces, None)
                if rest.events is None:
                    break
                if began:
                    # Pieces take long to decode.
                    self._rest = rest
                    return None
            began, events = True, rest.events
            answered = self._loop.run(
                events, message.payload, message.topic, rest.redelivered, self.errors, self.counters, events_max
            )
            if not self._take(rest, events, answered):
                return None
            events_max = self._loop.left
        self.position = message.position
        self._done = None
        return self._effects(rest)

    def _effects(self, rest: Unfinished | BegunMessage) -> list[Effect]:
        """Effects so far of a message."""
        effects = rest.effects()
        if self.recommending is not None and isinstance(rest, Unfinished):
            effects += self.recommending.effects(rest.lists, is_array=rest.is_array)
        return effects

    def _take(self, rest: Unfinished, events: EventCursor, answered: list[Prediction]) -> bool:
        """Add what a run over a piece gave to the effects of its message; returns True if the piece is at its end."""
        at_end = self._loop.left > 0
        if answered:
            rest.is_array = events.is_array
            rest.answers.append(_encode(answered)[1:-1] if events.is_array else _encode(answered[0]))
        place = events.index
        if at_end:
            place = max([place, *(fault.place for fault in events.rejected)])
        if self._done is not None:
            # An empty piece has no place.
            place = max(place, self._done.place)
        if events.rejected and not rest.redelivered:
            rest.add_dead_letters(events, place, self.counters)
        if self.recommending is not None:
            rest.lists += self.recommending.take(self.counters)
        if self.drift is not None and self.drift.raised:
            rest.alarms += self._alarms(rest.message, self.drift)
        rest.events = None if at_end else events
        self._done = Handled(place, rest.redelivered, rest.n_kept)
        if not at_end:
            self._rest = rest
        return at_end

    def _alarms(self, message: Message, drift: DriftMonitor) -> list[Effect]:
        """Count the alarms that were raised at a message, and return them as effects."""
        alarms = drift.take(message.position, message.received_at, self.counters["drift_alarms"])
        self.counters["drift_alarms"] += len(alarms)
        for alarm in alarms:
            self.counters[f"drift_alarms.{alarm.watched}"] += 1
        return [DriftAlarm(_encode(alarm)) for alarm in alarms]

    @property
    def latest_alarms(self) -> list[Alarm]:
        """The last drift alarms, the oldest first; at most eight."""
        return [] if self.drift is None else self.drift.latest_alarms()

    def _begin_connection(self, position: int, connection: Connection) -> None:
        """Begin a connection, whose first message is at `position`."""
        self._redeliveries.connect(position, connection.session, connection.acknowledged, connection.first_id)

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
        # Of a message that was begun, the rest is lost.
        self._done = self._rest = None

    @property
    def n_quarantines_lifted(self) -> int:
        """Number of times that so many events were quarantined in a row that the next one was learned."""
        return self._quarantine.n_lifted

    def metrics(self) -> dict[str, float | int]:
        """Counters and prequential errors so far."""
        always = (
            *("messages", "messages_copied", "events_learned", "events_predicted"),
            *("duplicates", "ids_reused", "dead_letters", "drift_alarms"),
        )
        return {
            **dict.fromkeys(always if self.assembling is None else (*always, *self.assembling.counters), 0),
            **self.counters,
            **self.learner.counts(),
            "targets_unscored": self.errors.n_unscored,
            "quarantines_lifted": self.n_quarantines_lifted,
            **self.errors.summary(),
            **({} if self.intervals is None else self.intervals.summary()),
            **({} if self.assembling is None else self.assembling.assembler.metrics()),
            **({} if self.recommending is None else self.recommending.summary()),
        }

    def state_dict(self) -> dict[str, Any]:
        """Complete state of the engine as named arrays and lists."""
        return {
            **dict(zip(_REDELIVERIES, self._redeliveries.save(), strict=True)),
            "copies": self._redeliveries.copies.save(),
            **{f"learner.{name}": value for name, value in self.learner.state_dict().items()},
            "errors": self.errors.save(),
            **({} if self.intervals is None else self.intervals.save("intervals.")),
            **({} if self.drift is None else self.drift.save("drift.")),
            **({} if self.assembling is None else self.assembling.save("assembly.")),
            **({} if self.recommending is None else self.recommending.save()),
            "quarantine": self._quarantine.save(),
            "seen": self._seen.save(),
            "seen_total": np.array([self._seen.n_added], dtype=np.int64),
            # Sorted: within a message, their order depends on how it was cut.
            "counter_names": sorted(self.counters),
            "counters": np.array([self.counters[name] for name in sorted(self.counters)], dtype=np.int64),
            "position": np.array([self.position], dtype=np.int64),
            "message_done": np.array([] if self._done is None else self._done, dtype=np.int64),
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
            if self.intervals is not None and "intervals.scale" in state:
                # A state of an older version has none.
                self.intervals.restore(state, "intervals.")
            if self.drift is not None and "drift.watches" in state:
                self.drift.restore(state, "drift.")
            if self.assembling is not None and "assembly.clock" in state:
                self.assembling.restore(state, "assembly.")
            if self.recommending is not None and "ranking.sums" in state:
                self.recommending.restore(state)
            self._quarantine.restore(state["quarantine"])
            self._seen.restore(state["seen"], int(state["seen_total"][0]))
            self._redeliveries.restore(*(state[name] for name in _REDELIVERIES))
            self._redeliveries.copies.restore(state["copies"])
            self.counters = Counter(dict(zip(state["counter_names"], state["counters"].tolist(), strict=True)))
            self.position = int(state["position"][0])
            self._done = Handled.restore(state["message_done"])
            self._rest = None
        except (KeyError, ValueError) as error:
            raise StateError(
                f"The saved state does not fit this configuration: {error}",
                "It was written by another learner or version; use another state folder for a new model.",
            ) from error
