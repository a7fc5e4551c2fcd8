"""Events assembled from inputs: each is predicted and learned as soon as it is complete."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from edgedescent.assembly import Assembler, AssemblySettings, Dropped, Row
from edgedescent.assembly.labels import Unusable
from edgedescent.assembly.rows import COUNTERS, Step
from edgedescent.engine._loop import LearningLoop
from edgedescent.engine.dead_letters import dead_letter
from edgedescent.engine.messages import Effect, Message, Prediction, Predictions
from edgedescent.engine.unfinished import Handled
from edgedescent.evaluation import Prequential
from edgedescent.formats import Command, Event, FeatureEvent, Format, ItemEvent
from edgedescent.formats._cursor import Piece

READINGS_PER_EVENT = 64
"""Number of readings that take no longer than an event may."""

_encode = msgspec.json.Encoder().encode


class BegunMessage:
    """Message of an input of which readings are left, with the effects of those before.

    Args:
        message: The message.
        steps: What follows from it, and the places at which it may be left.
        n_kept: Number of its dead letters that were kept before.
    """

    __slots__ = ("alarms", "answers", "commands", "letters", "message", "n_kept", "place", "steps")

    def __init__(self, message: Message, steps: Iterator[Step | int], n_kept: int) -> None:
        self.message = message
        self.steps = steps
        self.n_kept = n_kept
        self.place = 0
        """Place at which it may be left."""
        self.answers: list[Prediction] = []
        self.letters: list[Effect] = []
        self.alarms: list[Effect] = []
        self.commands: list[Effect] = []

    def effects(self) -> list[Effect]:
        """Effects so far."""
        effects = [*self.letters, *self.alarms, *self.commands]
        if self.answers:
            effects.insert(0, Predictions(_encode(self.answers if len(self.answers) > 1 else self.answers[0])))
        return effects

    def clear(self) -> None:
        """Forget the effects so far, which were handed over."""
        self.answers.clear()
        self.letters.clear()
        self.alarms.clear()
        self.commands.clear()

    def add(self, reason: str, error: str, payload: bytes, counters: Counter[str]) -> None:
        """Count a dead letter, and keep it if there is room for it."""
        kept = dead_letter(self.message, self.n_kept, reason, error, payload, counters, self.n_kept)
        self.letters += kept
        self.n_kept += len(kept)


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

    def begin(self, message: Message, counters: Counter[str], done: Handled | None = None) -> BegunMessage:
        """Begin a message, or go on with one that was left.

        Args:
            message: The message.
            counters: Counters, which are updated.
            done: Place at which it was left.
        """
        place, n_kept = (None, 0) if done is None else (done.place, done.n_kept)
        return BegunMessage(message, self._run(message, counters, place), n_kept)

    def learn(
        self,
        begun: BegunMessage,
        loop: LearningLoop,
        errors: Prequential,
        counters: Counter[str],
        events_max: int = sys.maxsize,
    ) -> bool:
        """Predict and learn the next events that a message completes; returns True if that was all of them.

        Args:
            begun: The message.
            loop: Predicts and learns.
            errors: Scores each prediction of a learned event.
            counters: Counters, which are updated.
            events_max: Number of events after which it is left as soon as it may be. `READINGS_PER_EVENT` readings
                count as one.
        """
        n_events = n_places = 0
        for step in begun.steps:
            if isinstance(step, int):
                begun.place = step
                n_places += 1
                if n_events >= events_max or n_places >= READINGS_PER_EVENT * events_max:
                    return False
            elif isinstance(step, Row):
                n_events += 1
                self._learn(step, begun, loop, errors, counters)
            elif isinstance(step, Command):
                begun.commands.append(step)
            elif isinstance(step, Dropped):
                question = step.question
                payload = _encode({"x": question.x, "id": question.id, "time": question.time})
                text = f"The event at {question.time!r} was not learned: {step.reason}."
                begun.add("unlabelled", text, payload, counters)
            else:
                begun.add(step.reason, step.error, begun.message.payload, counters)
        return True

    def _learn(
        self, row: Row, begun: BegunMessage, loop: LearningLoop, errors: Prequential, counters: Counter[str]
    ) -> None:
        if self.on_row is not None:
            self.on_row(row)
        message = begun.message
        # Without its id: the assembler has recognized what came twice, and joined what belongs together.
        piece = Piece([(0, FeatureEvent(row.x, row.y, None))], [], False, row.earlier)
        found = loop.run(piece, message.payload, message.topic, False, errors, counters, sys.maxsize)
        if found:
            answer = found[0]
            if not counters["events_learned"] and row.last_value is not None:
                # A learner without labels knows less of the future than the present does.
                answer = msgspec.structs.replace(answer, prediction=row.last_value)
            row.prediction = answer.prediction
            begun.answers.append(msgspec.structs.replace(answer, id=row.id, time=row.time))
        for fault in piece.rejected:
            begun.add(fault.error.reason, str(fault.error), fault.payload, counters)

    def read(self, message: Message) -> Iterator[Event]:
        """Events of a message as they are learned, or asked, with no learner: each prediction is 0."""
        counters: Counter[str] = Counter()
        for step in self._run(message, counters):
            if isinstance(step, Row):
                step.prediction = 0.0
                yield FeatureEvent(step.x, step.y, step.id)

    def _run(self, message: Message, counters: Counter[str], done: int | None = None) -> Iterator[Step | int]:
        """What follows from a message, unless it is too long to be decoded."""
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


def event_reader(payload_format: Format, assembling: Assembling | None) -> Callable[[Message], Iterable[Event]]:
    """Function that reads the events of messages that can be predicted, in order, without doing so or learning them.

    With inputs it is an assembler that has seen nothing, so that its first events may lack features.

    Args:
        payload_format: Payload format of the engine.
        assembling: What the engine assembles events with; None for an engine of whole events.
    """
    if assembling is not None:
        limits = payload_format.payload_bytes_max, payload_format.events_per_message_max
        return Assembling(assembling.settings, *limits).read

    def read(message: Message) -> Iterable[Event]:
        for piece in payload_format.read(message.payload):
            yield from (event for _, event in piece.events if not isinstance(event, ItemEvent))

    return read
