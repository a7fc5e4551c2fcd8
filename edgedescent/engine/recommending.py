"""Recommendations of the engine: answers to requests, lists after events, and their prequential scores."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from edgedescent.engine.begun import BegunMessage, Handled
from edgedescent.engine.item_attributes import ItemAttributes
from edgedescent.engine.messages import Effect, Message, Recommendations, RecommendedItems, RefusedRequest
from edgedescent.engine.requests import Request, id_of, read_request, split
from edgedescent.engine.settings import RecommendSettings
from edgedescent.errors import InvalidEventError
from edgedescent.evaluation.popularity import PopularityBaseline
from edgedescent.evaluation.ranking import PrequentialRanking
from edgedescent.formats import RatingEvent
from edgedescent.learners.recommender import Recommender

if TYPE_CHECKING:
    from edgedescent.engine.heads import Heads

_POPULARITY = "ranking.popularity."
_encode = msgspec.json.Encoder().encode


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

    def proceed(self, heads: Heads, events_max: int) -> bool:  # noqa: ARG002 - nothing is learned
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


class Recommending:
    """Recommends items from what an engine has learned, with the attributes that are known of them.

    Neither a request nor a list changes what is learned. Of the choices, one in `score_every` is scored: the list of
    its user is made before it is learned. A choice of an item that lists leave out, because it is withdrawn or the user
    had it, is not.

    Args:
        settings: The settings.
        learner: The recommender of the engine.
        counters: Counters of the engine, which are updated.

    Attributes:
        settings: The settings.
        scores: Prequential scores of the lists.
        popularity: Popularity as a baseline of the same choices.
        attributes: Attributes of the items.
    """

    def __init__(self, settings: RecommendSettings, learner: Recommender, counters: Counter[str]) -> None:
        self.settings = settings
        self._learner = learner
        self._counters = counters
        self.scores = PrequentialRanking(settings.k)
        self.popularity = PopularityBaseline(settings.k)
        self._popular = False
        """Whether the item of the event at hand is among the most popular ones."""
        self.attributes = ItemAttributes(settings.attributes_max)
        self._scored: list[str] | None = None
        """List that the event at hand scores; None if it scores none."""
        self._lists: list[RecommendedItems] = []
        """Lists after events of the message at hand."""

    def configure(self, settings: RecommendSettings) -> None:
        """Change the settings; with another `k` the scores begin anew."""
        if settings.k != self.settings.k:
            self.scores = PrequentialRanking(settings.k)
            self.popularity = PopularityBaseline(settings.k)
        self.attributes.items_max = settings.attributes_max
        self.settings = settings

    # --- Events ---------------------------------------------------------------------------------------------------

    def before(self, event: RatingEvent, y: float) -> None:
        """Make the list that an event scores, if it does; called before it is learned.

        Args:
            event: The event.
            y: Its label.
        """
        self._scored = None
        settings, scores = self.settings, self.scores
        if not settings.score_every or not self._is_choice(y) or (scores.n_choices + 1) % settings.score_every:
            return
        if not self._learner.is_available(event.item):
            return
        if settings.exclude_seen and not self._learner.recommend(event.user, 1, among=[event.item], exclude_seen=True):
            return
        self._scored = self._best(event.user, settings.k, exclude_seen=settings.exclude_seen)
        self._popular = self.popularity.is_hit(str(event.item), partial(self._count_allowed, event.user))

    def _count_allowed(self, user: str | int, items: tuple[str, ...]) -> int:
        """Number of some items that lists of a user may hold."""
        if not self.settings.exclude_seen:
            return sum(map(self._learner.is_available, items))
        return len(self._learner.recommend(user, len(items), among=items, exclude_seen=True))

    def learned(self, event: RatingEvent, y: float) -> None:
        """Score the list of `before`, and make the one that follows, if they are wanted; called once it is learned."""
        settings = self.settings
        if self._is_choice(y):
            self.scores.n_choices += 1
            if self._scored is not None:
                self.scores.update(self._scored, str(event.item))
                self.popularity.score(self._popular)
            if settings.score_every:
                self.popularity.learn(str(event.item))
        if settings.after == "event":
            items = self._best(event.user, settings.k, exclude_seen=settings.exclude_seen)
            self._lists.append(self._list(event.user, items, event.id, attributes=settings.attributes))
            self._counters["recommendations"] += 1

    def note_attributes(self, item: str | int, x: dict[str, Any]) -> None:
        """Replace the attributes of an item.

        Raises:
            InvalidEventError: If they are too long.
        """
        self.attributes.set(item, x)

    def _is_choice(self, y: float) -> bool:
        least = self.settings.likes_from
        return y > 0 if least is None else y >= least

    def _list(
        self, user: str | int, items: list[str], list_id: str | int | None, *, attributes: bool, reasons: bool = False
    ) -> RecommendedItems:
        return RecommendedItems(
            user,
            items,
            list_id,
            self.attributes.of(items) if attributes else None,
            [list(self._learner.reasons(user, item)) for item in items] if reasons else None,
        )

    def take_effects(self, *, is_array: bool) -> list[Effect]:
        """Lists after events since the last call, to be published.

        Args:
            is_array: True if the message of the events held an array.
        """
        lists, self._lists = self._lists, []
        if not lists:
            return []
        if self.settings.retain:
            # A retained list replaces the one before: only the last one of each user counts.
            last = {str(one.user): one for one in lists}
            return [Recommendations(_encode(one), user=user) for user, one in last.items()]
        return [Recommendations(_encode(lists if is_array else lists[0]))]

    # --- Requests -------------------------------------------------------------------------------------------------

    def begin(self, message: Message, done: Handled, payload_bytes_max: int) -> BegunRequests:
        """Begin a message of requests.

        Args:
            message: The message.
            done: Part that was handled before.
            payload_bytes_max: Largest payload that is read.
        """
        return BegunRequests(message, done, self._counters, self, payload_bytes_max)

    def answer(self, request: Request) -> RecommendedItems:
        """Recommend what a request asks for.

        Raises:
            InvalidEventError: If it asks for more items than there are.
        """
        wanted = self.settings.attributes if request.attributes is None else request.attributes
        items = self._items(request)
        answer = self._list(request.user, items, request.id, attributes=wanted, reasons=request.reasons)
        self._counters["recommendations"] += 1
        return answer

    def _items(self, request: Request) -> list[str]:
        settings = self.settings
        k = settings.k if request.k is None else request.k
        exclude_seen = settings.exclude_seen if request.exclude_seen is None else request.exclude_seen
        items = self._best(request.user, k, request.exclude, among=request.among, exclude_seen=exclude_seen)
        if request.k is not None and len(items) < k:
            # Counting what is available takes long, so that it is done only here.
            known = (
                self._learner.n_available
                if request.among is None
                else sum(map(self._learner.is_available, set(map(str, request.among))))
            )
            if k > known:
                raise InvalidEventError("out_of_range", f"`k` is {k}: expected at most the {known} items there are.")
        return items

    def _best(
        self,
        user: str | int,
        k: int,
        exclude: tuple[str | int, ...] = (),
        *,
        among: tuple[str | int, ...] | None = None,
        exclude_seen: bool,
    ) -> list[str]:
        """The best items, with the diversity of the settings."""
        settings = self.settings
        return self._learner.recommend(
            user,
            k,
            exclude,
            among=among,
            exclude_seen=exclude_seen,
            categories=None if settings.category is None else self.attributes.categories(settings.category),
            per_category=settings.per_category,
            diversity=settings.diversity,
        )

    # --- Metrics and state ----------------------------------------------------------------------------------------

    def summary(self) -> dict[str, float]:
        """Scores so far by name."""
        return {**self.scores.summary(self._learner.n_items), **self.popularity.summary()}

    def save(self) -> dict[str, Any]:
        """State as named arrays."""
        return {
            **{f"ranking.{name}": value for name, value in self.scores.save().items()},
            **{f"{_POPULARITY}{name}": value for name, value in self.popularity.save().items()},
            **self.attributes.save(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restore what `save` returned.

        Raises:
            ValueError: If it belongs to lists of another length, or no scores saved it.
            KeyError: If it is incomplete.
        """
        self.scores.restore({name: state[f"ranking.{name}"] for name in ("sums", "lists", "choices")})
        own = {name.removeprefix(_POPULARITY): value for name, value in state.items() if name.startswith(_POPULARITY)}
        # States of earlier versions have none.
        if own:
            self.popularity.restore(own)
        self.attributes.restore(state)
