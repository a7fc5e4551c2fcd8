"""The engine: a deterministic state machine. A message goes in, effects come out; it does no I/O.

The daemon, crash recovery, the export of snapshots and the simulators all run this same code, so the same messages
in the same order give the same bits everywhere.
"""

from __future__ import annotations

from collections import Counter
from operator import itemgetter
from typing import Any, TypeGuard

import msgspec
import numpy as np

from edgedescent.engine._dedup_window import DedupWindow
from edgedescent.engine._fast_path import FastPath
from edgedescent.engine._redelivery_window import RedeliveryWindow
from edgedescent.engine.messages import DeadLetter, Effect, FeatureEvent, Message, Prediction, Predictions
from edgedescent.engine.rate_limit import RateLimit
from edgedescent.errors import InvalidEventError, StateError, TooDeepError, TooLargeError
from edgedescent.evaluation._prequential import Prequential
from edgedescent.formats.json import Decoder, Piece, Rejected, is_array
from edgedescent.learners import Learner
from edgedescent.learners._feature_learner import CompiledFeatureLearner

DEAD_LETTERS_PER_MESSAGE_MAX = 100
"""More say nothing new: the rest of an array is counted, also as ``dead_letters_unkept``, but not kept."""
DEAD_PAYLOAD_MAX = 16_384
"""A dead letter keeps no more of its payload, so that a flood of large ones cannot fill the disk."""

_REASONS: dict[type[Exception], str] = {TooLargeError: "too_large", TooDeepError: "too_deep"}

_encode = msgspec.json.Encoder().encode


class Engine:
    """Learns from messages one at a time, in order.

    Args:
        learner: what predicts and learns.
        dedup_window: how many learned event ids are remembered to recognize repeats.
        redelivery_window: how many messages are remembered to recognize what the broker sends again, where events
            have no ids.
        events_per_second_max: how many events of one topic are used in a second; as many as come where it is None.
        payload_bytes_max: longer messages become dead letters.
        events_per_message_max: messages with more events become dead letters.

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
        dedup_window: int = 65_536,
        redelivery_window: int = 4096,
        events_per_second_max: float | None = None,
        payload_bytes_max: int = 1_048_576,
        events_per_message_max: int = 10_000,
    ) -> None:
        self.learner: Any = learner
        self.position = 0
        self.counters: Counter[str] = Counter()
        self.errors = Prequential()
        self._seen = DedupWindow(dedup_window)
        self._redeliveries = RedeliveryWindow(redelivery_window)
        self._limit = None if events_per_second_max is None else RateLimit(events_per_second_max)
        self._decoder = Decoder(
            learner.input_kind, payload_bytes_max=payload_bytes_max, events_per_message_max=events_per_message_max
        )
        self._plain: FastPath | None = None
        # Whatever is written in Python is to be called, and events are to be counted by topic one by one.
        if self._limit is None and _is_compiled(learner):
            self._plain = FastPath(learner, self._seen, payload_bytes_max, events_per_message_max)

    def handle(self, message: Message) -> list[Effect]:
        """Predict and learn what a message holds.

        Events whose id was already learned are counted as ``duplicates`` and left alone, and so are events without an
        id in a message that the broker says it sends again, and that is remembered. An event without `y` is only
        predicted, whatever its id, so that its label may follow under the same id.

        Raises:
            ValueError: if the message does not follow the one before it.
        """
        if message.position != self.position + 1:
            raise ValueError(f"Message {message.position} does not follow message {self.position}.")
        self.position = message.position
        self.counters["messages"] += 1
        again = message.duplicate and self._is_redelivered(message)
        if message.packet_id and not again:
            self._redeliveries.add(message.packet_id, message.topic, message.payload)
        if self._plain is not None and self._plain.read(message.payload):
            return self._learn_plain(self._plain, message, again)
        answers: list[bytes] = []
        letters: list[Effect] = []
        for piece in self._decoder.decode(message.payload):
            events, rejected = piece if self._limit is None else self._admitted(piece, message, self._limit)
            answered = self._predict_learn_each(events, rejected, message, again)
            if answered:
                answers.append(_encode(answered)[1:-1])
            if rejected and not again:
                self._add_letters(letters, message, rejected)
        if not answers:
            return letters
        answer = b",".join(answers)
        return [Predictions(b"[%b]" % answer if is_array(message.payload) else answer), *letters]

    def _learn_plain(self, plain: FastPath, message: Message, again: bool) -> list[Effect]:
        """What `handle` does, for a message whose events are plain."""
        answers: list[Prediction] = []
        rejected: list[Rejected] = []
        while True:
            plain.learn(again, self.errors, answers)
            if plain.n_learned:
                self.counters["events_learned"] += plain.n_learned
            if plain.n_repeats or plain.n_redelivered:
                self._count_duplicates(plain.n_repeats, plain.n_redelivered)
            if plain.is_done:
                break
            index, text = plain.take_unusual()
            event = self._decoder.decode_one(text)
            if isinstance(event, InvalidEventError):
                rejected.append((index, event, text))
            else:
                answers += self._predict_learn_each([(index, event)], rejected, message, again)
        letters: list[Effect] = []
        if rejected and not again:
            self._add_letters(letters, message, rejected)
        if not answers:
            return letters
        return [Predictions(_encode(answers if plain.is_array else answers[0])), *letters]

    def _count_duplicates(self, by_id: int, redelivered: int) -> None:
        counters = self.counters
        counters["duplicates"] += by_id + redelivered
        if by_id:
            counters["duplicates.id"] += by_id
        if redelivered:
            counters["duplicates.redelivered"] += redelivered

    def _predict_learn_each(
        self, events: list[tuple[int, Any]], rejected: list[Rejected], message: Message, again: bool
    ) -> list[Prediction]:
        """The answers to the events of one piece; those that the learner refuses go to the rejected ones."""
        answers = []
        for index, event in events:
            try:
                answer = self._predict_learn(event, again)
            except (ValueError, TypeError) as error:
                reason = _REASONS.get(type(error), "wrong_type")
                payload = _encode(event) if is_array(message.payload) else message.payload
                rejected.append((index, InvalidEventError(reason, str(error)), payload))
                continue
            if answer is not None:
                answers.append(answer)
        return answers

    def _is_redelivered(self, message: Message) -> bool:
        """Whether a message that the broker says to send again was handled before."""
        known = message.packet_id > 0 and self._redeliveries.holds(message.packet_id, message.topic, message.payload)
        if known:
            self.counters["messages_redelivered"] += 1
        return known

    def _admitted(self, piece: Piece, message: Message, limit: RateLimit) -> Piece:
        """As many events as a message's topic may still bring; the others are counted as ``rate_limited``."""

        def take() -> bool:
            if limit.take(message.topic, message.received_at):
                return True
            self.counters["rate_limited"] += 1
            return False

        events, rejected = piece
        return [pair for pair in events if take()], [fault for fault in rejected if take()]

    def _add_letters(self, letters: list[Effect], message: Message, rejected: list[Rejected]) -> None:
        """Count what is rejected of one piece of a message, and add its letters to those of the pieces before."""
        counters = self.counters
        counters["dead_letters"] += len(rejected)
        for _, fault, _ in rejected:
            counters[f"dead_letters.{fault.reason}"] += 1
        room = DEAD_LETTERS_PER_MESSAGE_MAX - len(letters)
        if len(rejected) > room:
            counters["dead_letters_unkept"] += len(rejected) - room
        letters += [
            DeadLetter(
                position=message.position,
                index=index,
                received_at=message.received_at,
                topic=message.topic,
                reason=fault.reason,
                error=str(fault),
                payload=payload[:DEAD_PAYLOAD_MAX],
            )
            for index, fault, payload in sorted(rejected, key=itemgetter(0))[:room]
        ]

    def skip_to(self, position: int) -> None:
        """Go on behind `position` without the messages up to it, which are lost; they are counted.

        Raises:
            ValueError: if they were handled already.
        """
        if position < self.position:
            raise ValueError(f"Message {position} was handled before message {self.position}.")
        self.counters["messages_lost"] += position - self.position
        self.position = position

    def _predict_learn(self, event: Any, again: bool) -> Prediction | None:
        counters, learner, y = self.counters, self.learner, event.y
        if y is None:
            counters["events_predicted"] += 1
            if type(event) is FeatureEvent:
                return Prediction(learner.predict_one(event.x), event.id)
            return Prediction(learner.predict_one(event.user, event.item), event.id)
        key = None if event.id is None else str(event.id)
        if again if key is None else key in self._seen:
            self._count_duplicates(by_id=key is not None, redelivered=key is None)
            return None
        if type(event) is FeatureEvent:
            prediction = learner.predict_learn_one(event.x, y)
        else:
            prediction = learner.predict_learn_one(event.user, event.item, y)
        if key is not None:
            self._seen.add(key)
        self.errors.update(y, prediction)
        counters["events_learned"] += 1
        return Prediction(prediction, event.id, y)

    def metrics(self) -> dict[str, float | int]:
        """Counters and prequential errors so far."""
        always = ("messages", "events_learned", "events_predicted", "duplicates", "dead_letters", "rate_limited")
        return {**dict.fromkeys(always, 0), **self.counters, **self.learner.counts(), **self.errors.summary()}

    def state_dict(self) -> dict[str, Any]:
        """Everything that decides how the engine goes on, as named arrays and lists."""
        limit = {} if self._limit is None else self._limit.save()
        return {
            **limit,
            **{f"learner.{name}": value for name, value in self.learner.state_dict().items()},
            "errors": self.errors.save(),
            "seen": self._seen.save(),
            "seen_total": np.array([self._seen.n_added], dtype=np.int64),
            "redeliveries": self._redeliveries.save(),
            "redeliveries_total": np.array([self._redeliveries.n_added], dtype=np.int64),
            "counter_names": list(self.counters),
            "counters": np.array(list(self.counters.values()), dtype=np.int64),
            "position": np.array([self.position], dtype=np.int64),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the state that `state_dict` returned.

        Raises:
            StateError: if it lacks something or belongs to another learner.
        """
        prefix = "learner."
        try:
            self.learner.load_state_dict({k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)})
            self.errors.restore(state["errors"])
            self._seen.restore(state["seen"], int(state["seen_total"][0]))
            self._redeliveries.restore(state["redeliveries"], int(state["redeliveries_total"][0]))
            if self._limit is not None and "sources" in state:
                self._limit.restore(state["sources"], state["sources_left"])
            self.counters = Counter(dict(zip(state["counter_names"], state["counters"].tolist(), strict=True)))
            self.position = int(state["position"][0])
        except (KeyError, ValueError) as error:
            raise StateError(
                f"The saved state does not fit this configuration: {error}",
                "It was written by another learner or version; use another state folder for a new model.",
            ) from error


def _is_compiled(learner: Learner) -> TypeGuard[CompiledFeatureLearner]:
    """Whether neither the learner nor its optimizer does anything in Python when it learns."""
    method = getattr(type(learner), "predict_learn_one", None)
    return method is CompiledFeatureLearner.predict_learn_one and learner.optimizer.rule != "python"
