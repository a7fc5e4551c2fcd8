"""The ``[recommend]`` table of the configuration: recommendations by request and after events."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edgedescent.engine.requests import K_MAX
from edgedescent.engine.settings import RecommendSettings
from edgedescent.errors import ConfigError, shown
from edgedescent.learners import Learner


class Recommend(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``[recommend]`` table: who gets recommendations, when, and how they are scored.

    Where the table is there, even empty, the daemon answers requests.
    """

    k: Annotated[int, Meta(ge=1, le=K_MAX)] = 10
    """Number of items of a list."""
    after: Literal["event"] | None = None
    """``event`` publishes a list for the user of each learned event."""
    exclude_seen: bool = False
    """True to leave out what the user had lately: the latest ``seen_max`` items of the learner."""
    retain: bool = False
    """True to retain the list after an event on the user's own topic, ``responses`` and the user's id."""
    topic: str = "edgedescent/{device}/recommend"
    """Topic of the requests."""
    responses: str = "edgedescent/{device}/recommendations"
    """Topic of the lists, where a request names no response topic."""
    score_every: Annotated[int, Meta(ge=0, le=1_000_000)] = 5
    """Number of choices of which one is scored, for the metrics; 0 for none. Each costs one recommendation."""
    likes_from: float | None = None
    """Label from which on an event counts as a choice, such as a rating of 4; None for all labels above 0."""
    attributes: bool = False
    """True to add the attributes of the items, such as titles, to each list."""
    attributes_max: Annotated[int, Meta(ge=0, le=1_000_000)] = 10_000
    """Number of items whose attributes are kept, 1,024 bytes each at most."""
    category: str | None = None
    """Attribute of the items that says their category, a text or a list of texts."""
    per_category: Annotated[int, Meta(ge=1)] | None = None
    """Largest number of items of a category in a list; None for no cap."""
    diversity: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """Weight of the difference from the items before in a list, against the place by score."""

    def __post_init__(self) -> None:
        if self.retain and self.after is None:
            raise ConfigError(
                '`recommend.retain` is true: expected `after = "event"` beside it.', "Answers to requests are not kept."
            )
        if self.category is None and (self.per_category is not None or self.diversity):
            name = "diversity" if self.per_category is None else "per_category"
            raise ConfigError(
                f"`recommend.{name}` is {shown(getattr(self, name))}: expected `category` beside it.",
                'Name the attribute of the items that says their category: category = "genre"',
            )
        if self.likes_from is not None and not math.isfinite(self.likes_from):
            raise ConfigError(f"`recommend.likes_from` is {shown(self.likes_from)}: expected a finite number.")

    def check_learner(self, learner: Learner) -> None:
        """Check that a learner recommends.

        Raises:
            ConfigError: If it is no recommender.
        """
        # Devices that do not recommend save the memory that it takes.
        from edgedescent.learners.recommender import Recommender

        if not isinstance(learner, Recommender):
            raise ConfigError(
                f"`recommend` is given, but {type(learner).__name__} recommends nothing: expected a learner of users "
                "and items.",
                'For example type = "AutoRanker".',
            )

    def request_topic(self, device: str) -> str:
        """Topic of the requests.

        Args:
            device: Name of the device, which becomes part of the topic.
        """
        return self.topic.replace("{device}", device)

    def settings(self, device: str) -> RecommendSettings:
        """Settings of the engine.

        Args:
            device: Name of the device, which becomes part of the topic.
        """
        return RecommendSettings(
            topic=self.request_topic(device),
            k=self.k,
            after=self.after,
            exclude_seen=self.exclude_seen,
            retain=self.retain,
            score_every=self.score_every,
            likes_from=self.likes_from,
            attributes=self.attributes,
            attributes_max=self.attributes_max,
            category=self.category,
            per_category=self.per_category,
            diversity=self.diversity,
        )
