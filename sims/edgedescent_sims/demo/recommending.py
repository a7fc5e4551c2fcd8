"""Recommendations of the demo: a newcomer whose lists change with each event, and the hit rate of popularity beside."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, NamedTuple

from edgedescent import DecayedPopularity
from edgedescent.engine.recommending import Recommending
from edgedescent.engine.settings import RecommendSettings
from edgedescent.formats import RatingEvent
from edgedescent.learners import Learner

NEWCOMER = "a newcomer to the demo"
K = 10
"""Number of items of the lists that are scored."""
SCORE_EVERY = 5
SHOWN = 3
"""Number of items of the lists of the newcomer."""
_STEPS = 3
_WINDOW = 5000
"""Number of the last events among which the newcomer's model is found."""


def config(learner: type[Learner]) -> str:
    """Table of the daemon's configuration. What ratings predict is scored by its error, choices by what is found.

    Args:
        learner: Class of the learner.
    """
    score_every = 0 if learner.labels_are_amounts else SCORE_EVERY
    return f"\n[recommend]\nk = {K}\nexclude_seen = true\nscore_every = {score_every}\n"


class Step(NamedTuple):
    """Event of the newcomer, and the list that follows from it."""

    item: str | None
    """Item of the event; None before the first one."""
    items: list[str]
    """Recommended items, the best first."""


def newcomer_events(events: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return events of a new user who likes what one of the others likes best.

    The other is the user with the most of the last events; of these, the ones with the highest labels are taken.

    Args:
        events: Events of the stream, in order.

    Example:
        >>> stream = [{"user": "ann", "item": i, "y": y} for i, y in (("tea", 5.0), ("beer", 1.0), ("jam", 4.0))]
        >>> [event["item"] for event in newcomer_events([*stream, {"user": "bob", "item": "tea", "y": 5.0}])]
        ['tea', 'jam', 'beer']
    """
    last = deque((event for event in events if event.get("y") is not None), maxlen=_WINDOW)
    if not last:
        return []
    ((most_active, _),) = Counter(event["user"] for event in last).most_common(1)
    own = {event["item"]: event["y"] for event in last if event["user"] == most_active}
    best = sorted(own, key=lambda item: -own[item])[:_STEPS]
    return [{"user": NEWCOMER, "item": item, "y": own[item]} for item in best]


def popularity_hit_rate(events: Iterable[Mapping[str, Any]], count: int) -> float | None:
    """Share of the next choices among the items that popularity that forgets recommends; None if none was scored.

    Choices are scored as the daemon scores those of its learner.

    Args:
        events: Events of the stream, in order.
        count: Number of events that were sent.

    Example:
        >>> stream = [{"user": f"u{n}", "item": ("tea", "milk")[n % 2], "y": 1.0} for n in range(100)]
        >>> popularity_hit_rate(stream, 100)
        1.0
    """
    learner = DecayedPopularity()
    settings = RecommendSettings(topic="", k=K, exclude_seen=True, score_every=SCORE_EVERY)
    recommending = Recommending(settings, learner, Counter())
    for event in islice(events, count):
        y = event.get("y")
        if y is None:
            continue
        choice = RatingEvent(user=event["user"], item=event["item"], y=y)
        recommending.before(choice, y)
        learner.learn_one(choice.user, choice.item, y)
        recommending.learned(choice, y)
    return recommending.summary().get("hit_rate_at_k")
