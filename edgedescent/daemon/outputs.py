"""Outputs of the daemon: answers, alarms, model cards, metrics, status, within what the broker takes; dead letters."""

from __future__ import annotations

import json
import logging
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from edgedescent.config import OUTPUTS, Config, answer_template
from edgedescent.daemon import logs
from edgedescent.daemon.answers import AnswerHold, Answers, Destination
from edgedescent.daemon.clock import Clock
from edgedescent.daemon.details import DEAD_LETTERS_MAX
from edgedescent.daemon.home_assistant import discovery_messages
from edgedescent.daemon.snapshot_job import ModelCards
from edgedescent.drift.alarm import decode
from edgedescent.engine.messages import DeadLetter, DriftAlarm, Effect, Message, Predictions, Recommendations
from edgedescent.formats import Command
from edgedescent.interfaces import Transport
from edgedescent.state.store import Store

log = logging.getLogger(__name__)

ALARMS_BYTES_MAX = 65_536
"""Size of the drift alarms that wait for a connection; beyond it the oldest are dropped."""
PROPERTY_BYTES = 8
"""Size of what comes before the correlation data of a message."""


class Outputs:
    """Carries out the effects of the engine, and publishes.

    Args:
        config: The configuration.
        transport: Publishes.
        store: Keeps the dead letters.
        clock: The clock.

    Attributes:
        answers: Queue of the answers: predictions and recommended items.
        alarms: Queue of the drift alarms.
        dead_letters: The newest dead letters since the start.
    """

    def __init__(self, config: Config, transport: Transport, store: Store, clock: Clock) -> None:
        self._transport = transport
        self._store = store
        self._clock = clock
        self._topics = {name: config.topic(name) for name in OUTPUTS}
        self._template = answer_template(config)
        own_topics = config.output_topics()
        self._lists_topic = own_topics.get("recommend.responses", "")
        self._own_topics = frozenset(own_topics.values())
        self._predictions, self._drift = Destination(self._topics["predictions"]), Destination(self._topics["drift"])
        self.answers = Answers(self._send_answers, config.limits.answers_bytes_max)
        self.alarms = Answers(self._send_answers, ALARMS_BYTES_MAX)
        self.dead_letters: deque[DeadLetter] = deque(maxlen=DEAD_LETTERS_MAX)
        self._refused = 0
        """Number of answers whose request named a topic that nothing is published to."""
        self._hold = AnswerHold(self.answers)
        self._too_large: Counter[str] = Counter()
        """Number of messages not sent because of their size, by output."""
        self._model_cards: bytes | None = None
        """Model card of a new snapshot that is not published yet."""
        self._discovery = discovery_messages(config)
        self._announced = 0
        """Number of messages of the discovery that were published over this connection."""

    # --- Effects --------------------------------------------------------------------------------------------------

    def apply(self, message: Message, effects: Sequence[Effect]) -> bool:
        """Publish the predictions, recommended items, alarms and commands of a message, and keep its dead letters.

        Returns:
            False if so many answers wait that no more messages should be learned.
        """
        n_dead_letters = 0
        for effect in effects:
            if isinstance(effect, Predictions):
                # If the answer was what ended the connection before, it must not prevent the acknowledgement again.
                if self._template is None:
                    self.answers.send(message.position, effect.payload, self._predictions, held=message.duplicate)
                    continue
                for topic, payload in self._template.render(effect.payload):
                    self.answers.send(
                        message.position, payload, Destination(topic, is_whole=True), held=message.duplicate
                    )
                continue
            if isinstance(effect, Recommendations):
                if (to := self._destination(effect)) is not None:
                    self.answers.send(message.position, effect.payload, to, held=message.duplicate)
                continue
            if isinstance(effect, DriftAlarm):
                # Once its message is durable, so that no other message can get the same number after a crash.
                self.alarms.send(message.position, effect.payload, self._drift, held=True)
                _log_alarm(effect)
                continue
            if isinstance(effect, Command):
                self._send_command(effect)
                continue
            self._store.add_dead_letter(effect)
            self.dead_letters.append(effect)
            n_dead_letters += 1
            # A message may hold thousands of dead letters: only the first one is logged.
            if n_dead_letters == 1:
                _log_dead_letter(effect)
        if n_dead_letters > 1:
            log.warning(
                "Message %d from %r has %d dead letters; only the first one is logged.",
                message.position,
                message.topic,
                n_dead_letters,
            )
        return not self.answers.is_full or not self._transport.connected or self._hold.given_up

    def flush(self) -> None:
        """Publish the answers of the batch at hand."""
        self.answers.flush()

    def holds(self) -> bool:
        """True while learning must wait, because answers cannot be sent as fast as they are made."""
        return self._transport.connected and self._hold.is_on(self._clock.monotonic())

    def keep(self, position: int, effect: Predictions | Recommendations | DriftAlarm | Command) -> None:
        """Queue the answer or alarm of a message that was processed again; a command of then is not sent."""
        if isinstance(effect, DriftAlarm):
            self.alarms.keep(position, effect.payload, self._drift)
        elif isinstance(effect, Predictions) and self._template is not None:
            for own, payload in self._template.render(effect.payload):
                self.answers.keep(position, payload, Destination(own, is_whole=True))
        elif isinstance(effect, Predictions):
            self.answers.keep(position, effect.payload, self._predictions)
        elif isinstance(effect, Recommendations) and (to := self._destination(effect)) is not None:
            self.answers.keep(position, effect.payload, to)

    def _send_command(self, command: Command) -> None:
        """Publish a command to a device, or drop it: whoever gave it gives it again if nothing comes of it."""
        if self._transport.publish(command.topic, command.payload):
            log.info("A command was sent to %s.", logs.cut(ascii(command.topic), 100))
        else:
            log.warning("A command to %s was not sent.", logs.cut(ascii(command.topic), 100))

    def _destination(self, effect: Recommendations) -> Destination | None:
        """Destination of recommended items; None where their request names a topic that nothing is published to."""
        if effect.user:
            # Ids may hold what separates the levels of a topic.
            return Destination(f"{self._lists_topic}/{quote(effect.user, safe='')}", retain=True)
        topic = effect.response_topic
        if not topic or topic == self._lists_topic:
            return Destination(self._lists_topic, correlation=effect.correlation)
        is_own = topic in self._own_topics or (self._template is not None and self._template.is_own(topic))
        if not is_own and self._transport.is_response_topic(topic):
            return Destination(topic, correlation=effect.correlation)
        self._refused += 1
        if self._refused == 1:
            log.warning(
                "A request names the response topic %s, which is the device's own or none: it is not answered, nor are "
                "later ones of that kind.",
                logs.cut(ascii(topic), 100),
            )
        return None

    @property
    def first_waiting(self) -> int | None:
        """Position of the oldest message whose answer or alarm waits; None if none does."""
        answer, alarm = self.answers.first_waiting, self.alarms.first_waiting
        if answer is None or alarm is None:
            return alarm if answer is None else answer
        return min(answer, alarm)

    def announce(self) -> None:
        """Publish what Home Assistant discovers the device by, once for each connection: a broker may forget it."""
        if not self._transport.connected:
            self._announced = 0
        while self._transport.connected and self._announced < len(self._discovery):
            if not self._transport.publish(*self._discovery[self._announced], retain=True):
                return
            self._announced += 1

    def send_waiting(self) -> None:
        """Send what waits for a connection: answers, alarms and the model cards of new snapshots."""
        answers = self.answers
        answers.flush()
        answers.payload_bytes_max = self._transport.payload_bytes_max(self._topics["predictions"])
        answers.send_waiting(self._store.last_position)
        self.alarms.send_waiting(self._store.last_position)
        if answers.too_large and not self._too_large["predictions"]:
            self._too_large["predictions"] = 1
            log.warning(
                "The broker takes messages of at most %d bytes: the answer to one event is larger and not sent.",
                answers.payload_bytes_max,
            )
        if self._model_cards is not None and self.publish("snapshots", self._model_cards, retain=True):
            self._model_cards = None

    # --- Publishing -----------------------------------------------------------------------------------------------

    def publish_model_cards(self, model_cards: ModelCards) -> None:
        """Publish the model card of a new snapshot, or those of several horizons, as soon as there is a connection."""
        self._model_cards = json.dumps(model_cards).encode()

    def publish_status(self, payload: bytes) -> bool:
        """Publish the retained status; returns False if it cannot be sent now."""
        return self.publish("status", payload, retain=True)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        """Publish to one of the daemon's topics; returns False if it cannot be sent now."""
        name = self._topics[topic]
        if self._is_too_large(topic, name, len(payload)):
            # Waiting would not make it smaller.
            return True
        return self._transport.publish(name, payload, retain=retain)

    def _send_answers(self, payloads: Sequence[bytes], to: Destination) -> int:
        """Publish answers or alarms; returns the number of those that can be sent now, the first ones."""
        if to is self._predictions:
            # These are split where they are too large.
            return self._transport.publish_many(to.topic, payloads)
        for n, payload in enumerate(payloads):
            if not self._send_answer(payload, to):
                return n
        return len(payloads)

    def _send_answer(self, payload: bytes, to: Destination) -> bool:
        """Publish an answer or alarm; returns False if it cannot be sent now."""
        if to is self._drift:
            return self.publish("drift", payload)
        size = len(payload) + (len(to.correlation) + PROPERTY_BYTES if to.correlation else 0)
        if self._is_too_large("answers", to.topic, size):
            # Waiting would not make it smaller.
            return True
        return self._transport.publish(to.topic, payload, retain=to.retain, correlation=to.correlation)

    def _is_too_large(self, kind: str, topic: str, size: int) -> bool:
        """True, and counted, if the broker does not take a message of this size."""
        if size <= (largest := self._transport.payload_bytes_max(topic)):
            return False
        self._too_large[kind] += 1
        if self._too_large[kind] == 1:
            log.warning(
                "The broker takes messages of at most %d bytes on %r: one of %d bytes is not sent, nor are later ones "
                "of that size.",
                largest,
                topic,
                size,
            )
        return True

    def metrics(self) -> dict[str, Any]:
        """Numbers of answers and of messages that could not be sent."""
        answers = self.answers
        too_large = sum(n for topic, n in self._too_large.items() if topic != "predictions")
        return {
            "answers_waiting": len(answers),
            "answers_dropped": answers.dropped,
            "answers_split": answers.split,
            "drift_alarms_dropped": self.alarms.dropped,
            "publications_too_large": answers.too_large + too_large,
            **({"requests_refused": self._refused} if self._lists_topic else {}),
        }


def _log_alarm(effect: DriftAlarm) -> None:
    alarm = decode(effect.payload)
    log.info(
        "Drift alarm %d: the mean of %s is %.6g since event %d, before %.6g.",
        alarm.number,
        ("the error" if alarm.input is None else f"the input {logs.cut(ascii(alarm.input), 100)}")
        + ("" if alarm.horizon_s is None else f" ({alarm.horizon_s:g} s ahead)"),
        alarm.after,
        alarm.since,
        alarm.before,
        extra={"position": alarm.position},
    )


def _log_dead_letter(dead_letter: DeadLetter) -> None:
    log.warning(
        "Dead letter (%s) from %r: %s",
        dead_letter.reason,
        dead_letter.topic,
        dead_letter.error,
        extra={"reason": dead_letter.reason, "position": dead_letter.position, "index": dead_letter.index},
    )
    if log.isEnabledFor(logging.DEBUG):
        log.debug("Its payload: %s", logs.payload(dead_letter.payload))
