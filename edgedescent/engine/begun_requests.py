"""Messages of requests for recommendations that were begun."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from edgedescent.engine.begun import BegunMessage, Handled
from edgedescent.engine.messages import Effect, Message, Recommendations, RecommendedItems, RefusedRequest
from edgedescent.engine.recommending import Recommending
from edgedescent.engine.requests import id_of, read_request, split
from edgedescent.errors import InvalidEventError

if TYPE_CHECKING:
    from edgedescent.engine._loop import LearningLoop


class BegunRequests(BegunMessage):
    """Message of one request or more, which are answered at once.

    A message that is sent again is answered again: a request changes nothing.

    Args:
        message: The message.
        done: Part that was handled before.
        counters: Counters of the engine, which are updated.
        recommending: Answers the requests.
        payload_bytes_max: Largest payload that is read.
    """

    def __init__(
        self,
        message: Message,
        done: Handled,
        counters: Counter[str],
        recommending: Recommending,
        payload_bytes_max: int,
    ) -> None:
        super().__init__(message, done, counters)
        self._recommending = recommending
        self._payload_bytes_max = payload_bytes_max

    def proceed(self, loop: LearningLoop, events_max: int) -> bool:  # noqa: ARG002 - nothing is learned
        """Answer the requests, in order; those that cannot be used become dead letters too."""
        answers: list[RecommendedItems | RefusedRequest] = []
        is_array, payload = False, self.message.payload
        try:
            requests, is_array = split(payload, self._payload_bytes_max)
        except InvalidEventError as error:
            self.add_dead_letter(0, error.reason, str(error), payload)
            answers.append(RefusedRequest(str(error)))
            requests = []
        for index, request in enumerate(requests):
            try:
                answers.append(self._recommending.answer(read_request(request)))
            except InvalidEventError as error:
                self.add_dead_letter(index, error.reason, str(error), request)
                answers.append(RefusedRequest(str(error), id_of(request)))
        self.counters["recommend_requests"] += len(answers)
        if answers:
            self.answer(answers, is_array=is_array)
        return True

    def _to_publish(self, answers: bytes) -> Effect:
        return Recommendations(answers, self.message.response_topic, self.message.correlation)
