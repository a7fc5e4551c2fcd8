"""Events assembled from inputs: each is predicted and learned as soon as it is complete."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from edgedescent.assembly import Assembler, AssemblySettings, Dropped, Row
from edgedescent.assembly.labels import Unusable
from edgedescent.assembly.rows import COUNTERS, Step
from edgedescent.engine.begun import BegunMessage, Handled
from edgedescent.engine.messages import Effect, Message, Prediction
from edgedescent.formats import Command, Event, FeatureEvent, Format, ItemEvent
from edgedescent.formats._cursor import Piece

if TYPE_CHECKING:
    from edgedescent.engine.head import Head
    from edgedescent.engine.heads import Heads

READINGS_PER_EVENT = 64
"""Number of readings that take no longer than an event may."""

_encode = msgspec.json.Encoder().encode


class BegunReadings(BegunMessage):
    """Message of an input that was begun: some of its readings are left, or events that they complete.

    Args:
        message: The message.
        done: Part that was handled before.
        counters: Counters of the engine, which are updated.
        steps: What follows from the rest of it, and the places at which it may be left.
        on_row: Called with each event before it is predicted.
    """

    def __init__(
        self,
        message: Message,
        done: Handled,
        counters: Counter[str],
        steps: Iterator[Step | int],
        on_row: Callable[[Row], None] | None,
    ) -> None:
        super().__init__(message, done, counters)
        self._steps = steps
        self._on_row = on_row
        self._commands: list[Effect] = []

    def proceed(self, heads: Heads, events_max: int) -> bool:
        """Predict and learn the next events that the message completes; returns True if that was all of them.

        Args:
            heads: Predict and learn.
            events_max: Number of events after which it is left as soon as it may be. `READINGS_PER_EVENT` readings
                count as one.
        """
        answers: list[Prediction] = []
        n_events = n_places = 0
        self.is_at_bound = False
        for step in self._steps:
            if isinstance(step, int):
                self.place = step
                n_places += 1
                if n_events >= events_max or n_places >= READINGS_PER_EVENT * events_max:
                    self.is_at_bound = True
                    break
            elif isinstance(step, Row):
                n_events += 1
                self._learn(step, heads.by_horizon[step.horizon_s], answers)
            elif isinstance(step, Command):
                self._commands.append(step)
            elif isinstance(step, Dropped):
                self._give_up(step, heads.by_horizon[step.horizon_s])
            else:
                self._reject(step.reason, step.error, self.message.payload)
        if answers:
            self.answer(answers, is_array=len(answers) > 1 or bool(self._answers))
        return not self.is_at_bound

    def take_effects(self) -> list[Effect]:
        """Effects since the last call."""
        commands, self._commands = self._commands, []
        return [*super().take_effects(), *commands]

    def _learn(self, row: Row, head: Head, answers: list[Prediction]) -> None:
        """Predict and learn an event, and add its answer unless the learner refuses it."""
        if self._on_row is not None:
            self._on_row(row)
        # Without its id: the assembler has recognized what came twice, and joined what belongs together.
        piece = Piece([(0, FeatureEvent(row.x, row.y, None))], [], False, row.earlier)
        before = None if row.horizon_s is None else head.counts()
        head.set_label_delay(row.n_before)
        for answer in head.loop.run(piece, self.message, False, sys.maxsize):
            row.prediction = answer.prediction
            if not head.counters["events_learned"] and row.last_value is not None:
                # A learner without labels knows less of the future than the present does.
                row.prediction = row.last_value
            answers.append(
                Prediction(row.prediction, row.id, answer.y, answer.low, answer.high, row.time, row.key, row.horizon_s)
            )
        if before is not None:
            # Of several heads, each counts for itself.
            self.counters.update({name: count - before[name] for name, count in head.counts().items()})
        for fault in piece.rejected:
            self._reject(fault.error.reason, f"{fault.error}{_of_horizon(row.horizon_s)}", fault.payload)
        # Here and not at the end of the slice, so that their numbers do not depend on the slices.
        if head.drift is not None and head.drift.raised:
            self.alarms += tuple(head.take_alarms(self.message, self.counters))

    def _give_up(self, step: Dropped, head: Head) -> None:
        """Add the dead letter of a question that is given up."""
        question = step.question
        if step.in_turn:
            head.skip(question.x, question.n_before)
        payload = {"x": question.x, "id": question.id, "time": question.time}
        if step.horizon_s is not None:
            payload["horizon_s"] = step.horizon_s
        error = f"The event at {question.time!r} was not learned: {step.reason}{_of_horizon(step.horizon_s)}."
        self._reject("unlabelled", error, _encode(payload))

    def _reject(self, reason: str, error: str, payload: bytes) -> None:
        """Add a dead letter. What readings are rejected for has no place in the message, so that they are numbered."""
        self.add_dead_letter(self.n_kept, reason, error, payload)


def _of_horizon(horizon_s: float | None) -> str:
    """Words that say the horizon, where there are several."""
    return "" if horizon_s is None else f" (horizon {horizon_s:g} s)"


class Assembling:
    """Assembler whose events go through the learning loop, one by one, because each may depend on those before.

    Args:
        settings: Settings of the assembler.

    Attributes:
        settings: The settings.
        assembler: The assembler.
        payload_bytes_max: Longer messages become dead letters.
        counters: Names of its counters.
    """

    counters = COUNTERS

    def __init__(self, settings: AssemblySettings, payload_bytes_max: int, readings_max: int) -> None:
        self.settings = settings
        self.assembler = Assembler(settings)
        self.limit(payload_bytes_max, readings_max)
        self.on_row: Callable[[Row], None] | None = None
        """Called with each event before it is predicted; not part of the state."""

    def limit(self, payload_bytes_max: int, readings_max: int) -> None:
        """Set the bounds on a message; one beyond them becomes a dead letter.

        Args:
            payload_bytes_max: Bound on its length.
            readings_max: Bound on its readings.
        """
        self.payload_bytes_max = payload_bytes_max
        self.assembler.messages.records_max = readings_max

    def begin(self, message: Message, done: Handled, counters: Counter[str]) -> BegunReadings:
        """Begin a message, or go on with one that was left; one that was sent again is skipped.

        Args:
            message: The message.
            done: Part that was handled before.
            counters: Counters, which are updated.
        """
        if done.redelivered:
            counters["duplicates"] += 1
            counters["duplicates.redelivered"] += 1
            steps: Iterator[Step | int] = iter(())
        else:
            steps = self._run(message, counters, None if done.place < 0 else done.place)
        return BegunReadings(message, done, counters, steps, self.on_row)

    def read(self, message: Message, horizon_s: float | None) -> Iterator[Event]:
        """Events of a message as they are learned, or asked, with no learner: each prediction is 0.

        Args:
            message: The message.
            horizon_s: Horizon of the events, of several; None for the only one.
        """
        counters: Counter[str] = Counter()
        for step in self._run(message, counters):
            if isinstance(step, Row):
                step.prediction = 0.0
                if step.horizon_s == horizon_s:
                    yield FeatureEvent(step.x, step.y, step.id)

    def _run(self, message: Message, counters: Counter[str], done: int | None = None) -> Iterator[Step | int]:
        """Steps that follow from a message, or its rejection where it is too long to be decoded."""
        if len(message.payload) > self.payload_bytes_max:
            text = f"The payload has {len(message.payload)} bytes; at most {self.payload_bytes_max} are taken."
            return iter([Unusable("too_large", text)])
        return self.assembler.run(message.topic, message.payload, message.received_at, counters, done)

    def save(self, prefix: str) -> dict[str, Any]:
        """State as named arrays."""
        return {f"{prefix}{name}": value for name, value in self.assembler.state_dict().items()}

    def restore(self, state: dict[str, Any], prefix: str) -> None:
        """Restore what `save` returned.

        Raises:
            ValueError: If it belongs to other inputs.
            KeyError: If it is incomplete.
        """
        own = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        self.assembler.load_state_dict(own)


def event_reader(
    payload_format: Format, assembling: Assembling | None, horizon_s: float | None
) -> Callable[[Message], Iterable[Event]]:
    """Function that reads the events of messages that can be predicted, in order, without doing so or learning them.

    With inputs it is an assembler that has seen nothing, so that its first events may lack features.

    Args:
        payload_format: Payload format of the engine.
        assembling: What the engine assembles events with; None for an engine of whole events.
        horizon_s: Horizon of the events, of several; None for the only one.
    """
    if assembling is not None:
        limits = payload_format.payload_bytes_max, payload_format.events_per_message_max
        assembler = Assembling(assembling.settings, *limits)
        return lambda message: assembler.read(message, horizon_s)

    def read(message: Message) -> Iterable[Event]:
        for piece in payload_format.read(message.payload):
            yield from (event for _, event in piece.events if not isinstance(event, ItemEvent))

    return read
