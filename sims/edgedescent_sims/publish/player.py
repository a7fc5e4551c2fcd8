"""Playing a scenario: publishing its events in their pace and reading the answers of a device."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import msgspec

from edgedescent.errors import TransportError
from edgedescent_sims.publish.answers import AnswerBook
from edgedescent_sims.publish.device import Device
from edgedescent_sims.publish.listening import ListeningPublisher
from edgedescent_sims.scenarios.scenario import Scenario
from edgedescent_sims.simulate.progressive import Scored
from edgedescent_sims.simulate.run import CandidateRun, RunScores

_WAIT_S = 0.05
_STATUS_S = 0.5
"""Longest wait for the retained status of the device."""
_PROGRESS_S = 0.1


class ScenarioPlayer:
    """Publishes the events of a scenario and reads the answers, in turns, on one thread.

    Args:
        scenario: The scenario.
        publisher: Connection to the broker.
        device: The device.
        prefix: Text before the number in the event ids.
        pace: Delays between the events.
        unanswered_max: Most messages that may be published beyond the oldest one without an answer.
        answer_timeout_s: Longest wait for the next answer.
        on_progress: Called with the number of answers so far.
        on_scored: Called with the scored events, in order.

    Attributes:
        book: Answers so far.
        learned_before: Number of other events, at least, that the device has learned.
    """

    def __init__(
        self,
        scenario: Scenario,
        publisher: ListeningPublisher,
        device: Device,
        prefix: str,
        *,
        pace: ArrivalPace,
        unanswered_max: int,
        answer_timeout_s: float,
        on_progress: Callable[[int], None],
        on_scored: Callable[[Scored], None],
    ) -> None:
        self.book = AnswerBook(prefix)
        self.learned_before = 0
        self.n_unsent = 0
        """Number of answers that were given up with their events, when the device stopped answering."""
        self._scenario = scenario
        self._publisher = publisher
        self._device = device
        self._prefix = prefix
        self._pace = pace
        self._unanswered_max = unanswered_max
        self._timeout_s = answer_timeout_s
        self._on_progress = on_progress
        self._on_scored = on_scored
        self._scores = RunScores(scenario)
        self._state = ""
        self._answered_at = 0.0
        """Time of the latest answer, or since when one is awaited."""
        self._reconnects = 0
        self._progress_due = 0.0

    def play(self) -> None:
        """Publish everything, and read the answers to it."""
        self._require_running()
        encode = msgspec.json.Encoder().encode
        batches = iter(self._scenario.stream.batches())
        for batch in batches:
            steps = zip(self.book.open(batch), batch.events(self._prefix), batch.arrival.tolist(), strict=True)
            for is_answered, event, arrival in steps:
                if not self._await_turn(arrival):
                    self.n_unsent = is_answered + sum(answered for answered, _, _ in steps)
                    self.n_unsent += sum(sum(self.book.open(later)) for later in batches)
                    return
                self._publisher.send(encode(event))
                self._mark_sent(is_answered)
                if self._publisher.inbox:
                    self._read()
        self._publisher.drain()
        self._read()
        while self.book.n_unanswered and self._still_answers():
            self._publisher.pump(_WAIT_S)
            self._read()

    def finish(self, us_per_event: float) -> CandidateRun:
        """Score what is left, and put the scores together."""
        for scored in self.book.rest():
            self._score(scored)
        return self._scores.finish(
            self._device.learner, n_events=self.book.n_expected + self.n_unsent, us_per_event=us_per_event
        )

    def _mark_sent(self, is_answered: bool) -> None:
        if is_answered and not self.book.n_unanswered:
            self._answered_at = time.monotonic()
        self.book.sent(is_answered)

    def _await_turn(self, arrival: float) -> bool:
        """Wait until the next event may be published; returns False if the device answers no more."""
        while self.book.n_ahead >= self._unanswered_max:
            self._publisher.pump(_WAIT_S)
            self._read()
            if not self._still_answers():
                return False
        while (delay_s := self._pace.delay_s(arrival)) > 0:
            self._publisher.pump(min(delay_s, _WAIT_S))
            self._read()
            if not self._still_answers():
                return False
        return True

    def _still_answers(self) -> bool:
        """Return True while an answer may come.

        Raises:
            TransportError: If none ever came.
        """
        now = time.monotonic()
        if self._publisher.reconnects != self._reconnects:
            # The device may have lost its connection too.
            self._reconnects, self._answered_at = self._publisher.reconnects, now
        if not self.book.n_unanswered or now - self._answered_at <= self._timeout_s:
            return True
        if self.book.n_answered:
            return False
        raise TransportError(
            f"{self._device.name} has answered nothing on {self._device.predictions} for {self._timeout_s:g} s.",
            self._silence_hint(),
        )

    def _silence_hint(self) -> str:
        if self._publisher.messages_unheard:
            return f"Nobody reads {self._device.events}. Start the device, or name it with --device."
        return (
            f"Does it read {self._device.events}? A device that has learned these events before leaves them out: "
            "give another --id-prefix, or the device a new state folder."
        )

    # --- What arrives ---------------------------------------------------------------------------------------------

    def _require_running(self) -> None:
        """Wait a moment for the retained status, and refuse a device that is not running.

        Raises:
            TransportError: If it is stopped or offline.
        """
        until = time.monotonic() + _STATUS_S
        while not self._state and time.monotonic() < until:
            self._publisher.pump(_WAIT_S)
            self._read()
        if self._state in ("stopped", "offline"):
            raise TransportError(
                f"The device {self._device.name} is {self._state}.", "Start it: edgedescent run CONFIG"
            )
        self._answered_at = time.monotonic()

    def _read(self) -> None:
        inbox = self._publisher.inbox
        arrived, inbox[:] = list(inbox), []
        for topic, payload in arrived:
            if topic == self._device.predictions:
                self._read_answer(payload)
            elif topic == self._device.metrics:
                learned = _field(payload, "events_learned")
                # Those of this replay are not more than were published with a label.
                self.learned_before = max(self.learned_before, int(learned or 0) - self.book.n_labelled)
            elif topic == self._device.status:
                self._state = str(_field(payload, "state") or "")

    def _read_answer(self, payload: bytes) -> None:
        before = self.book.n_answered
        try:
            self.book.receive(payload)
        except msgspec.DecodeError as error:
            raise TransportError(
                f"{self._device.predictions} holds something else than predictions: {error}.",
                "Is it the topic of the predictions?",
            ) from error
        if self.book.n_answered == before:
            return
        now = time.monotonic()
        self._answered_at = now
        for scored in self.book.complete():
            self._score(scored)
        if now >= self._progress_due:
            self._progress_due = now + _PROGRESS_S
            self._on_progress(self.book.n_answered)

    def _score(self, scored: Scored) -> None:
        self._scores.update(scored)
        self._on_scored(scored)


class ArrivalPace:
    """Delays that play arrivals back in real time, or faster by a factor.

    After a stall the pace goes on from there, without a burst.
    """

    _BURST_S = 0.5

    def __init__(self, speed: float | None) -> None:
        self._speed = speed
        self._latest: float | None = None
        self._due = 0.0

    def delay_s(self, arrival: float) -> float:
        """Seconds until the event that arrives at this time is due."""
        if self._speed is None or not math.isfinite(arrival):
            return 0.0
        now = time.monotonic()
        if self._latest is None:
            self._latest, self._due = arrival, now
        elif arrival > self._latest:
            self._due = max(self._due + (arrival - self._latest) / self._speed, now - self._BURST_S)
            self._latest = arrival
        return self._due - now


def _field(payload: bytes, name: str) -> Any:
    """Field of a JSON object; None if there is none."""
    try:
        found = msgspec.json.decode(payload)
    except msgspec.DecodeError:
        return None
    return found.get(name) if isinstance(found, dict) else None
