"""Events assembled from inputs: each is predicted and learned as soon as it is complete."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from edgedescent.assembly import Assembler, AssemblySettings, Dropped, Row
from edgedescent.assembly.labels import Unusable
from edgedescent.assembly.rows import Step
from edgedescent.engine._loop import LearningLoop
from edgedescent.engine.dead_letters import add_dead_letter
from edgedescent.engine.messages import DeadLetter, Effect, Message, Prediction, Predictions
from edgedescent.evaluation import Prequential
from edgedescent.formats import Event, FeatureEvent, Format, ItemEvent
from edgedescent.formats._cursor import Piece

_encode = msgspec.json.Encoder().encode


class Assembling:
    """Assembler whose events go through the learning loop, one by one, because each may depend on those before.

    Args:
        settings: Settings of the assembler.
        payload_bytes_max: Longer messages become dead letters.

    Attributes:
        settings: The settings.
        assembler: The assembler.
    """

    def __init__(self, settings: AssemblySettings, payload_bytes_max: int) -> None:
        self.settings = settings
        self.assembler = Assembler(settings)
        self._payload_bytes_max = payload_bytes_max
        self.on_row: Callable[[Row], None] | None = None
        """Called with each event before it is predicted; not part of the state."""

    def handle(self, message: Message, loop: LearningLoop, errors: Prequential, counters: Counter[str]) -> list[Effect]:
        """Predict and learn the events that a message completes; returns the effects.

        Args:
            message: The message.
            loop: Predicts and learns.
            errors: Scores each prediction of a learned event.
            counters: Counters, which are updated.
        """
        answers: list[Prediction] = []
        letters: list[DeadLetter] = []
        for step in self._take(message, counters):
            if isinstance(step, Row):
                if self.on_row is not None:
                    self.on_row(step)
                # Without its id: the assembler has recognized what came twice, and joined what belongs together.
                event = FeatureEvent(step.x, step.y, None)
                piece = Piece([(0, event)], [], False, step.earlier)
                found = loop.run(piece, message.payload, message.topic, False, errors, counters, sys.maxsize)
                if found:
                    step.prediction = found[0].prediction
                    answers.append(msgspec.structs.replace(found[0], id=step.id, time=step.time))
                for fault in piece.rejected:
                    add_dead_letter(
                        letters, message, len(letters), fault.error.reason, str(fault.error), fault.payload, counters
                    )
            elif isinstance(step, Dropped):
                question = step.question
                payload = _encode({"x": question.x, "id": question.id, "time": question.time})
                text = f"The event at {question.time!r} was not learned: {step.reason}."
                add_dead_letter(letters, message, len(letters), "unlabelled", text, payload, counters)
            else:
                add_dead_letter(letters, message, len(letters), step.reason, step.error, message.payload, counters)
        effects: list[Effect] = [*letters]
        if answers:
            effects.insert(0, Predictions(_encode(answers if len(answers) > 1 else answers[0])))
        return effects

    def read(self, message: Message) -> Iterator[Event]:
        """Events of a message as they are learned, or asked, with no learner: each prediction is 0."""
        counters: Counter[str] = Counter()
        for step in self._take(message, counters):
            if isinstance(step, Row):
                step.prediction = 0.0
                yield FeatureEvent(step.x, step.y, step.id)

    def _take(self, message: Message, counters: Counter[str]) -> Iterator[Step]:
        """Steps that follow from a message, unless it is too long to be decoded."""
        if len(message.payload) > self._payload_bytes_max:
            text = f"The payload has {len(message.payload)} bytes; at most {self._payload_bytes_max} are taken."
            return iter([Unusable("too_large", text)])
        return self.assembler.take(message.topic, message.payload, message.received_at, counters)

    def save(self, prefix: str) -> dict[str, Any]:
        """State as named arrays."""
        return {f"{prefix}{name}": value for name, value in self.assembler.state_dict().items()}

    def restore(self, state: dict[str, Any], prefix: str) -> None:
        """Restore what `save` returned.

        Raises:
            ValueError: If it belongs to other inputs.
            KeyError: If it is incomplete.
        """
        self.assembler.load_state_dict({name: state[f"{prefix}{name}"] for name in ("clock", "content")})


def event_reader(payload_format: Format, assembling: Assembling | None) -> Callable[[Message], Iterable[Event]]:
    """Function that reads the events of messages that can be predicted, in order, without doing so or learning them.

    With inputs it is an assembler that has seen nothing, so that its first events may lack features.

    Args:
        payload_format: Payload format of the engine.
        assembling: What the engine assembles events with; None for an engine of whole events.
    """
    if assembling is not None:
        return Assembling(assembling.settings, payload_format.payload_bytes_max).read

    def read(message: Message) -> Iterable[Event]:
        for piece in payload_format.read(message.payload):
            yield from (event for _, event in piece.events if not isinstance(event, ItemEvent))

    return read
