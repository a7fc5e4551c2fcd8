"""Popularity that forgets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from edgedescent.learners.ranker import Ranker


@dataclass(kw_only=True, eq=False, repr=False)
class DecayedPopularity(Ranker):
    """Ranking by popularity that forgets: what was chosen most often lately, the same for all users.

    ::

        c_i <- (1 - 1 / horizon) c_i + weight [i is chosen]            at every event
        score = log(c_i + 0.05)

    Users and items can appear at any time. Ids are strings; an integer is the same id as its decimal digits.

    Raises:
        ValueError: If a parameter is out of its range, an id is neither a string nor an integer, or `y` is not a
            number. A rejected event changes nothing.

    Example:
        >>> from edgedescent import DecayedPopularity
        >>> ranker = DecayedPopularity(horizon=10)
        >>> for item in ["tea"] * 30 + ["milk"] * 20:
        ...     ranker.learn_one("ann", item)
        >>> ranker.recommend("bob", k=2)
        ['milk', 'tea']
    """

    horizon: Annotated[float, Meta(gt=1, le=1e9, description="Number of events after which a choice counts 1/e")] = (
        1000.0
    )

    def horizons(self) -> tuple[float, ...]:
        """Return the horizons of the popularity, in events."""
        return (self.horizon,)

    def first_weights(self) -> tuple[float, ...]:
        """Return the weights to begin with: of each popularity, the age and the sparse features."""
        return (1.0, 0.0, *[0.0] * 7)
